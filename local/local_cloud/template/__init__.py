"""The template: parsed, its conditions and functions resolved."""
