"""The form of identifiers: 1 to 128 Unicode characters, no control characters, compared exactly."""

from __future__ import annotations

import unicodedata

MAX_ID_LENGTH = 128


def has_control_characters(text: str) -> bool:
    """Tell whether the text holds a character of Unicode category Cc."""
    # Nearly every id is printable, and that test runs at the speed of C.
    if text.isprintable():
        return False
    return any(unicodedata.category(character) == "Cc" for character in text)


def id_problem(text: str) -> str | None:
    """Say what is wrong with an identifier, or None when it is well formed."""
    if not text:
        return "must not be empty"
    if len(text) > MAX_ID_LENGTH:
        return f"must have at most {MAX_ID_LENGTH} characters, has {len(text)}"
    if has_control_characters(text):
        return "must not contain control characters"
    return None
