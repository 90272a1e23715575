"""Where each element of the contract has its place in the reference."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable

from scripts.reference.contract import File, Named

CATALOGUE = "purser/error/v1/error_reason.proto"
INDEX = "README.md"
WELL_KNOWN = "https://protobuf.dev/reference/protobuf/google.protobuf/"

# A name of one word, such as Bet or Round, is a word of prose as well, and is not linked there.
_OF_SEVERAL_WORDS = re.compile(r"[A-Z][a-z]+(?:[A-Z][a-z]+)+")


def page_of(path: str) -> str:
    """Return the file name of a proto's page."""
    return "errors.md" if path == CATALOGUE else f"{_stem(path).replace('_', '-')}.md"


def anchor(title: str) -> str:
    """Return the anchor that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _stem(path: str) -> str:
    return posixpath.basename(path).removesuffix(".proto")


class Links:
    """Finds elements by name, as seen from a page."""

    def __init__(self, files: Iterable[File]) -> None:
        self._pages: dict[str, str] = {}
        self._named: dict[str, list[str]] = {}
        self._protos: set[str] = set()
        self._values: dict[str, set[str]] = {}
        self.reasons: set[str] = set()
        for file in files:
            self._add_file(file)

    def _add_file(self, file: File) -> None:
        page = page_of(file.path)
        if page in self._pages.values() or page == INDEX:
            raise SystemExit(f"{file.path}: another proto has the page {page}")
        self._protos.add(file.path)
        for element in (*file.services, *file.rpcs, *file.messages, *file.enums):
            self._pages[element.full_name] = page
            self._named.setdefault(element.name, []).append(element.full_name)
        for service in file.services:
            for rpc in service.rpcs:
                self._named[f"{service.name}.{rpc.name}"] = [rpc.full_name]
        for enum in file.enums:
            names = {value.name.removeprefix(enum.prefix) for value in enum.values}
            self._values.setdefault(file.package, set()).update(names)
            if file.path == CATALOGUE:
                self.reasons = names - {"UNSPECIFIED"}

    def target(self, full_name: str, page: str) -> str:
        """Return the link from a page to an element; "" for what has no place."""
        name = full_name.rpartition(".")[2]
        if full_name.startswith("google.protobuf."):
            return f"{WELL_KNOWN}#{name.lower()}"
        place = self._pages.get(full_name)
        if place is None:
            return ""
        return f"#{anchor(name)}" if place == page else f"{place}#{anchor(name)}"

    def of_name(self, name: str, file: File, in_code: bool = False) -> str:
        """Return the link to what prose in a file calls by this name, or ""."""
        if not (in_code or "." in name or _OF_SEVERAL_WORDS.fullmatch(name)):
            return ""
        found = self._named.get(name, [])
        near = [each for each in found if each.startswith(f"{file.package}.")]
        of_page = [each for each in near if self._pages[each] == page_of(file.path)]
        for candidates in (of_page, near, found):
            if len(candidates) == 1:
                return self.target(candidates[0], page_of(file.path))
        return ""

    def of_reason(self, word: str, file: File, surely: bool) -> str:
        """Return the link to a reason; `surely` where no value of another enum can be meant."""
        here = file.path == CATALOGUE
        of_the_package = not here and word in self._values.get(file.package, ())
        if word not in self.reasons or (of_the_package and not surely):
            return ""
        return f"{'' if here else page_of(CATALOGUE)}#{anchor(word)}"

    def of_proto(self, path: str, file: File) -> str:
        """Return the link to the page of a proto that prose names, with its folder or without."""
        beside = posixpath.join(posixpath.dirname(file.path), path)
        known = next((each for each in (path, beside) if each in self._protos), "")
        return page_of(known) if known and known != file.path else ""


def link(shown: str, target: str) -> str:
    """Return markdown that links, or only shows where there is no target."""
    return f"[{shown}]({target})" if target else shown


def by_name(elements: Iterable[Named]) -> list[Named]:
    """Sort elements by name; equal names by their packages."""
    return sorted(elements, key=lambda element: (element.name.lower(), element.full_name))
