"""The step Lambdas: one thin module each, over functions that are tested without Lambda."""
