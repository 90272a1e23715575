"""The page of the error catalogue, and which rpcs name a reason."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from scripts.reference.contract import Enum, File, Named, Rpc, Service, Value
from scripts.reference.links import CATALOGUE, Links, anchor, link, page_of
from scripts.reference.prose import OF_EVERY_RPC, REASONS, Prose, blocks, first_sentence
from scripts.reference.tables import table

_LINES = re.compile(r"^ *(Code|Metadata|Final|Example): (.*)$", re.MULTILINE)
_WORD = re.compile(r"\b[A-Z][A-Z_]+[A-Z]\b")
_LIKE = re.compile(r"those of (\w+)(?: but ([A-Z_]+))?")


class Catalogue:
    """Every reason, with the rpcs whose comments name it."""

    def __init__(self, files: Iterable[File], links: Links) -> None:
        self._links = links
        self._services = [service for file in files for service in file.services]
        self._of = {
            rpc.full_name: self._reasons_for_all(service) | self._reasons_of(rpc, service)
            for service in self._services
            for rpc in service.rpcs
        }

    def _reasons_for_all(self, service: Service) -> set[str]:
        told = (block for block in blocks(service.comment) if block.startswith(OF_EVERY_RPC))
        return self._links.reasons.intersection(_WORD.findall(" ".join(told)))

    def _reasons_of(self, rpc: Rpc, service: Service) -> set[str]:
        reasons: set[str] = set()
        for block in blocks(rpc.comment):
            if found := REASONS.search(block):
                told = block[found.end() :].replace("\n", " ")
                for like in _LIKE.finditer(told):
                    same = [other for other in service.rpcs if other.name == like[1]]
                    reasons.update(*(self._reasons_of(other, service) for other in same))
                    reasons.discard(like[2])
                reasons.update(_WORD.findall(_LIKE.sub("", told)))
        return reasons & self._links.reasons

    def page(self, file: File) -> Iterator[str]:
        """Yield the paragraphs of the page, from below its head."""
        prose = Prose(self._links, file)
        (enum,) = file.enums
        values = [value for value in enum.values if not value.name.endswith("_UNSPECIFIED")]
        yield f"## {enum.name}\n\n{prose.text(enum.comment)}"
        yield _overview(enum, values)
        yield _nothing(enum)
        for value in values:
            yield from self._reason(enum, value, prose)

    def _reason(self, enum: Enum, value: Value, prose: Prose) -> Iterator[str]:
        name, lines = value.name.removeprefix(enum.prefix), _lines(value)
        when = [block for block in blocks(value.comment) if not _LINES.search(block)]
        yield f"### {name}"
        yield prose.text("\n\n".join(when))
        metadata = lines["Metadata"]
        keys = ", ".join(f"`{key}`" for key in metadata.split(", "))
        facts = [
            ["status code", f"`{lines['Code']}`"],
            ["metadata", "none" if metadata == "none" else keys],
            ["final", lines["Final"]],
            ["in the protos", f"`{value.name}` = {value.number}"],
        ]
        yield table(["", ""], facts)
        yield f"```json\n{json.dumps(json.loads(lines['Example']), indent=2)}\n```"
        yield self._named_by(name)

    def _named_by(self, reason: str) -> str:
        """Tell which rpcs name a reason, a line for each service."""
        lines = []
        for service in self._services:
            rpcs = [rpc for rpc in service.rpcs if reason in self._of[rpc.full_name]]
            if len(rpcs) > 1 and len(rpcs) == len(service.rpcs):
                lines.append(f"- every rpc of {self._link(service)}")
            elif rpcs:
                lines.append(f"- {self._link(service)}: {', '.join(map(self._link, rpcs))}")
        return "\n".join(["Named by:\n", *lines]) if lines else "No rpc names it."

    def _link(self, element: Named) -> str:
        return link(element.name, self._links.target(element.full_name, page_of(CATALOGUE)))


def _lines(value: Value) -> dict[str, str]:
    lines: dict[str, str] = dict(_LINES.findall(value.comment))
    if missing := {"Code", "Metadata", "Final", "Example"} - lines.keys():
        raise SystemExit(f"the comment of {value.name} lacks {', '.join(sorted(missing))}")
    return lines


def _nothing(enum: Enum) -> str:
    unspecified = enum.values[0]
    return f"`{unspecified.name}` = {unspecified.number} is never sent."


def _overview(enum: Enum, values: list[Value]) -> str:
    rows = []
    for value in values:
        name, lines = value.name.removeprefix(enum.prefix), _lines(value)
        shown, when = f"[`{name}`](#{anchor(name)})", first_sentence(value.comment)
        rows.append([shown, f"`{lines['Code']}`", lines["Final"], when])
    return table(["reason", "status code", "final", "when"], rows)
