"""What usage costs: one dated table of list prices, and one model. Pure."""
