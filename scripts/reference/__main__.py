"""Make docs/reference of the comments in protos/.

    python -m scripts.reference           rewrite what is out of date, remove what is stale
    python -m scripts.reference --check   change nothing; fail and list the pages that differ

Two runs with the same version of grpcio-tools give the same bytes. Everything in docs/reference is
made; nothing in there is written by hand.
"""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.reference.contract import read_protos
from scripts.reference.pages import make_pages

ROOT = Path(__file__).resolve().parents[2]
PROTOS = ROOT / "protos"
REFERENCE = ROOT / "docs" / "reference"


def main(*arguments: str, protos: Path = PROTOS, reference: Path = REFERENCE) -> int:
    """Write or check the pages, and return the exit code."""
    made = make_pages(read_protos(protos))
    present = {path.name: path.read_text() for path in reference.glob("*")}
    names = made.keys() | present.keys()
    differing = sorted(name for name in names if made.get(name) != present.get(name))
    if "--check" in arguments:
        return _report(differing)
    reference.mkdir(parents=True, exist_ok=True)
    for name in differing:
        path = reference / name
        if name in made:
            path.write_text(made[name])
        else:
            path.unlink()
    sys.stdout.write(f"{len(made)} pages of the reference, {len(differing)} changed\n")
    return 0


def _report(differing: list[str]) -> int:
    for name in differing:
        sys.stdout.write(f"docs/reference/{name} is not what protos/ gives: run make gen\n")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
