"""Points: lots in the order of their expiry, holds that lapse, debt that is paid first."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from purser_server.domain.points import (
    NEVER,
    Claim,
    Hold,
    HoldState,
    Lot,
    Part,
    Points,
    TakenFrom,
    add,
    capture,
    catch_up,
    hold,
    release,
    restore,
    spend,
    take_back,
)
from purser_server.domain.programs import NegativeBalancePolicy

NOON = datetime(2030, 6, 1, 12, tzinfo=UTC)
ALLOW, WITHIN, PENDING_ONLY = NegativeBalancePolicy


def day(number: float) -> datetime:
    return NOON + timedelta(days=number)


def lot(
    number: int, points: int, *, available: float = 0, expires: float | None = None, of: int = 0
) -> Lot:
    expire_time = NEVER if expires is None else day(expires)
    return Lot(number, of or number, points, day(available), expire_time)


def having(*lots: Lot, debt: int = 0) -> Points:
    return Points(lots, debt=debt)


def left(points: Points) -> dict[int, int]:
    return {lot.number: lot.points for lot in points.lots}


# -- time ----------------------------------------------------------------------------------------


def test_points_are_available_and_expired_exactly_at_their_time() -> None:
    points = having(lot(1, 10, available=1, expires=2))
    moment = timedelta(microseconds=1)

    assert (points.available(day(1) - moment), points.pending(day(1) - moment)) == (0, 10)
    assert (points.available(day(1)), points.pending(day(1))) == (10, 0)
    assert catch_up(points, day(2) - moment).points.total == 10
    caught_up = catch_up(points, day(2))
    assert caught_up.points.total == 0
    assert [part.points for part in caught_up.expired] == [10]


def test_what_becomes_available_pays_debt_even_if_it_has_expired_since() -> None:
    points = having(lot(1, 10, available=1, expires=2), lot(2, 5, available=3), debt=12)

    caught_up = catch_up(points, day(4))

    assert caught_up.points.debt == 0
    assert left(caught_up.points) == {2: 3}
    assert caught_up.expired == ()


def test_where_nothing_is_due_nothing_is_made_anew() -> None:
    points = having(*(lot(number, 10, available=number, expires=90) for number in range(50)))
    assert catch_up(points, day(60)).points is points
    assert catch_up(points, day(90)).points == having()


def test_a_hold_keeps_points_from_expiring_until_it_lapses() -> None:
    points, parts = _spent(having(lot(1, 10, expires=2)), 6)
    points = hold(points, Hold("h", parts, day(5), NOON))

    during = catch_up(points, day(3)).points
    assert (during.held, during.available(day(3)), during.total) == (6, 0, 6)
    after = catch_up(points, day(5))
    assert [lapsed.state for lapsed in after.lapsed] == [HoldState.EXPIRED]
    assert after.points.total == 0
    assert sum(part.points for part in after.expired) == 10


def test_points_of_a_lapsed_hold_that_have_not_expired_may_be_spent_again() -> None:
    points, parts = _spent(having(lot(1, 10, expires=9)), 6)
    points = catch_up(hold(points, Hold("h", parts, day(5), NOON)), day(5)).points
    assert left(points) == {1: 10}
    assert not points.holds


# -- spending ------------------------------------------------------------------------------------


def test_the_soonest_to_expire_is_spent_first_and_what_never_expires_last() -> None:
    points = having(lot(1, 5), lot(2, 5, expires=9), lot(3, 5, expires=3), lot(4, 5, available=1))

    after, parts = _spent(points, 12)

    assert [(part.lot_number, part.points) for part in parts] == [(3, 5), (2, 5), (1, 2)]
    assert left(after) == {1: 3, 4: 5}


def test_more_than_is_available_cannot_be_spent() -> None:
    points = having(lot(1, 5), lot(2, 5, available=1))
    assert spend(points, 6, NOON) is None
    assert spend(points, 5, NOON) is not None


def test_a_captured_hold_is_spent_and_a_released_one_comes_back() -> None:
    points, parts = _spent(having(lot(1, 10)), 4)
    held = hold(points, Hold("h", parts, day(1), NOON))

    captured, spent = capture(held, "h")
    assert (captured.total, spent) == (6, parts)
    released = release(held, "h", NOON)
    assert (released.total, released.available(NOON), released.held) == (10, 10, 0)


def test_a_redemption_comes_back_with_its_original_expiry() -> None:
    points, parts = _spent(having(lot(1, 5, expires=2), lot(2, 5, expires=9)), 8)

    back = restore(points, parts, 8, day(3))

    assert (back.restored, back.forfeited, back.left) == (3, 5, ())
    assert {lot.expire_time for lot in back.points.lots} == {day(9)}


def test_a_part_of_a_redemption_comes_back_and_the_rest_may_later() -> None:
    points, parts = _spent(having(lot(1, 5, expires=2), lot(2, 5, expires=9)), 10)

    back = restore(points, parts, 6, NOON)
    again = restore(back.points, back.left, 4, NOON)

    assert (back.restored, sum(part.points for part in back.left)) == (6, 4)
    assert (again.restored, again.left) == (4, ())
    assert again.points.total == 10


def test_debt_is_paid_first_by_what_arrives() -> None:
    points = add(having(debt=7), lot(1, 10), NOON)
    assert (points.debt, points.total, left(points)) == (0, 3, {1: 3})
    later = add(having(debt=7), lot(1, 10, available=1), NOON)
    assert (later.debt, later.total) == (7, 3)


# -- reversals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "taken"),
    [
        (ALLOW, TakenFrom(pending=10, available=25, debt=5)),
        (WITHIN, TakenFrom(pending=10, available=25, shortfall=5)),
        (PENDING_ONLY, TakenFrom(pending=10, shortfall=30)),
    ],
)
def test_how_far_a_reversal_goes(policy: NegativeBalancePolicy, taken: TakenFrom) -> None:
    points = having(
        lot(1, 10, available=1, of=100), lot(2, 15, of=100), lot(3, 10), lot(4, 9, available=1)
    )
    after, found = take_back(points, Claim(100, 40), policy, NOON)
    assert found == taken
    assert after.total == points.total - taken.pending - taken.available - taken.debt


def test_the_orders_own_points_go_first_even_if_others_expire_sooner() -> None:
    points = having(lot(1, 10, of=100), lot(2, 10, expires=1))
    after, _ = take_back(points, Claim(100, 6), ALLOW, NOON)
    assert left(after) == {1: 4, 2: 10}


def test_what_has_expired_unspent_is_neither_taken_nor_owed() -> None:
    points = having(lot(2, 10, of=100), lot(3, 50))
    after, taken = take_back(points, Claim(100, 40, expired=25), ALLOW, NOON)
    assert taken == TakenFrom(available=15, expired=25)
    assert left(after) == {3: 45}


def test_who_spent_70_of_80_and_returns_40_ends_as_the_policy_says() -> None:
    points, _ = _spent(having(lot(1, 80)), 70)
    ends = {}
    for policy in NegativeBalancePolicy:
        after, taken = take_back(points, Claim(1, 40), policy, NOON)
        ends[policy] = (after.total, taken.shortfall)
    assert ends == {ALLOW: (-30, 0), WITHIN: (0, 30), PENDING_ONLY: (10, 40)}


# -- any schedule --------------------------------------------------------------------------------


@dataclass
class Ledger:
    """What a ledger would keep: one balance, moved by what each operation says it did."""

    points: Points = field(default_factory=Points)
    balance: int = 0
    now: datetime = NOON
    number: int = 0
    spent: list[tuple[Part, ...]] = field(default_factory=list)

    def catch_up(self) -> None:
        caught_up = catch_up(self.points, self.now)
        for part in caught_up.expired:
            assert part.expire_time <= self.now
        self.balance -= sum(part.points for part in caught_up.expired)
        self.points = caught_up.points

    def earn(self, points: int, wait: int, lives: int) -> None:
        self.number += 1
        available = self.now + timedelta(days=wait)
        expires = available + timedelta(days=lives) if lives else NEVER
        new = Lot(self.number, self.number, points, available, expires)
        self.points = add(self.points, new, self.now)
        self.balance += points

    def spend(self, wanted: int, *, as_hold: bool) -> None:
        found = spend(self.points, wanted, self.now)
        if found is None:
            assert self.points.available(self.now) < wanted
            return
        self.points, parts = found
        for part in parts:
            assert part.available_time <= self.now < part.expire_time
        if as_hold and parts:
            self.number += 1
            until = self.now + timedelta(days=2)
            self.points = hold(self.points, Hold(f"h{self.number}", parts, until, self.now))
        else:
            self.balance -= wanted
            self.spent.append(parts)

    def end_hold(self, *, captured: bool) -> None:
        if not self.points.holds:
            return
        first = self.points.holds[0]
        if captured:
            self.points, parts = capture(self.points, first.hold_id)
            self.balance -= first.points
            self.spent.append(parts)
        else:
            self.points = release(self.points, first.hold_id, self.now)
            self.catch_up()

    def restore(self) -> None:
        if self.spent:
            parts = self.spent.pop()
            wanted = sum(part.points for part in parts)
            back = restore(self.points, parts, wanted, self.now)
            self.number += len(parts)
            assert back.restored + back.forfeited == wanted
            self.points = back.points
            self.balance += back.restored

    def take_back(self, earned_by: int, wanted: int, policy: NegativeBalancePolicy) -> None:
        self.points, taken = take_back(self.points, Claim(earned_by, wanted), policy, self.now)
        got = taken.pending + taken.available + taken.debt
        assert got + taken.shortfall + taken.expired == wanted
        self.balance -= got


OPERATIONS = st.one_of(
    st.tuples(st.just("earn"), st.integers(1, 50), st.integers(0, 4), st.integers(0, 6)),
    st.tuples(st.just("spend"), st.integers(1, 60), st.booleans()),
    st.tuples(st.just("end_hold"), st.booleans()),
    st.tuples(st.just("restore")),
    st.tuples(
        st.just("take_back"),
        st.integers(1, 6),
        st.integers(1, 60),
        st.sampled_from(NegativeBalancePolicy),
    ),
    st.tuples(st.just("wait"), st.integers(0, 5)),
)


@given(st.lists(OPERATIONS, max_size=40), st.lists(st.integers(0, 5), max_size=6))
def test_lots_and_holds_less_debt_are_the_balance_whatever_happens(
    schedule: list[tuple], looks: list[int]
) -> None:
    ledger = Ledger()
    for name, *words in schedule:
        ledger.catch_up()
        if name == "wait":
            ledger.now += timedelta(days=words[0])
        elif name == "spend":
            ledger.spend(words[0], as_hold=words[1])
        elif name == "end_hold":
            ledger.end_hold(captured=words[0])
        else:
            getattr(ledger, name)(*words)
        points = ledger.points
        assert points.total == ledger.balance
        assert points.total == (
            points.available(ledger.now) + points.pending(ledger.now) + points.held - points.debt
        )
        assert points.debt >= 0
        assert all(lot.points > 0 for lot in points.lots)
        caught_up = catch_up(points, ledger.now).points
        assert not (caught_up.debt and caught_up.available(ledger.now))
    # However often somebody looks in between, later is the same.
    end = ledger.now + timedelta(days=sum(looks))
    at_once = catch_up(ledger.points, end).points
    ledger.catch_up()
    for days in looks:
        ledger.now += timedelta(days=days)
        ledger.catch_up()
    assert sorted(left(ledger.points).items()) == sorted(left(at_once).items())
    assert replace(ledger.points, lots=(), holds=()) == replace(at_once, lots=(), holds=())


def _spent(points: Points, wanted: int) -> tuple[Points, tuple[Part, ...]]:
    found = spend(points, wanted, NOON)
    assert found is not None
    return found
