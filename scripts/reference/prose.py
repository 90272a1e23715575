"""Comments of protos as markdown, with links to what they name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scripts.reference.contract import File
from scripts.reference.links import Links, link

OF_EVERY_RPC = "Besides the reasons named below"
REASONS = re.compile(r"\bReasons\b[^:.]*:")

_LIST_ITEM = re.compile(r"\s*(?:-|\d+\.) ")
_WORDS = re.compile(
    r"(?P<code>`[^`]+`)"
    r"|(?P<proto>[\w/]+\.proto\b)"
    r"|(?P<upper>\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*\b)"
    r"|(?P<name>\b[A-Z]\w*(?:\.[A-Z]\w*)?\b)"
)
_MARKS_A_BLOCK = re.compile(r"^(\d*)([-+*#>.]) ")


class Prose:
    """Writes the comments of one file."""

    def __init__(self, links: Links, file: File) -> None:
        self._links = links
        self._file = file

    def text(self, comment: str) -> str:
        """Return a comment as markdown."""
        return "\n\n".join(self._block(block) for block in blocks(comment))

    def cell(self, comment: str) -> str:
        """Return a comment for a cell of a table: one line, paragraphs with a break between."""
        return "<br>".join(map(self._in_cell, blocks(comment))).replace("|", "\\|")

    def _block(self, block: str) -> str:
        if _is_code(block):
            return f"```\n{_without_indent(block)}\n```"
        if _LIST_ITEM.match(block):
            return self._linked(_without_indent(block))
        if block.startswith("|"):
            return self._linked(block)
        return self._linked("\n".join(map(_plain_start, block.splitlines())))

    def _in_cell(self, block: str) -> str:
        keeps_lines = _is_code(block) or _LIST_ITEM.match(block)
        return self._linked(block.strip()).replace("\n", "<br>" if keeps_lines else " ")

    def _linked(self, text: str) -> str:
        reasons = REASONS.search(text)
        # Behind "Reasons:" stand reasons; elsewhere some of their names are those of outcomes, too.
        since = reasons.end() if reasons else len(text)
        if text.startswith(OF_EVERY_RPC):
            since = 0
        parts, end = [], 0
        for found in _WORDS.finditer(text):
            parts += [
                _escaped(text[end : found.start()]),
                self._word(found, found.start() >= since),
            ]
            end = found.end()
        return "".join([*parts, _escaped(text[end:])])

    def _word(self, found: re.Match[str], among_reasons: bool) -> str:
        word, kind = found[0], found.lastgroup
        if kind == "code":
            return link(word, self._links.of_name(word.strip("`"), self._file, in_code=True))
        if kind == "proto":
            return link(word, self._links.of_proto(word, self._file))
        if kind == "upper":
            return link(word, self._links.of_reason(word, self._file, among_reasons))
        of_this_page = word in {service.name for service in self._file.services}
        return word if of_this_page else link(word, self._links.of_name(word, self._file))


def first_sentence(comment: str) -> str:
    """Return what a comment begins with, without links, for a cell of a table."""
    first = next(iter(blocks(comment)), "").replace("\n", " ")
    found = re.match(r".*?[.](?= |$)", first)
    return _escaped(found[0] if found else first).replace("|", "\\|")


def blocks(comment: str) -> Iterator[str]:
    """Yield what blank lines separate; code that they interrupt stays together."""
    lines = [line.removeprefix(" ").rstrip() for line in comment.splitlines()]
    code: list[str] = []
    for block in filter(None, re.split(r"\n{2,}", "\n".join(lines).strip("\n"))):
        if _is_code(block):
            code.append(block)
            continue
        if code:
            yield "\n\n".join(code)
            code = []
        yield block
    if code:
        yield "\n\n".join(code)


def _is_code(block: str) -> bool:
    return block.startswith("  ") and not _LIST_ITEM.match(block)


def _without_indent(block: str) -> str:
    """Move a block to the left, as far as its first line can go."""
    indent = len(block) - len(block.lstrip(" "))
    return "\n".join(line.removeprefix(" " * indent) for line in block.splitlines())


def _plain_start(line: str) -> str:
    """Escape what would begin a list or a heading, where prose was only broken there."""
    return _MARKS_A_BLOCK.sub(r"\1\\\2 ", line)


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;").replace("[", "\\[")
