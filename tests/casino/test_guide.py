"""The Python of the guide for casinos, as it stands there, around a casino of a few lines."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from purser.casino.v1 import casino_callback_service_pb2 as pb
from purser.casino.v1.casino_callback_service_pb2_grpc import (
    CasinoCallbackServiceServicer,
    add_CasinoCallbackServiceServicer_to_server,
)
from purser_server.conformance.caller import Caller, Signing, Target, in_reverse_order
from tests.casino.desk import OPERATOR, SECRET, a_bet

GUIDE = (Path(__file__).parents[2] / "docs" / "guide" / "seamless-casino.md").read_text()


class Casino(CasinoCallbackServiceServicer):
    async def Bet(self, request: Any, context: Any) -> pb.BetResponse:  # noqa: N802
        return pb.BetResponse(outcome=pb.CALLBACK_OUTCOME_ACCEPTED, message=request.transaction_id)


@pytest.mark.parametrize(
    ("signing", "came"),
    [
        (Signing(), "ACCEPTED"),
        (Signing(skew_s=-20), "ACCEPTED"),
        (Signing(skew_s=-40), "status UNAUTHENTICATED"),
        (Signing(skew_s=40), "status UNAUTHENTICATED"),
        (Signing(secret="wrong"), "status UNAUTHENTICATED"),
        (Signing(over=b"other"), "status UNAUTHENTICATED"),
        (Signing(without="purser-signature"), "status UNAUTHENTICATED"),
        (Signing(without="purser-timestamp"), "status UNAUTHENTICATED"),
    ],
    ids=lambda given: given.shown if isinstance(given, Signing) else "",
)
async def test_the_interceptor_of_the_guide_checks_received_bytes(
    signing: Signing, came: str
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, re.S)
    names: dict[str, Any] = {}
    exec(code, names)
    server = grpc.aio.server(interceptors=[names["SignedCalls"](SECRET)])
    add_CasinoCallbackServiceServicer_to_server(Casino(), server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    bet = a_bet("b-1", operator_id=OPERATOR)
    async with Caller(Target(address, OPERATOR, "anna", "EUR", SECRET)) as caller:
        answer = await caller.call(bet, signing, in_reverse_order(bet))
    await server.stop(0)
    assert answer.came == came
    assert (answer.message == "b-1") is (came == "ACCEPTED")
