"""Generate the Python stubs in clients/python/purser from protos/.

    python scripts/gen.py           rewrite what is out of date, remove what is stale
    python scripts/gen.py --check   change nothing; fail and list the files that differ

It needs grpcio-tools and mypy-protobuf beside the Python that runs it. Two runs with the same
versions of both give the same bytes. Everything in clients/python/purser is generated; nothing
in there is written by hand.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
PYTHON_CLIENT = ROOT / "clients" / "python"
PACKAGE = "purser"


def main() -> int:
    """Generate or check, and return the exit code."""
    parser = argparse.ArgumentParser(description="Generate clients/python/purser from protos/.")
    parser.add_argument("--check", action="store_true", help="change nothing, fail on a difference")
    check: bool = parser.parse_args().check

    wanted, present = generated_files(), read_files(PYTHON_CLIENT)
    differing = sorted(
        name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name)
    )
    if check:
        return report(differing)
    write(wanted, differing)
    say(f"{len(wanted)} files, {len(differing)} changed")
    return 0


def generated_files() -> dict[str, bytes]:
    """Generate everything in a temporary folder and return it, by path below clients/python."""
    protos = sorted(path.relative_to(PROTOS).as_posix() for path in PROTOS.rglob("*.proto"))
    # Files of nouns have no service; their gRPC modules would be empty.
    services = [name for name in protos if name.endswith("_service.proto")]
    with tempfile.TemporaryDirectory() as folder:
        protoc(f"--python_out={folder}", f"--mypy_out=quiet:{folder}", *protos)
        protoc(f"--grpc_python_out={folder}", f"--mypy_grpc_out=quiet:{folder}", *services)
        add_package_files(Path(folder))
        return read_files(Path(folder))


def protoc(*arguments: str) -> None:
    """Run the compiler of grpcio-tools on protos/, or end the program with its exit code."""
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={PROTOS}"]
    command += [
        f"--plugin={name}={plugin(name)}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")
    ]
    finished = subprocess.run([*command, *arguments], check=False)
    if finished.returncode:
        raise SystemExit(finished.returncode)


def plugin(name: str) -> str:
    """Find a plugin of protoc, first beside the running Python, then on the search path."""
    found = shutil.which(name, path=Path(sys.executable).parent) or shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} not found: install mypy-protobuf")
    return found


def add_package_files(folder: Path) -> None:
    """Make every folder of modules below it a package, and the whole one that carries types."""
    package = folder / PACKAGE
    for directory in (package, *(path for path in package.rglob("*") if path.is_dir())):
        source = directory.relative_to(folder).as_posix()
        (directory / "__init__.py").write_text(f'"""Generated from protos/{source}."""\n')
    (package / "py.typed").touch()


def read_files(folder: Path) -> dict[str, bytes]:
    """Read the files of the package below a folder, by path; byte code is left out."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in (folder / PACKAGE).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def report(differing: list[str]) -> int:
    """Tell which files differ, and return the exit code."""
    if not differing:
        return 0
    tools = " and ".join(f"{name} {version(name)}" for name in ("grpcio-tools", "mypy-protobuf"))
    say(f"These files are not what protos/ gives with {tools}:")
    for name in differing:
        say(f"  clients/python/{name}")
    say("Run: python scripts/gen.py")
    return 1


def write(wanted: dict[str, bytes], differing: list[str]) -> None:
    """Write the differing files, and remove those that are not wanted any more."""
    for name in differing:
        path = PYTHON_CLIENT / name
        if name in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(wanted[name])
        else:
            path.unlink()
            remove_if_empty(path.parent)


def remove_if_empty(directory: Path) -> None:
    """Remove a folder in which nothing but byte code is left, and its parents likewise."""
    if any(path.name != "__pycache__" for path in directory.iterdir()):
        return
    shutil.rmtree(directory)
    if directory.name != PACKAGE:
        remove_if_empty(directory.parent)


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
