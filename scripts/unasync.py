"""Make the verbs of the synchronous Python client of those of the asyncio one.

python scripts/unasync.py           rewrite clients/python/purser_client/_verbs_sync.py
python scripts/unasync.py --check   change nothing; fail when it is out of date
"""

import re
import subprocess
import sys
from pathlib import Path

CLIENT = Path(__file__).resolve().parent.parent / "clients" / "python" / "purser_client"
SOURCE, TARGET = CLIENT / "_verbs.py", CLIENT / "_verbs_sync.py"
HEAD = '"""The verbs of the synchronous client: made of `_verbs` by `make gen`."""'
REPLACED = {
    r"(?s)\A\"\"\".*?\"\"\"": HEAD,
    r"\basync (def|for)\b": r"\1",
    r"\bawait ": "",
    r"\bAsync(Iterator|Verbs)\b": r"\1",
}


def main() -> int:
    """Write or check, and return the exit code."""
    made = SOURCE.read_text()
    for pattern, replacement in REPLACED.items():
        made = re.sub(pattern, replacement, made)
    made = formatted(made)
    if "--check" not in sys.argv:
        TARGET.write_text(made)
    elif made != TARGET.read_text():
        sys.stderr.write(f"{TARGET} is not what {SOURCE.name} gives: run make gen\n")
        return 1
    return 0


def formatted(source: str) -> str:
    """Return a source in the project's form: lines are shorter without their `await`."""
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(TARGET), "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    raise SystemExit(main())
