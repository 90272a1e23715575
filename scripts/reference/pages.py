"""The pages of the reference: one for each proto, the catalogue of errors, and the index."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from itertools import groupby

from scripts.reference.catalogue import Catalogue
from scripts.reference.contract import Enum, Field, File, Message, Named, Rpc, Service
from scripts.reference.links import CATALOGUE, INDEX, Links, by_name, link, page_of
from scripts.reference.prose import Prose, first_sentence
from scripts.reference.tables import table

_MADE = "<!-- Made from protos/ by `make gen`: change the comments there. -->"
_ABOUT = """\
Every service, message, enum and reason of the contract, made from the comments of
[the protos](../../protos/purser). [The guide](../guide/README.md) tells how to use them."""


def make_pages(files: list[File]) -> dict[str, str]:
    """Return the pages by their file names."""
    links = Links(files)
    catalogue = Catalogue(files, links)
    made = {
        page_of(file.path): "\n\n".join(_Page(file, links).paragraphs(catalogue)) + "\n"
        for file in files
    }
    return {INDEX: "\n\n".join(_index(files, links)) + "\n", **made}


class _Page:
    """The page of one proto."""

    def __init__(self, file: File, links: Links) -> None:
        self._file = file
        self._links = links
        self._prose = Prose(links, file)
        self._name = page_of(file.path)
        self._left = {message.full_name: message for message in file.messages}

    def paragraphs(self, catalogue: Catalogue) -> Iterator[str]:
        """Yield the paragraphs of the page."""
        path = f"protos/{self._file.path}"
        yield _MADE
        yield f"# {title(self._file)}"
        yield f"Package `{self._file.package}`, from [{path}](../../{path}). [All pages]({INDEX})."
        yield self._prose.text(self._file.comment)
        for service in self._file.services:
            yield from self._service(service)
        if self._file.path == CATALOGUE:
            yield from catalogue.page(self._file)
        yield from self._messages()
        if self._file.path != CATALOGUE:
            yield from self._enums()

    def _service(self, service: Service) -> Iterator[str]:
        yield f"## What holds for every rpc\n\n{self._prose.text(service.comment)}"
        rows = [
            [
                link(f"`{rpc.name}`", self._links.target(rpc.full_name, self._name)),
                first_sentence(rpc.comment),
            ]
            for rpc in service.rpcs
        ]
        yield f"## The rpcs\n\n{table(['rpc', 'what it does'], rows)}"
        for rpc in service.rpcs:
            yield from self._rpc(rpc)

    def _rpc(self, rpc: Rpc) -> Iterator[str]:
        yield f"### {rpc.name}"
        takes = f"{'a stream of ' if rpc.streams_requests else ''}{self._type(rpc.request)}"
        gives = f"{'a stream of ' if rpc.streams_responses else ''}{self._type(rpc.response)}"
        yield f"Takes {takes}, answers {gives}."
        yield self._prose.text(rpc.comment)
        for name in (rpc.request, rpc.response):
            if message := self._left.pop(name, None):
                yield from self._message(message, "####")

    def _messages(self) -> Iterator[str]:
        if self._left:
            yield "## Messages"
        for message in self._left.values():
            yield from self._message(message, "###")

    def _message(self, message: Message, level: str) -> Iterator[str]:
        yield f"{level} {message.name}"
        yield self._prose.text(message.comment)
        yield (
            table(["field", "no.", "type", "meaning"], self._rows(message))
            if message.fields
            else "It has no fields."
        )

    def _rows(self, message: Message) -> Iterator[list[str]]:
        for oneof, fields in groupby(message.fields, key=lambda field: field.oneof):
            if oneof:
                told = self._prose.cell(message.oneofs[oneof])
                yield [f"one of `{oneof}`", "", "", told]
            for field in fields:
                inset = "&emsp;" if oneof else ""
                meaning = self._prose.cell(field.comment)
                yield [f"{inset}`{field.name}`", str(field.number), self._of(field), meaning]

    def _of(self, field: Field) -> str:
        types = [self._type(name) for name in field.types]
        if field.label == "map":
            return f"map of {types[0]} to {types[1]}"
        return f"{field.label} {types[0]}".strip()

    def _type(self, full_name: str) -> str:
        shown = full_name.rpartition(".")[2]
        return link(f"`{shown}`", self._links.target(full_name, self._name))

    def _enums(self) -> Iterator[str]:
        if self._file.enums:
            yield "## Enums"
        for enum in self._file.enums:
            yield from self._enum(enum)

    def _enum(self, enum: Enum) -> Iterator[str]:
        yield f"### {enum.name}"
        yield self._prose.text(enum.comment)
        rows = [
            [f"`{value.name}`", str(value.number), self._prose.cell(value.comment)]
            for value in enum.values
        ]
        yield table(["value", "no.", "meaning"], rows)


def title(file: File) -> str:
    """Return the title of a proto's page."""
    if file.path == CATALOGUE:
        return "Error reasons"
    if file.services:
        (service,) = file.services
        return service.name
    noun = posixpath.basename(file.path).removesuffix(".proto").capitalize()
    return f"{noun}: messages and enums of {file.package}"


def _index(files: list[File], links: Links) -> Iterator[str]:
    yield _MADE
    yield f"# Reference\n\n{_ABOUT}"
    for package, members in groupby(files, key=lambda file: file.package):
        yield f"## {package}"
        yield table(["page", "what is there"], map(_index_row, members))
    yield f"## Every rpc\n\n{_names((rpc for file in files for rpc in file.rpcs), links)}"
    types = (each for file in files for each in (*file.messages, *file.enums))
    yield f"## Every message and enum\n\n{_names(types, links)}"


def _index_row(file: File) -> list[str]:
    about = first_sentence(file.comment).removeprefix(f"{title(file)}: ")
    about = about[:1].upper() + about[1:]
    return [
        f"[{title(file).partition(':')[0]}]({page_of(file.path)})",
        about[:1].upper() + about[1:],
    ]


def _names(elements: Iterable[Named], links: Links) -> str:
    """List elements by name, each with the package or service that it belongs to."""
    rows = (
        [
            link(f"`{element.name}`", links.target(element.full_name, INDEX)),
            f"`{element.full_name.rpartition('.')[0]}`",
        ]
        for element in by_name(elements)
    )
    return table(["name", "of"], rows)
