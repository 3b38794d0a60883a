"""An embedded AWS for one machine: one endpoint, wired by the template that is deployed."""
