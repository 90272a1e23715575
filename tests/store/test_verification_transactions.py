"""Transactions that contradict themselves, or what they point to, are found and named."""

from __future__ import annotations

import pytest

from tests.store.test_verification_deep import (
    Damage,
    account,
    assert_found,
    ledger,  # noqa: F401
    number,
    player,
    t,
)
from tests.store.test_verification_history import rich_books  # noqa: F401

DAMAGE: Damage = {
    "an amount that is not what moved": (
        f"UPDATE transactions SET amount = amount + 1 WHERE {t('withdraw')}",
        [
            "MALFORMED dan EUR withdraw/: 1000 | 1001",
        ],
    ),
    "an amount below zero": (
        f"UPDATE transactions SET amount = -5 WHERE {t('bet-refused')}",
        [
            "MALFORMED ann EUR bet-refused/refused: at least 0 | -5",
        ],
    ),
    "a bet that paid": (
        f"UPDATE transactions SET change = 100 WHERE {t('bet-1')}",
        [
            "BALANCE - EUR -/: -800 | -600",
            "BALANCE ann EUR -/: 10800 | 10600",
            "CHAIN ann EUR bet-2/: 10100 | 9900",
            "MALFORMED ann EUR bet-1/r: -100 | 100",
        ],
    ),
    "a win that cost": (
        f"UPDATE transactions SET change = -500 WHERE {t('win-late')}",
        [
            "BALANCE - EUR -/: 400 | -600",
            "BALANCE ann EUR -/: 9600 | 10600",
            "CHAIN ann EUR bet-closed/: 9900 | 10900",
            "MALFORMED ann EUR win-late/r: 500 | -500",
        ],
    ),
    "a change beyond all measure": (
        f"UPDATE transactions SET change = {-(2**63)} + 0 WHERE {t('bet-1')}".replace(
            f"{-(2**63)} + 0", f"({-(2**63) + 1} - 1)"
        ),
        [
            "BALANCE - EUR -/: 9223372036854775108 | -600",
            "BALANCE ann EUR -/: -9223372036854765108 | 10600",
            "CHAIN ann EUR bet-2/: -9223372036854765808 | 9900",
            "MALFORMED ann EUR bet-1/r: 9223372036854775808 | 100",
        ],
    ),
    "a bet against the operator's float": (
        f"UPDATE transactions SET contra_account_no = {account(2, 'EUR')} WHERE {t('bet-1')}",
        [
            "BALANCE - EUR -/: -700 | -600",
            "BALANCE - EUR -/: -29900 | -30000",
            "MALFORMED ann EUR bet-1/r: GAME_RESULT | OPERATOR_FLOAT",
        ],
    ),
    "a deposit against the game result": (
        f"UPDATE transactions SET contra_account_no = {account(3, 'EUR')} WHERE {t('ann-deposit')}",
        [
            "BALANCE - EUR -/: -10600 | -600",
            "BALANCE - EUR -/: -20000 | -30000",
            "MALFORMED ann EUR ann-deposit/: OPERATOR_FLOAT | GAME_RESULT",
        ],
    ),
    "a contra account in another currency": (
        f"UPDATE transactions SET contra_account_no = {account(3, 'GOLD')} WHERE {t('bet-1')}",
        [
            "BALANCE - EUR -/: -700 | -600",
            "BALANCE - GOLD -/: 91 | -9",
            "MALFORMED ann EUR bet-1/r: EUR | GOLD",
        ],
    ),
    "another operator's contra account": (
        f"UPDATE transactions SET contra_account_no = {account(3, 'EUR', operator=2)}"
        f" WHERE {t('bet-1')}",
        [
            "BALANCE - EUR -/: -700 | -600",
            "BALANCE - - -/: 100 | no account",
            "MALFORMED ann EUR bet-1/r: GAME_RESULT | no account",
        ],
    ),
    "a posting with one side": (
        f"UPDATE transactions SET contra_account_no = NULL WHERE {t('bet-1')}",
        [
            "BALANCE - EUR -/: -700 | -600",
            "BALANCE - - -/: 100 | no account",
            (
                "MALFORMED ann EUR bet-1/r:"
                " two accounts, a balance before and a sequence number"
                " | change -100 sequence 2 balance before 10000 contra account absent"
            ),
        ],
    ),
    "a bet from another player's wallet": (
        f"UPDATE transactions SET account_no = {account(1, 'EUR', 'dan')} WHERE {t('bet-free')}",
        [
            "CHAIN ann EUR bet-free/: 10000 | 10400",
            "CHAIN dan EUR m-1/: 10400 | 10000",
            "PLAYER ann EUR bet-free/r: player number N | player number N",
        ],
    ),
    "a bet from a wallet that is not there": (
        f"UPDATE transactions SET account_no = 99999 WHERE {t('bet-late')}",
        [
            "MALFORMED ann - bet-late/r: PLAYER_CASH | no account",
        ],
    ),
    "a bet from a house account": (
        f"UPDATE transactions SET account_no = {account(2, 'EUR')} WHERE {t('bet-late')}",
        [
            "MALFORMED ann EUR bet-late/r: PLAYER_CASH | OPERATOR_FLOAT",
            "PLAYER ann EUR bet-late/r: player number N | player number N",
        ],
    ),
    "a refused bet in another currency": (
        f"UPDATE transactions SET account_no = {account(1, 'GOLD', 'ann')} WHERE {t('bet-late')}",
        [
            "MALFORMED ann GOLD bet-late/r: EUR | GOLD",
        ],
    ),
    "a free bet without its wallet": (
        f"UPDATE transactions SET account_no = NULL WHERE {t('bet-empty')}",
        [
            (
                "MALFORMED dan - bet-empty/empty:"
                " a wallet and its balance"
                " | change 0 sequence 0 balance before 0 account absent contra account absent"
            ),
        ],
    ),
    "a bet of another player": (
        f"UPDATE transactions SET player_no = {player('dan')} WHERE {t('again-1')}",
        [
            "PLAYER dan EUR again-1/reopened: player number N | player number N",
            "PLAYER dan EUR again-1/reopened: player number N | player number N",
        ],
    ),
    "a deposit that was refused after all": (
        f"UPDATE transactions SET state = 2 WHERE {t('cid-gold')}",
        [
            "MALFORMED cid GOLD cid-gold/: no posting | change 50 sequence 1 balance before 0",
            "MALFORMED cid GOLD cid-gold/: a refusal | nothing",
        ],
    ),
    "a refused bet that moved money": (
        f"UPDATE transactions SET change = -1 WHERE {t('bet-late')}",
        [
            "BALANCE ann EUR -/: 10599 | 10600",
            "BALANCE - - -/: 1 | no account",
            "SEQUENCE ann EUR bet-late/: 1 | 0",
            "CHAIN ann EUR bet-closed/: nothing | 10900",
            "CHAIN ann EUR bet-late/: 10900 | nothing",
            "MALFORMED ann EUR bet-late/r: no posting | change -1 sequence 0 contra account absent",
        ],
    ),
    "a refused bet with a sequence number": (
        f"UPDATE transactions SET sequence = 1 WHERE {t('bet-late')}",
        [
            "MALFORMED ann EUR bet-late/r: no posting | change 0 sequence 1 contra account absent",
        ],
    ),
    "a refused bet with a balance": (
        f"UPDATE transactions SET balance_before = 0 WHERE {t('bet-late')}",
        [
            (
                "MALFORMED ann EUR bet-late/r:"
                " no posting | change 0 sequence 0 balance before 0 contra account absent"
            ),
        ],
    ),
    "a refused bet that does not say why": (
        f"UPDATE transactions SET detail = detail - 'refusal' WHERE {t('bet-late')}",
        [
            "MALFORMED ann EUR bet-late/r: a refusal | nothing",
        ],
    ),
    "a bet with a refusal that took place": (
        'UPDATE transactions SET detail = \'{"refusal": ["ROUND_CLOSED", "", {}]}\''
        f" WHERE {t('bet-1')}",
        [
            'MALFORMED ann EUR bet-1/r: no refusal | ["ROUND_CLOSED", "", {}]',
        ],
    ),
    "a CloseRound that moved money": (
        f"UPDATE transactions SET change = 1, amount = 1 WHERE {t('close-1')}",
        [
            "BALANCE ann EUR -/: 10601 | 10600",
            "BALANCE - - -/: -1 | no account",
            "SEQUENCE ann EUR close-1/: 1 | 0",
            "CHAIN ann EUR close-2/: 10801 | 10800",
            (
                "MALFORMED ann EUR close-1/closed:"
                " two accounts, a balance before and a sequence number"
                " | change 1 sequence 0 balance before 10800 contra account absent"
            ),
            "MALFORMED ann EUR close-1/closed: 0 | 1",
        ],
    ),
    "a CloseRound that forgot its round": (
        f"UPDATE transactions SET detail = NULL WHERE {t('close-1')}",
        [
            "MALFORMED ann EUR close-1/closed: a round | nothing",
        ],
    ),
    "a tombstone that moved money": (
        f"UPDATE transactions SET change = 1 WHERE {t('lost')}",
        [
            "BALANCE - - -/: 0 | no account",
            "SEQUENCE cid - lost/: 1 | 0",
            "CHAIN cid - lost/: 0 | nothing",
            (
                "MALFORMED cid - lost/:"
                " no posting | change 1 sequence 0 account absent contra account absent"
            ),
            "MALFORMED cid - lost/: 0 | 1",
        ],
    ),
    "a state that is never stored": (
        f"UPDATE transactions SET state = 4 WHERE {t('bet-free')}",
        [
            (
                "ROUND ann EUR -/r:"
                " 2 bets 300 4 wins 1200 1 closers | 3 bets 300 4 wins 1200 1 closers"
            ),
            (
                "MALFORMED ann EUR bet-free/r:"
                " no posting | change 0 sequence 0 balance before 10400 contra account absent"
            ),
            "MALFORMED ann EUR bet-free/r: flags of 4 | flags 4",
            (
                "MALFORMED ann EUR bet-free/r:"
                " COMPLETED or REFUSED, TOMBSTONE without a type,"
                " ROLLED_BACK of a casino's bet or prize | BET ROLLED_BACK"
            ),
            "MALFORMED ann EUR bet-free/r: a refusal | nothing",
            "MALFORMED ann EUR win-nothing/r: bet bet-free | BET ROLLED_BACK",
        ],
    ),
    "a type that is not known": (
        f"UPDATE transactions SET type = 99 WHERE {t('bet-late')}",
        [
            (
                "MALFORMED ann EUR bet-late/r:"
                " COMPLETED or REFUSED, TOMBSTONE without a type,"
                " ROLLED_BACK of a casino's bet or prize | 99 REFUSED"
            ),
        ],
    ),
    "a rollback without an outcome": (
        f"UPDATE transactions SET outcome = 0 WHERE {t('undone-second')}",
        [
            "MALFORMED cid EUR undone-second/undone: an outcome | 0",
            "REVERSAL cid EUR undone-second/undone: undone | BET COMPLETED",
        ],
    ),
    "a free bet with a sequence number": (
        f"UPDATE transactions SET sequence = 3 WHERE {t('bet-free')}",
        [
            (
                "MALFORMED ann EUR bet-free/r:"
                " no posting | change 0 sequence 3 balance before 10400 contra account absent"
            ),
        ],
    ),
    "a free bet with another balance": (
        f"UPDATE transactions SET balance_before = balance_before + 1 WHERE {t('bet-free')}",
        [
            "CHAIN ann EUR bet-free/: 10400 | 10401",
            "CHAIN ann EUR win-nothing/: 10401 | 10400",
        ],
    ),
    "a posting without its balance": (
        f"UPDATE transactions SET balance_before = NULL WHERE {t('ann-gold')}",
        [
            "CHAIN ann GOLD ann-gold/: 0 | nothing",
            (
                "MALFORMED ann GOLD ann-gold/:"
                " two accounts, a balance before and a sequence number | change 50 sequence 1"
            ),
        ],
    ),
    "a bet that takes all": (
        f"UPDATE transactions SET flags = flags | 2 WHERE {t('bet-1')}",
        [
            "MALFORMED ann EUR bet-1/r: flags of 4 | flags 6",
        ],
    ),
    "an undone bet that never counted": (
        f"UPDATE transactions SET flags = 0 WHERE {t('undone')}",
        [
            "MALFORMED cid EUR undone/undone: flags of 4 | flags 0",
        ],
    ),
    "a bet with a win type": (
        f"UPDATE transactions SET win_type = 4 WHERE {t('bet-1')}",
        [
            "MALFORMED ann EUR bet-1/r: REGULAR | PROMO",
        ],
    ),
    "a bet that names a transaction": (
        f"UPDATE transactions SET related_id = 'bet-2' WHERE {t('bet-1')}",
        [
            "MALFORMED ann EUR bet-1/r: no transaction id | bet-2",
        ],
    ),
    "a refused bet without its round": (
        f"UPDATE transactions SET round_no = NULL WHERE {t('bet-late')}",
        [
            "MALFORMED ann EUR bet-late/: a round | no round",
        ],
    ),
    "a deposit in a round": (
        f"UPDATE transactions SET round_no = {number('bet-1')} WHERE {t('ann-gold')}",
        [
            "ROUND ann EUR -/r: transaction number N | transaction number N",
            "MALFORMED ann GOLD ann-gold/r: no round | a round",
        ],
    ),
    "a win that names a bet of another round": (
        f"UPDATE transactions SET related_id = 'bet-closed' WHERE {t('win-named')}",
        [
            "MALFORMED ann EUR win-named/r: bet bet-closed | BET COMPLETED",
        ],
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
async def test_damage_is_found_named_and_gone_when_undone(
    ledger: str,  # noqa: F811
    what: str,
) -> None:
    await assert_found(ledger, *DAMAGE[what])
