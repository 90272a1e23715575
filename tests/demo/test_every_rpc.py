"""Every rpc is shown in code of the README or of the guide, which the tests beside this one run."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.support.rpcs import EVERY_RPC, Rpc

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "guide"
# The calls of this page are those that a casino answers.
PAGES = {ROOT / "README.md", *GUIDE.glob("*.md")} - {GUIDE / "seamless-casino.md"}


def called_in(text: str) -> set[str]:
    """Return the rpcs that the Python of a page calls, or gives to a helper that does."""
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", text, re.S | re.M))
    lines = [line for line in code.splitlines() if not line.lstrip().startswith("#")]
    return set(re.findall(r"\b[a-z]\w*\.([A-Z]\w+)[(,]", "\n".join(lines)))


CALLED = {name for page in PAGES for name in called_in(page.read_text())}


def test_no_two_rpcs_share_a_name() -> None:
    assert set(Counter(rpc.name for rpc in EVERY_RPC).values()) == {1}


@pytest.mark.parametrize("rpc", EVERY_RPC, ids=str)
def test_rpc_is_called_in_an_example(rpc: Rpc) -> None:
    assert rpc.name in CALLED


def test_words_and_comments_are_no_example() -> None:
    assert not called_in("`wallet.Bet(bet)`\n```\nwallet.Bet(bet)\n```\n")
    assert not called_in("```python\n# wallet.Bet(bet)\nBet(bet)\n```\n")
    assert called_in("```python\nsend(wallet.Bet, bet)\nwallet.Win(win)\n```\n") == {"Bet", "Win"}
