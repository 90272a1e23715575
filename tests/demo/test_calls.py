"""The page of calls, held against the table of status codes and the reasons that are final."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest

from purser_server.domain.errors import FINAL_REASONS, Reason
from purser_server.rpc.status import CODES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "guide" / "calls.md").read_text()


class Row(NamedTuple):
    """What a row of the page's table tells."""

    code: str
    reasons: frozenset[str]
    advice: str


def rows() -> list[Row]:
    """The rows of the status codes; "the others" are those that no other row of the code names."""
    (table,) = re.findall(r"^\| code \|.*\n\| ---.*\n((?:\|.*\n)+)", PAGE, re.M)
    found = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    named = {reason for _, reasons, _ in found for reason in in_capitals(reasons)}
    return [
        Row(code, frozenset(reasons_of(code) - named if others else in_capitals(reasons)), advice)
        for code, reasons, advice in found
        for others in [reasons == "the others"]
    ]


def in_capitals(text: str) -> set[str]:
    return set(re.findall(r"`([A-Z_]+)`", text))


def reasons_of(code: str) -> set[str]:
    return {reason.value for reason in Reason if CODES[reason].name == code}


@pytest.mark.parametrize("code", sorted({code.name for code in CODES.values()}))
def test_every_reason_stands_in_one_row_of_its_code(code: str) -> None:
    told = Counter(reason for row in rows() if row.code == code for reason in row.reasons)
    assert told == Counter(reasons_of(code))


def test_every_status_code_of_a_row_exists() -> None:
    known = {code.name for code in grpc.StatusCode}
    assert all(set(row.code.split(", ")) <= known for row in rows())


def test_rows_that_say_final_hold_what_is_final_and_no_others_do() -> None:
    final = {reason for row in rows() if row.advice.startswith("final") for reason in row.reasons}
    assert final == FINAL_REASONS


def test_the_list_of_final_refusals_is_whole() -> None:
    (told,) = re.findall(r"^Final refusals, (.*?)\. All", PAGE, re.M | re.S)
    assert in_capitals(told) == FINAL_REASONS
