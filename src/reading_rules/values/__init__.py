"""Texts as values of the contract's types."""
