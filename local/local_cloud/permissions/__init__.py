"""Who may do what: requests checked against the template's roles and resource policies."""
