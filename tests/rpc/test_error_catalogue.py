"""The catalogue of errors: complete, told alike everywhere, and true on the wire."""

from __future__ import annotations

import grpc
import pytest

import tests.rpc.provocations_loyalty  # noqa: F401
from purser.error.v1 import error_reason_pb2
from purser_server.domain.errors import FINAL_REASONS, Reason
from purser_server.rpc.status import CODES
from tests.rpc.provocations import PROVOKE, Scene
from tests.support.calls import outcome
from tests.support.catalogue import Documented, read_catalogue
from tests.support.client import Client, Failure, Installation, eur

CATALOGUE = read_catalogue()

# The code and the keys that clients were promised.
CONTRACT = {
    "INVALID_ARGUMENT": ["INVALID_FIELD", "AMOUNT_PRECISION", "AMOUNT_RANGE", "CURRENCY_UNKNOWN"],
    "UNAUTHENTICATED": ["UNAUTHENTICATED_KEY"],
    "PERMISSION_DENIED": ["ROLE_MISSING"],
    "NOT_FOUND": [
        *("PLAYER_NOT_FOUND", "WALLET_NOT_FOUND", "TRANSACTION_NOT_FOUND", "ROUND_NOT_FOUND"),
        *("BET_NOT_FOUND", "API_KEY_NOT_FOUND", "CASE_NOT_FOUND", "ORDER_NOT_FOUND"),
        *("PRIZE_NOT_FOUND", "HOLD_NOT_FOUND", "OPERATOR_NOT_FOUND", "CAMPAIGN_NOT_FOUND"),
    ],
    "ALREADY_EXISTS": [
        *("PLAYER_EXISTS", "OPERATOR_EXISTS", "TRANSACTION_ID_REUSED"),
        *("CAMPAIGN_EXISTS", "PRIZE_EXISTS"),
    ],
    "FAILED_PRECONDITION": [
        *("INSUFFICIENT_FUNDS", "INSUFFICIENT_POINTS", "PLAYER_SUSPENDED", "PLAYER_CLOSED"),
        *("PLAYER_SELF_EXCLUDED", "ROUND_CLOSED", "BET_ALREADY_SETTLED", "SESSION_INVALID"),
        *("TRANSACTION_ROLLED_BACK", "TRANSACTION_NOT_REVERSIBLE", "WRONG_MODE"),
        *("MODE_CHANGE_BLOCKED", "CASINO_REFUSED", "REFUND_EXCEEDS_ORDER"),
        *("REFUND_LINE_UNKNOWN", "REFUND_LINES_REQUIRED", "PRIZE_NOT_RETURNABLE"),
        *("PRIZE_NOT_SHIPPABLE", "HOLD_NOT_ACTIVE", "CASE_ALREADY_RESOLVED"),
    ],
    "ABORTED": ["ATOMIC_GROUP_FAILED"],
    "UNAVAILABLE": ["CASINO_UNREACHABLE"],
    "RESOURCE_EXHAUSTED": ["OVERLOADED"],
}


# -- the catalogue itself ---------------------------------------------------------------------


def test_every_value_of_the_enum_is_documented() -> None:
    values = error_reason_pb2.ErrorReason.DESCRIPTOR.values
    names = {value.name.removeprefix("ERROR_REASON_") for value in values} - {"UNSPECIFIED"}
    assert set(CATALOGUE) == names


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=CATALOGUE)
def test_an_entry_has_its_four_lines_and_an_example_that_fits_them(entry: Documented) -> None:
    assert set(entry.lines) == {"Code", "Metadata", "Final", "Example"}
    assert entry.code in grpc.StatusCode.__members__
    assert isinstance(entry.is_final, bool)
    example = entry.example
    assert set(example) == {"reason", "domain", "metadata"}
    assert (example["reason"], example["domain"]) == (entry.reason, "purser")
    assert set(example["metadata"]) == entry.metadata
    assert all(isinstance(value, str) for value in example["metadata"].values())


def test_the_codes_are_those_that_clients_were_promised() -> None:
    for code, names in CONTRACT.items():
        for name in names:
            assert CATALOGUE[name].code == code, name


@pytest.mark.parametrize("reason", Reason)
def test_the_server_and_the_catalogue_agree(reason: Reason) -> None:
    entry = CATALOGUE[reason]
    assert CODES[reason].name == entry.code
    assert (reason in FINAL_REASONS) == entry.is_final


# -- each reason, over the wire ---------------------------------------------------------------

NEED_A_FAULT = {Reason.OVERLOADED, Reason.LEDGER_UNAVAILABLE, Reason.INTERNAL_ERROR}
"""Provoked in test_technical_failures, each on a server of its own."""


def test_every_reason_of_this_release_can_be_provoked() -> None:
    assert set(PROVOKE) | NEED_A_FAULT == set(Reason)


@pytest.mark.parametrize("reason", PROVOKE)
async def test_a_reason_carries_on_the_wire_what_the_catalogue_says(
    casino: Client, installation: Installation, reason: Reason
) -> None:
    player = await casino.new_player(money=eur("10.00"))
    found = await outcome(PROVOKE[reason](Scene(casino, installation, player)))
    assert isinstance(found, Failure), "the call succeeded"
    assert found.reason == reason, str(found)
    assert found.code.name == CATALOGUE[reason].code
    assert set(found.metadata) == CATALOGUE[reason].metadata
    assert found.domain == "purser"
    assert found.message
    assert bool(found.bad_fields) == (reason is Reason.INVALID_FIELD)
    assert not found.has_retry_info
