"""How the rows of a flush travel: each column as one text, which PostgreSQL reads as an array.

The driver's own arrays cost the writer several times as much, for it asks of every element whether
it is an array itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

SEPARATOR = "\x1f"
"""Stands between texts: a control character, which no id may contain and which JSON escapes."""


def columns(rows: Iterable[Sequence[object]], types: str) -> tuple[str, ...]:
    """Return one text per column, for a statement that takes them with `unnest` of these types.

    `types` are names of SQL types with a space between. Other types than text hold numbers,
    booleans and None; a text that is None travels as an empty one.
    """
    names = types.split()
    found = tuple(zip(*rows, strict=True)) or ((),) * len(names)
    return tuple(
        _texts(column) if name == "text" else _numbers(column)
        for name, column in zip(names, found, strict=True)
    )


def unnest(types: str, first: int = 1) -> str:
    """Return the SQL that makes rows of what `columns` gives, as parameters from `$first` on."""
    arrays = (_array(number, name) for number, name in enumerate(types.split(), first))
    return f"unnest({', '.join(arrays)})"


def moment(microseconds: str) -> str:
    """Return the SQL of a time that travels as microseconds since 1970.

    PostgreSQL multiplies intervals as floats, which a far time is too long for in one piece.
    """
    return (
        "'epoch'::timestamptz"
        f" + {microseconds} / 1000000 * interval '1 second'"
        f" + {microseconds} % 1000000 * interval '1 microsecond'"
    )


def _array(number: int, name: str) -> str:
    is_text = name == "text"
    return f"string_to_array(${number}, chr(31))" if is_text else f"${number}::text::{name}[]"


def _numbers(column: Sequence[object]) -> str:
    # "(1, None, 3)", or "(1,)" for a lone one.
    listed = str(column)[1:-1].rstrip(",")
    return "{" + (listed.replace("None", "NULL") if None in column else listed) + "}"


def _texts(column: Sequence[object]) -> str:
    try:
        return SEPARATOR.join(column)  # type: ignore[arg-type]
    except TypeError:
        return SEPARATOR.join(text or "" for text in column)  # type: ignore[misc]
