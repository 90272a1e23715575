"""Run a program without the rights of root, and never longer than the process that started it.

The upper half chooses an `Identity` for the program. The lower half is the launcher: this file, run
as a script by a fresh interpreter, takes the identity and becomes the program by exec. It is a
script, not code between fork and exec, because a process with gRPC's threads cannot run Python
safely there. So this file imports little, and nothing but the standard library.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

RunAs = Literal["auto", "namespace", "account"]
"""How root runs a program: in a user namespace, under another account, or the first that works."""

_EXIT_NO_IDENTITY = 71
_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000


class UnprivilegedError(Exception):
    """No identity can run the program; the text says which folder or right is missing."""


class Identity(NamedTuple):
    """Who a program runs as: ourselves, an account, or an account's number in a user namespace."""

    kind: Literal["self", "namespace", "account"]
    name: str
    uid: int
    gid: int

    @property
    def owner(self) -> tuple[int, int]:
        """The uid and gid, seen from outside, that the program's files must have."""
        # In the namespace root is only renamed: to the file system the program is still root.
        return (self.uid, self.gid) if self.kind == "account" else (os.geteuid(), os.getegid())

    def command(self, program: Sequence[str]) -> list[str]:
        """Return the command that runs `program`, given by absolute path, as this identity.

        The program gets SIGINT when the thread that starts the command ends (Linux), so the
        command is to be started from a thread that lives as long as the process.
        """
        return [*self._launcher("run"), str(os.getpid()), *program]

    def closed_folders(self, folders: Collection[Path]) -> list[Path]:
        """Return those of `folders` that this identity cannot enter; blocks for some 50 ms.

        Raises `UnprivilegedError` when the identity cannot be taken at all.
        """
        import subprocess

        command = [*self._launcher("check"), *map(str, folders)]
        found = subprocess.run(command, capture_output=True, cwd="/", check=False)
        if found.returncode:
            raise UnprivilegedError(os.fsdecode(found.stderr).strip())
        return [Path(os.fsdecode(name)) for name in found.stdout.split(b"\0") if name]

    def _launcher(self, verb: str) -> list[str]:
        # Isolated and without site-packages: no variable and no file of the user's changes what
        # runs here as root, and it starts in a few hundredths of a second.
        return [sys.executable, "-I", "-S", __file__, verb, *map(str, self)]


def choose_identity(
    folders: Collection[Path], *, may_open: Path | None = None, run_as: RunAs = "auto"
) -> Identity:
    """Return an identity that is not root and can enter all of `folders`, parents listed first.

    When `may_open` is the only closed one of them, it is opened to the identity. Blocks for some
    50 ms when we are root. Raises `UnprivilegedError` with the obstacle of each way tried.
    """
    obstacles = []
    for identity in _candidates(run_as):
        try:
            closed = identity.closed_folders(folders)
        except UnprivilegedError as error:
            obstacles.append(str(error))
            continue
        if closed == [may_open]:
            _open_folder(closed.pop(), identity)
        if not closed:
            return identity
        obstacles.append(f"{_described(identity)} cannot enter {closed[0]}")
    raise UnprivilegedError("; ".join(obstacles) or "there is no account but root")


def possible_owners() -> set[int]:
    """Return the uids that may own the files of a program, whichever way it ran last."""
    return {os.geteuid(), *(identity.owner[0] for identity in _candidates("auto"))}


def give(identity: Identity, folder: Path) -> None:
    """Make the files of `folder` the identity's own; only root can, for others it does nothing."""
    if os.geteuid() != 0 or _owner(folder) == identity.owner:
        return
    uid, gid = identity.owner
    # From the leaves to the top: the top's owner tells, also after a kill, that all was done.
    # By file descriptor: an account that owns the folder cannot lead root elsewhere by a symlink.
    for _, folders, files, descriptor in os.fwalk(folder, topdown=False):
        for name in (*folders, *files):
            os.chown(name, uid, gid, dir_fd=descriptor, follow_symlinks=False)
    os.chown(folder, uid, gid, follow_symlinks=False)


def _candidates(run_as: RunAs) -> Iterator[Identity]:
    if os.geteuid() != 0:
        yield Identity("self", "", os.geteuid(), os.getegid())
        return
    if run_as != "account" and sys.platform == "linux":
        yield from _named_identity("namespace", ("nobody", "postgres"))
    if run_as != "namespace":
        yield from _named_identity("account", ("postgres", "nobody"))


def _named_identity(
    kind: Literal["namespace", "account"], names: Sequence[str]
) -> Iterator[Identity]:
    # The namespace needs a name too: initdb refuses a uid that the password file does not know.
    entries = {entry.pw_name: entry for entry in pwd.getpwall() if entry.pw_uid != 0}
    for name in names:
        if name in entries:
            yield Identity(kind, name, entries[name].pw_uid, entries[name].pw_gid)
            return


def _described(identity: Identity) -> str:
    return {
        "self": "this user",
        "namespace": "root without its privileges",
        "account": f"the user {identity.name}",
    }[identity.kind]


def _open_folder(folder: Path, identity: Identity) -> None:
    # Just enough for PostgreSQL to pass through; lock and log in there stay root's.
    gid = identity.owner[1]
    os.chown(folder, os.geteuid(), gid)
    folder.chmod(0o710 if identity.kind == "account" else 0o700)


def _owner(folder: Path) -> tuple[int, int]:
    status = folder.lstat()
    return status.st_uid, status.st_gid


# ---- the launcher: from here on this is the script ----


def _take(identity: Identity) -> None:
    if identity.kind == "namespace":
        _enter_user_namespace(identity.uid, identity.gid)
    elif identity.kind == "account":
        os.setgroups([])
        os.setgid(identity.gid)
        os.setuid(identity.uid)


def _enter_user_namespace(inner_uid: int, inner_gid: int) -> None:
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    _libc_call("unshare", _CLONE_NEWUSER)
    itself = Path("/proc/self")
    # The kernel takes a map of groups only when setgroups has been given up.
    (itself / "setgroups").write_text("deny")
    (itself / "uid_map").write_text(f"{inner_uid} {outer_uid} 1")
    (itself / "gid_map").write_text(f"{inner_gid} {outer_gid} 1")


def _die_with(parent: int) -> None:
    if sys.platform != "linux":
        return
    # After the change of identity, which would clear it; exec keeps it.
    _libc_call("prctl", _PR_SET_PDEATHSIG, signal.SIGINT)
    if os.getppid() != parent:  # it died before the call: no signal would come any more
        sys.exit("the process that asked for this program has ended")


def _libc_call(name: str, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")


def _launch(verb: str, kind: str, name: str, uid: str, gid: str, *rest: str) -> None:
    # A shell starts background jobs with SIGINT ignored; a stop must get through from the start.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    identity = Identity(kind, name, int(uid), int(gid))  # type: ignore[arg-type]
    try:
        _take(identity)
    except OSError as error:
        sys.stderr.write(f"{_described(identity)} cannot be had: {error}\n")
        sys.exit(_EXIT_NO_IDENTITY)
    if verb == "check":
        # The kernel's own answer, so that access lists and mounts count too.
        closed = (os.fsencode(folder) for folder in rest if not os.access(folder, os.X_OK))
        sys.stdout.buffer.write(b"\0".join(closed))
        return
    parent, *program = rest
    _die_with(int(parent))
    os.execv(program[0], program)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    _launch(*sys.argv[1:])
