"""Texts of a file as messages show them."""

from __future__ import annotations


def visible(text: str) -> str:
    """A text in which what cannot be seen, or looks like a space, is written as `\\u200b`."""
    return "".join(
        letter if letter.isprintable() else _ESCAPES[ord(letter) > 0xFFFF].format(ord(letter))
        for letter in text
    )


_ESCAPES = ("\\u{:04x}", "\\U{:08x}")
