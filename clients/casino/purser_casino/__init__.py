"""A reference casino: CasinoCallbackService as a casino's engineer may read it, with faults.

Read `rules.py` first: the answers. Then `signatures.py`, `service.py` (why bytes, not messages) and
`store.py` (what is stored together). `faults.py` is for tests.
"""

from purser_casino.casino import ReferenceCasino, Tls
from purser_casino.fault_rules import FaultSpecError
from purser_casino.movements import Kind, Movement, Outcome, Verdict
from purser_casino.service import Seen
from purser_casino.store import Known, Status

__all__ = [
    "FaultSpecError",
    "Kind",
    "Known",
    "Movement",
    "Outcome",
    "ReferenceCasino",
    "Seen",
    "Status",
    "Tls",
    "Verdict",
]
