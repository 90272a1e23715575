"""The published catalogue of errors, read from the comments of its proto."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROTO = Path(__file__).parents[2] / "protos/purser/error/v1/error_reason.proto"

_VALUE = re.compile(r"((?:^ +//.*\n)+) +ERROR_REASON_(\w+) = \d+;", re.MULTILINE)
_LINE = re.compile(r"// (Code|Metadata|Final|Example): (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Documented:
    """What the catalogue says of one reason."""

    reason: str
    lines: dict[str, str]

    @property
    def code(self) -> str:
        """The name of the status code."""
        return self.lines["Code"]

    @property
    def metadata(self) -> set[str]:
        """The keys that are always present."""
        keys = self.lines["Metadata"]
        return set() if keys == "none" else set(keys.split(", "))

    @property
    def is_final(self) -> bool:
        """Whether the refusal is stored under its transaction id."""
        return {"yes": True, "no": False}[self.lines["Final"]]

    @property
    def example(self) -> Any:
        """A complete ErrorInfo."""
        return json.loads(self.lines["Example"])


def read_catalogue() -> dict[str, Documented]:
    """Return every reason but UNSPECIFIED, by name."""
    found = {
        name: Documented(name, dict(_LINE.findall(comment)))
        for comment, name in _VALUE.findall(PROTO.read_text())
    }
    found.pop("UNSPECIFIED", None)
    return found
