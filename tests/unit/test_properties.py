"""What holds for every sequence of commands, however it comes in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from purser_server.domain.decisions import Answer, Result
from purser_server.domain.errors import Refusal
from purser_server.domain.rounds import Round
from purser_server.domain.transactions import TransactionState
from purser_server.ledger.ports import NUMBERS_PER_FLUSH, RoundKey
from tests.unit.audit import (
    assert_house_equals_postings,
    assert_only_movements_of_money_post,
    assert_postings_form_chains,
    assert_rounds_equal_history,
    assert_zero_sum,
    audit,
)
from tests.unit.casino import Ask, Casino, commands_of
from tests.unit.memory_store import MemoryStore
from tests.unit.sequences import (
    StatusChange,
    ask_lists,
    flush_lists,
    naive_casino,
    new_casino,
)
from tests.unit.told import timeless, told

Asks = Sequence[Ask]

often = settings(max_examples=100, deadline=None)


@settings(max_examples=300, deadline=None)
@given(flush_lists())
def test_rules_agree_with_the_plainest_reading(flushes: list[list[Ask] | StatusChange]) -> None:
    casino = new_casino()
    naive = naive_casino(casino)
    for flush in flushes:
        if isinstance(flush, StatusChange):
            casino.status(flush.status, flush.player_id)
            naive.statuses[flush.player_id] = flush.status
            continue
        results = casino.flush_all(flush)
        assert [list(map(told, answers)) for answers in results] == [
            naive.decide(commands_of(ask)) for ask in flush
        ]
    for (_, player, currency), wallet in casino.store.wallets.items():
        assert wallet.balance == naive.balance(player, currency)


@often
@given(ask_lists())
def test_wallets_and_house_cancel_out(asks: Asks) -> None:
    store = _played(asks).store

    assert_zero_sum(store)
    assert_house_equals_postings(store)


@often
@given(ask_lists())
def test_postings_form_chains_without_gaps_or_negative_balances(asks: Asks) -> None:
    store = _played(asks).store

    assert_postings_form_chains(store)
    assert_only_movements_of_money_post(store)
    assert all(wallet.balance >= 0 for wallet in store.wallets.values())


@often
@given(ask_lists())
def test_round_sums_are_those_over_what_stands(asks: Asks) -> None:
    assert_rounds_equal_history(_played(asks).store)


@often
@given(st.lists(ask_lists(min_size=1, max_size=8), max_size=5))
def test_books_balance_after_every_flush(flushes: list[Asks]) -> None:
    casino = new_casino()
    for flush in flushes:
        casino.flush_all(flush)
        audit(casino.store)


@often
@given(ask_lists(), st.sets(st.integers(1, 29)))
def test_any_split_into_flushes_gives_the_same_outcomes(asks: Asks, cuts: set[int]) -> None:
    whole, split, single = new_casino(), new_casino(), new_casino()

    at_once = whole.flush_all(asks) if asks else []
    in_parts = [results for part in _cut(asks, cuts) for results in split.flush_all(part)]
    one_by_one = [results for ask in asks for results in single.flush_all([ask])]

    assert timeless(at_once) == timeless(in_parts) == timeless(one_by_one)
    assert _state(whole) == _state(split) == _state(single)


@often
@given(ask_lists())
def test_replaying_everything_changes_nothing(asks: Asks) -> None:
    casino = new_casino()
    results = [results for ask in asks for results in casino.flush_all([ask])]
    told_for_good = [
        (command, result)
        for ask, told_ in zip(asks, results, strict=True)
        for command, result in zip(commands_of(ask), told_, strict=True)
        if isinstance(result, Answer) or result.is_final
    ]
    before = casino.store.copy()

    again = casino.flush(*[command for command, _ in told_for_good])

    assert casino.store.history == before.history
    assert casino.store.wallets == before.wallets
    assert casino.store.rounds == before.rounds
    assert {no: account.balance for no, account in before.house.items()}.items() <= {
        no: account.balance for no, account in casino.store.house.items()
    }.items()
    for (_, first), second in zip(told_for_good, again, strict=True):
        _assert_same_answer(casino, first, second)


@often
@given(ask_lists(min_size=1))
def test_failed_group_leaves_no_trace_but_the_refusal(asks: Asks) -> None:
    casino = new_casino()
    for ask in asks:
        before = casino.store.copy()
        (results,) = casino.flush_all([ask])
        refusals = [result for result in results if isinstance(result, Refusal)]
        if len(results) > 1 and refusals:
            assert len(refusals) == len(results)
            (failing,) = [each for each in refusals if each.reason != "ATOMIC_GROUP_FAILED"]
            _assert_no_trace_but(failing, before, casino.store)


@often
@given(ask_lists())
def test_numbers_ascend_and_stay_within_the_flushs_block(asks: Asks) -> None:
    casino = new_casino()
    numbers = [entry.transaction.number for entry in casino.store.history]
    for ask in asks:
        casino.flush_all([ask])
        new = [entry.transaction.number for entry in casino.store.history[len(numbers) :]]
        assert len(new) <= 2 * len(commands_of(ask))
        assert all(number // NUMBERS_PER_FLUSH == new[0] // NUMBERS_PER_FLUSH for number in new)
        assert all(number > max(numbers) for number in new)
        numbers += new


# -- in few words -------------------------------------------------------------------------------


def _assert_no_trace_but(refusal: Refusal, before: MemoryStore, after: MemoryStore) -> None:
    new = after.history[len(before.history) :]
    assert len(new) <= refusal.is_final
    assert all(entry.transaction.refusal == refusal for entry in new)
    assert after.history[: len(before.history)] == before.history
    assert (after.wallets, after.reversals) == (before.wallets, before.reversals)
    assert [account for account in after.house.values() if account.balance] == [
        account for account in before.house.values() if account.balance
    ]
    assert _opened(after) == _opened(before)


def _opened(store: MemoryStore) -> dict[RoundKey, Round]:
    return {key: round_ for key, round_ in store.rounds.items() if round_.opened}


def _played(asks: Asks) -> Casino:
    casino = new_casino()
    for part in _cut(asks, {3, 7, 15}):
        casino.flush_all(part)
    return casino


def _cut(asks: Asks, cuts: set[int]) -> list[Asks]:
    edges = [0, *sorted(cut for cut in cuts if cut < len(asks)), len(asks)]
    return [asks[start:end] for start, end in pairwise(edges) if start < end]


def _state(casino: Casino) -> tuple[object, ...]:
    store = casino.store
    return (
        store.wallets,
        {key: replace(round_, number=0, covered_to=0) for key, round_ in store.rounds.items()},
        casino.history(),
        [
            (account.kind, account.currency_code, account.balance)
            for account in store.house.values()
            if account.balance
        ],
    )


def _assert_same_answer(casino: Casino, first: Result, second: Result) -> None:
    if isinstance(first, Refusal):
        assert isinstance(second, Refusal)
        assert (first.reason, first.message) == (second.reason, second.message)
        return
    assert isinstance(second, Answer)
    assert second.replayed
    stored = casino.transaction(first.transaction.transaction_id)
    assert stored is not None
    assert second.transaction == stored
    assert replace(stored, state=TransactionState.COMPLETED, round=None) == replace(
        first.transaction, state=TransactionState.COMPLETED, round=None
    )
