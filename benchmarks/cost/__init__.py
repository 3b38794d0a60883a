"""What orchestrating a thousand objects costs, beside the same work in Step Functions."""
