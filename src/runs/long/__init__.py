"""Runs of the long-running function: started by name, begun again, stopped from outside."""
