"""The deployment as the command line sees it."""
