"""The form of identifiers: 1 to 128 Unicode characters, no control characters, compared exactly."""

from __future__ import annotations

import unicodedata

MAX_ID_LENGTH = 128
_SHOWN = 40


def has_control_characters(text: str) -> bool:
    """Tell whether the text holds a character of Unicode category Cc."""
    if text.isprintable():
        return False
    return any(unicodedata.category(character) == "Cc" for character in text)


def quoted(text: str) -> str:
    """Return an id as a sentence for people shows it; metadata has it whole."""
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


def id_problem(text: str) -> str | None:
    """Say what is wrong with an identifier, or None when it is well formed."""
    # Nearly every id is printable, and that test runs at the speed of C.
    if text.isprintable() and 0 < len(text) <= MAX_ID_LENGTH:
        return None
    if not text:
        return "must not be empty"
    if len(text) > MAX_ID_LENGTH:
        return f"must have at most {MAX_ID_LENGTH} characters, has {len(text)}"
    if has_control_characters(text):
        return "must not contain control characters"
    return None
