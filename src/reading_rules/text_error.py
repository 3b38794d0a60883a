"""What is wrong with a text as a whole."""

from __future__ import annotations


class TextError(Exception):
    """A text is not as its format says; the message goes on from "<object>, "."""
