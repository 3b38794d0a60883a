"""The services that run jobs as processes: Glue, EMR, EMR Serverless, Systems Manager."""
