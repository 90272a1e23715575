"""The reference casino answers nobody but Purser."""

from __future__ import annotations

import pytest

from purser.casino.v1 import casino_callback_service_pb2 as pb
from purser_casino.signatures import SIGNATURE_KEY, TIMESTAMP_KEY, SignatureCheck
from purser_server.casino.signatures import signature_metadata
from purser_server.conformance.caller import Signing, in_reverse_order
from tests.casino.desk import Desk, a_bet

PATH = "/purser.casino.v1.CasinoCallbackService/Bet"
NOW = 1_700_000_000
BODY = b"the request's bytes"
# echo -n "the request's bytes" | sha256sum; printf 'PATH\nNOW\nDIGEST' | openssl dgst -sha256 -hmac
WORKED_EXAMPLE = "7ee55d0dee7d7943e971853a4b9b93f4505186c4e3c0b9db05efcfdaaadc444a"


def check(now: float = NOW, secret: str = "sesame") -> SignatureCheck:
    return SignatureCheck(secret, lambda: now)


def metadata(timestamp: int = NOW, body: bytes = BODY, secret: str = "sesame") -> dict[str, str]:
    return dict(signature_metadata(secret, PATH, timestamp, body))


def test_the_signature_is_that_of_the_contract() -> None:
    assert check().expected(PATH, str(NOW), BODY).decode() == WORKED_EXAMPLE
    assert metadata()[SIGNATURE_KEY] == WORKED_EXAMPLE


def test_what_purser_signs_is_accepted() -> None:
    assert check().problem(PATH, metadata(), BODY) == ""
    assert check(secret="Schlüssel").problem(PATH, metadata(secret="Schlüssel"), BODY) == ""


@pytest.mark.parametrize("off_s", [-30, 30])
def test_thirty_seconds_are_accepted(off_s: int) -> None:
    assert check().problem(PATH, metadata(NOW + off_s), BODY) == ""


@pytest.mark.parametrize("off_s", [-31, 31])
def test_more_than_thirty_seconds_are_refused(off_s: int) -> None:
    assert "clock" in check().problem(PATH, metadata(NOW + off_s), BODY)


@pytest.mark.parametrize(
    "change",
    [
        {SIGNATURE_KEY: ""},
        {SIGNATURE_KEY: "0" * 64},
        {SIGNATURE_KEY: WORKED_EXAMPLE.upper()},
        {SIGNATURE_KEY: "é"},
        {TIMESTAMP_KEY: ""},
        {TIMESTAMP_KEY: "today"},
        {TIMESTAMP_KEY: f"-{NOW}"},
        {TIMESTAMP_KEY: "\u0661"},
        {TIMESTAMP_KEY: str(NOW + 1)},
    ],
)
def test_anything_else_is_refused(change: dict[str, str]) -> None:
    assert check().problem(PATH, {**metadata(), **change}, BODY)


def test_another_method_another_request_another_secret_are_refused() -> None:
    assert check().problem(PATH.replace("Bet", "Win"), metadata(), BODY)
    assert check().problem(PATH, metadata(), BODY + b" ")
    assert check(secret="Sesame").problem(PATH, metadata(), BODY)


@pytest.mark.parametrize(
    "signing",
    [
        Signing(secret="wrong"),
        Signing(over=b"other bytes"),
        Signing(without=SIGNATURE_KEY),
        Signing(without=TIMESTAMP_KEY),
        Signing(skew_s=-60),
        Signing(skew_s=60),
        Signing(rpc="Win"),
    ],
    ids=lambda signing: signing.shown,
)
async def test_a_stranger_is_unauthenticated_and_leaves_no_trace(
    desk: Desk, signing: Signing
) -> None:
    assert await desk.send(a_bet("b-1"), signing) == "status UNAUTHENTICATED"
    assert desk.casino.movement("b-1") is None
    assert await desk.bet("b-1") == "ACCEPTED"


async def test_an_unknown_operator_is_unauthenticated(desk: Desk) -> None:
    assert await desk.send(a_bet("b-1", operator_id="other")) == "status UNAUTHENTICATED"
    assert desk.money == "100.00"


async def test_bytes_count_as_they_were_received(desk: Desk) -> None:
    bet = a_bet("b-1", operator_id="lucky", request_id="1")
    sent = in_reverse_order(bet)
    assert sent != bet.SerializeToString() and pb.BetRequest.FromString(sent) == bet
    assert (await desk._caller.call(bet, sent=sent)).came == "ACCEPTED"
    assert desk.money == "95.00"


async def test_signed_bytes_that_are_no_message_are_an_invalid_argument(desk: Desk) -> None:
    answer = await desk._caller.call(a_bet("b-1"), sent=b"\xff\xff")
    assert answer.came == "status INVALID_ARGUMENT"
