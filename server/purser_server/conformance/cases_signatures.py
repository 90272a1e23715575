"""Who may call: what is not signed by Purser is UNAUTHENTICATED, and leaves no trace."""

from __future__ import annotations

import time

from purser_server.casino.signatures import SIGNATURE_KEY, TIMESTAMP_KEY
from purser_server.conformance.caller import Signing, in_reverse_order
from purser_server.conformance.outcomes import ACCEPTED, UNAUTHENTICATED
from purser_server.conformance.play import Play, fresh
from purser_server.conformance.registry import case

# Purser's clock and the casino's may differ a little; these leave ten seconds for that.
_TOO_FAR_S = 40
_NEAR_S = 20


async def _refused_without_trace(play: Play, *signings: Signing) -> None:
    """Send a bet with bad signatures, then with a good one: it must be new to the casino."""
    bet = play.bet(500)
    for signing in signings:
        await play.sends(bet, UNAUTHENTICATED, signing=signing)
    await play.sends(bet, ACCEPTED, moves=-500)


@case("bad-signature", "A signature by another secret is UNAUTHENTICATED, for every rpc.")
async def bad_signature(play: Play) -> None:
    """Sign with another secret, and send a good call afterwards."""
    wrong = Signing(secret="not the secret")  # noqa: S106 - that is the point
    await _refused_without_trace(play, wrong)
    bet = play.bet(0)
    await play.sends(bet, ACCEPTED)
    asked = play.balance_request()
    for request in (asked, play.win(bet, 700), play.rollback(bet), play.prize(250)):
        await play.sends(request, UNAUTHENTICATED, signing=wrong)


@case("missing-signature", "A call without signature or timestamp is UNAUTHENTICATED.")
async def missing_signature(play: Play) -> None:
    """Leave each of the two out, and send a timestamp that is none."""
    await _refused_without_trace(
        play,
        Signing(without=SIGNATURE_KEY),
        Signing(without=TIMESTAMP_KEY),
        Signing(timestamp="today"),
    )


@case("signature-over-other-bytes", "The signature covers the request: no field can be changed.")
async def signature_over_other_bytes(play: Play) -> None:
    """Sign a bet of 1, and send a bet of 500."""
    bet, small = play.bet(500), play.bet(1)
    signing = Signing(over=fresh(small).SerializeToString())
    await play.sends(bet, UNAUTHENTICATED, signing=signing)
    await play.sends(bet, ACCEPTED, moves=-500)


@case("signature-of-another-method", "The signature covers the path of the method.")
async def signature_of_another_method(play: Play) -> None:
    """Send a bet that is signed as a rollback."""
    await _refused_without_trace(play, Signing(rpc="Rollback"))


@case("signature-covers-timestamp", "The signature covers the timestamp: it cannot be renewed.")
async def signature_covers_timestamp(play: Play) -> None:
    """Sign a time of a minute ago, and send the time of now."""
    now = str(int(time.time()))
    await _refused_without_trace(play, Signing(skew_s=-60, timestamp=now))


@case("received-bytes", "The signature is over the bytes as they were received.")
async def received_bytes(play: Play) -> None:
    """Send a bet with its fields in reverse order: parsed and serialized, it has other bytes."""
    bet = play.bet(500)
    await play.sends(
        bet, ACCEPTED, moves=-500, sent=in_reverse_order(fresh(bet)), how="fields in reverse order"
    )


@case("clock-behind", "A timestamp of more than 30 s ago is UNAUTHENTICATED; 20 s are fine.")
async def clock_behind(play: Play) -> None:
    """Sign 40 and 20 seconds ago."""
    await _refused_without_trace(play, Signing(skew_s=-_TOO_FAR_S))
    await play.sends(play.bet(300), ACCEPTED, moves=-300, signing=Signing(skew_s=-_NEAR_S))


@case("clock-ahead", "A timestamp more than 30 s ahead is UNAUTHENTICATED; 20 s are fine.")
async def clock_ahead(play: Play) -> None:
    """Sign in 40 and in 20 seconds."""
    await _refused_without_trace(play, Signing(skew_s=_TOO_FAR_S))
    await play.sends(play.bet(300), ACCEPTED, moves=-300, signing=Signing(skew_s=_NEAR_S))


@case("unknown-operator", "An operator id that is not the casino's is UNAUTHENTICATED.")
async def unknown_operator(play: Play) -> None:
    """Bet for another operator, with a good signature."""
    bet = play.bet(500)
    bet.operator_id = play.new_id("operator")
    await play.sends(bet, UNAUTHENTICATED, how="another operator")
    bet.operator_id = play.operator_id
    await play.sends(bet, ACCEPTED, moves=-500)
