"""Rewards within a flush: purchases earn points, or cash that is paid when its time has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from purser_server.domain.decisions import PointsResult, RewardAnswer
from purser_server.domain.earning import Reward
from purser_server.domain.errors import Refusal
from purser_server.domain.money import amount_range, fits
from purser_server.domain.outcomes import Phase
from purser_server.domain.pending import Pending
from purser_server.domain.points import NEVER, Lot, add
from purser_server.domain.points_commands import captured, refuse_capture
from purser_server.domain.programs import RewardMode
from purser_server.domain.redemptions import Redemption
from purser_server.domain.reversals import nothing_refunded
from purser_server.domain.rewards import (
    EarnReward,
    StoredReward,
    decide_reward,
    given_up,
    payment_of,
)
from purser_server.domain.transactions import (
    Transaction,
    TransactionState,
    TransactionType,
    transaction_not_found,
)
from purser_server.ledger.loyalty_book import LoyaltyBook
from purser_server.ledger.own_ids import own_id


class RewardRules:
    """The rules, each with the state it needs."""

    def __init__(self, book: LoyaltyBook) -> None:
        self._book = book
        self._state = book.state
        self._loyalty = book.loyalty

    def told_again(self, operator: int, command: EarnReward) -> RewardAnswer:
        """Tell a reward again that was earned before, as it is now."""
        rewarded = self._loyalty.rewards[operator, command.transaction_id]
        return RewardAnswer(rewarded, self._state.now, replayed=True)

    def earn(self, operator: int, command: EarnReward) -> PointsResult:
        """Reward a purchase, or tell what it would earn."""
        redeemed = self._redeemed(operator, command)
        if isinstance(redeemed, Refusal):
            return redeemed
        reward = self._decide(operator, command, redeemed)
        if isinstance(reward, Refusal):
            return reward
        if reward.reward_mode is RewardMode.WALLET_CASH:
            refusal = self._refuse_cash(operator, command.player_id, reward)
            if refusal is not None:
                return refusal
        if redeemed is not None and not command.is_quote:
            self._pay_with_points(operator, command, redeemed)
        rewarded = StoredReward(
            # After that of the points that pay: numbers ascend with the player's balance.
            self._state.take_number(),
            command.transaction_id,
            command.player_id,
            self._state.now,
            reward,
            nothing_refunded(reward),
            redeemed.transaction_id if redeemed else "",
        )
        if not command.is_quote:
            earn = self._earn_cash if rewarded.is_cash else self._earn_points
            rewarded = earn(operator, rewarded, {"content": command.content})
        return RewardAnswer(rewarded, self._state.now, replayed=False)

    def _decide(
        self, operator: int, command: EarnReward, redeemed: Redemption | None
    ) -> Reward | Refusal:
        return decide_reward(
            command,
            self._loyalty.programs.get(operator, ()),
            self._loyalty.campaigns.get(operator, ()),
            redeemed,
            self._state.now,
        )

    # -- what points pay for -----------------------------------------------------------------

    def _redeemed(self, operator: int, command: EarnReward) -> Redemption | Refusal | None:
        """Return the points that pay a part of the order; those of a hold as it would be."""
        player_id, wanted = command.player_id, command.redemption_transaction_id
        if wanted:
            found = self._book.redemption_of(operator, player_id, wanted)
            return found or transaction_not_found(wanted)
        if not command.hold_id:
            return None
        held = self._book.hold_of(operator, player_id, command.hold_id)
        refusal = refuse_capture(command.hold_id, held)
        if refusal is not None:
            return refusal
        assert held is not None
        return Redemption(
            command.transaction_id,
            0,
            player_id,
            held.points,
            held.currency_code,
            held.amount,
            held.parts,
            held.hold_id,
        )

    def _pay_with_points(self, operator: int, command: EarnReward, redeemed: Redemption) -> None:
        """Let a redemption pay for the order; the points of a hold are spent now."""
        player_id = command.player_id
        paying = replace(redeemed, order_transaction_id=command.transaction_id)
        if command.hold_id:
            held = self._book.hold_of(operator, player_id, command.hold_id)
            assert held is not None, "it was found to be active"
            before = self._book.points(operator, player_id)
            moved = captured(before, held, command.transaction_id)
            assert moved.hold is not None
            self._book.keep_hold(operator, moved.hold)
            spends = self._book.transaction(
                TransactionType.REDEMPTION,
                own_id(),
                player_id,
                related_transaction_id=command.transaction_id,
                loyalty={"hold_id": held.hold_id, "told_id": command.transaction_id},
            )
            self._book.move_points(operator, spends, moved.points)
            paying = replace(paying, number=spends.number)
        self._loyalty.keep_redemption(operator, paying)

    # -- points ------------------------------------------------------------------------------

    def _earn_points(
        self, operator: int, rewarded: StoredReward, content: Mapping[str, object]
    ) -> StoredReward:
        reward, player_id = rewarded.reward, rewarded.player_id
        earned = self._book.transaction(
            TransactionType.CASHBACK,
            rewarded.transaction_id,
            player_id,
            number=rewarded.number,
            loyalty=content,
        )
        lot = Lot(
            rewarded.number,
            rewarded.number,
            reward.points,
            reward.available_time,
            reward.expire_time or NEVER,
        )
        after = add(self._book.points(operator, player_id), lot, self._state.now)
        self._book.move_points(operator, earned, after)
        self._loyalty.keep_reward(operator, rewarded)
        return rewarded

    # -- cash --------------------------------------------------------------------------------

    def _refuse_cash(self, operator: int, player_id: str, reward: Reward) -> Refusal | None:
        wallet = self._state.wallet(operator, player_id, reward.currency_code)
        if isinstance(wallet, Refusal):
            return wallet
        fits_now = fits(wallet.balance + reward.points)
        return None if fits_now else amount_range(reward.currency_code)

    def _earn_cash(
        self, operator: int, rewarded: StoredReward, content: Mapping[str, object]
    ) -> StoredReward:
        """Record cash that was earned, which is nothing yet in the wallet's history.

        What is available at once is paid with it, if the wallet is here.
        """
        reward = rewarded.reward
        unpaid = replace(rewarded, is_paid=not reward.points)
        earned = self._book.transaction(
            TransactionType.CASHBACK,
            rewarded.transaction_id,
            rewarded.player_id,
            unit=reward.currency_code,
            number=rewarded.number,
            loyalty=content,
        )
        is_due = reward.available_time <= self._state.now
        if is_due and not unpaid.is_paid and not self._book.is_at_casino(operator):
            return self._pay(operator, unpaid, earned)
        self._book.record_cash(operator, earned)
        self._loyalty.keep_reward(operator, unpaid)
        if is_due:
            self.pay_due(operator, rewarded.player_id)
        return self._loyalty.rewards[operator, rewarded.transaction_id]

    def pay_due(self, operator: int, player_id: str) -> None:
        """Pay a player the cash whose time has come, as far as this flush may."""
        for rewarded in self._loyalty.due_rewards(operator, player_id, self._state.now):
            if not self._book.may_post():
                return
            pays = self._book.transaction(
                TransactionType.CASHBACK,
                own_id(),
                player_id,
                unit=rewarded.reward.currency_code,
                related_transaction_id=rewarded.transaction_id,
                loyalty={},
            )
            self._pay(operator, rewarded, pays)

    def _pay(self, operator: int, rewarded: StoredReward, pays: Transaction) -> StoredReward:
        """Pay a reward's cash with a transaction: into the wallet, or through the casino.

        What no wallet can hold waits.
        """
        unit = pays.currency_code
        key = (operator, pays.player_id, unit)
        payment = payment_of(rewarded, self._loyalty.owed.get(key, 0))
        wallet = self._state.wallets[key]
        if not fits(wallet.balance + payment.amount):
            return rewarded
        if payment.collected:
            self._loyalty.keep_owed(key, payment.owed)
        paid = replace(rewarded, is_paid=True, collected=payment.collected)
        self._loyalty.keep_reward(operator, paid)
        detail = {**(pays.loyalty or {}), "collected": payment.collected}
        pays = replace(pays, loyalty=detail)
        if self._book.is_at_casino(operator) and payment.amount:
            self._send(operator, replace(pays, amount=payment.amount))
        else:
            change = payment.amount
            self._book.record_cash(operator, replace(pays, amount=change, change=change))
        return paid

    def give_up(self, operator: int, payment: Transaction) -> None:
        """Let the cash of a payment that never was be neither owed nor paid any more."""
        rewarded = self._loyalty.rewards[operator, payment.related_transaction_id]
        key = (operator, payment.player_id, payment.currency_code)
        owed = self._loyalty.owed.get(key, 0)
        after, still_owed = given_up(rewarded, payment.amount, owed)
        if still_owed != owed:
            self._loyalty.keep_owed(key, still_owed)
        self._loyalty.keep_reward(operator, after)

    def _send(self, operator: int, pays: Transaction) -> None:
        """Store the intent of a win; whoever looks for intents that are due sends it."""
        intent = replace(
            pays,
            state=TransactionState.PENDING,
            at_casino=True,
            loyalty=None,
        )
        pending = Pending(intent, Phase.SENDING, own_id(), self._state.now)
        self._state.intents.begin(operator, pending)
