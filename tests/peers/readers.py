#!/usr/bin/env python3
"""pstkit and the independent readers, each as a function FILE -> Reading.

Every reader runs in a process of its own, with a limit in time and memory: some of them crash or hang on damaged
files. What a reader printed before it died counts.

usage: readers.py [--bin PSTKIT] [READER...] FILE        prints what each reader counts
"""

import argparse
import fnmatch
import json
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Callable

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
SHARED = TOP.parent / "shared"
OUTLOOK_PST = TOP / "benches/peers/target/release/pstkit-peers"
TIMEOUT = 120
MEMORY = 4 << 30


def corpus_files(most: int, pattern: str = "*") -> list[Path]:
    """The data files of the corpus of at most so many bytes, by folder and name; none where ../shared is not there."""
    files = sorted(p for p in (SHARED / "corpus").rglob("*") if p.suffix.lower() in (".pst", ".ost", ".pab", ".nst"))
    return [p for p in files if p.stat().st_size <= most and fnmatch.fnmatch(f"{p.parent.name}/{p.name}", pattern)]


@dataclass
class Reading:
    """What a reader says about a file."""

    reader: str
    items: list[dict] = field(default_factory=list)
    folders: list[dict] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    exit: int | str | None = None
    seconds: float = 0.0

    def of_kind(self, kind: str) -> list[dict]:
        return [item for item in self.items if item.get("kind") == kind]

    @property
    def messages(self) -> list[dict]:
        return self.of_kind("message")

    @property
    def attachments(self) -> int:
        return sum(len(item.get("attachments") or []) for item in self.messages)

    def counts(self) -> tuple[int, int, int]:
        return len(self.folders), len(self.messages), self.attachments


def limit_memory(pid: int, memory: int) -> None:
    try:
        resource.prlimit(pid, resource.RLIMIT_AS, (memory, memory))
    except (AttributeError, ProcessLookupError):
        pass  # not Linux, or ended already


def run(command: list, timeout: float = TIMEOUT, memory: int | None = MEMORY) -> tuple[int | str, bytes, bytes]:
    """Exit status (or "timeout"), standard output and error of a program."""
    child = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    if memory:
        limit_memory(child.pid, memory)
    try:
        out, err = child.communicate(timeout=timeout)
        return child.returncode, out, err
    except subprocess.TimeoutExpired:
        child.kill()
        out, err = child.communicate()
        return "timeout", out, err


def read_lines(reader: str, command: list, timeout: float = TIMEOUT, memory: int | None = MEMORY) -> Reading:
    started = time.monotonic()
    status, out, err = run(command, timeout, memory)
    reading = Reading(reader, exit=status, seconds=time.monotonic() - started)
    for line in out.decode("utf-8", "replace").splitlines():
        if not line.startswith("{"):
            continue  # some peers talk on standard output
        try:
            item = json.loads(line)
        except ValueError:
            reading.errors.append(f"half a line: {line[:80]}")
            continue
        if item.get("kind") == "folder":
            reading.folders.append(item)
        elif item.get("kind") == "error":
            reading.errors.append(item["text"])
        else:
            reading.items.append(item)
    if status != 0:
        reading.errors.append(f"exit {status}: {err.decode('utf-8', 'replace').strip()[-300:]}")
    return reading


def script(name: str, *arguments) -> list:
    return [sys.executable, HERE / name, *arguments]


def pypff(file: Path) -> Reading:
    return read_lines("pypff", script("pypff_dump.py", file))


def pst_extractor(file: Path) -> Reading:
    # node reserves far more address space than it uses
    return read_lines("pst-extractor", ["node", HERE / "pst_extractor_dump.js", file], memory=None)


def readpst(file: Path) -> Reading:
    return read_lines("readpst", script("export_dump.py", "readpst", file))


def pffexport(file: Path) -> Reading:
    return read_lines("pffexport", script("export_dump.py", "pffexport", file))


def outlook_pst(file: Path) -> Reading:
    return read_lines("outlook-pst", [OUTLOOK_PST, file])


@dataclass(frozen=True)
class Peer:
    read: Callable[[Path], Reading]
    available: Callable[[], bool]
    has_nids: bool = True
    has_folders: bool = True


PEERS = {
    "pypff": Peer(pypff, lambda: find_spec("pypff") is not None),
    "pst-extractor": Peer(
        pst_extractor, lambda: bool(shutil.which("node")) and (HERE / "node_modules/pst-extractor").is_dir()
    ),
    "readpst": Peer(readpst, lambda: bool(shutil.which("readpst")), has_nids=False, has_folders=False),
    "outlook-pst": Peer(outlook_pst, OUTLOOK_PST.is_file),
    "pffexport": Peer(pffexport, lambda: bool(shutil.which("pffexport")), has_nids=False),
}


def available() -> dict[str, Peer]:
    return {name: peer for name, peer in PEERS.items() if peer.available()}


def default_binary() -> Path:
    return TOP / "target/release/pstkit"


def pstkit(binary: Path, file: Path) -> Reading:
    """`pstkit items --jsonl` and the folders of `pstkit ls --json`."""
    reading = read_lines("pstkit", [binary, "items", "--jsonl", file])
    status, out, err = run([binary, "ls", "--json", file])
    try:
        reading.folders = json.loads(out)["folders"]
    except (ValueError, KeyError, TypeError):
        reading.errors.append(f"ls --json: exit {status}, no folders: {err.decode('utf-8', 'replace').strip()[-200:]}")
    return reading


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path, default=default_binary())
    parser.add_argument("--items", action="store_true", help="print the items too")
    parser.add_argument("names", nargs="+", metavar="[READER...] FILE")
    args = parser.parse_args()
    *names, file = args.names
    known = {name: peer.read for name, peer in available().items()}
    if args.bin.is_file():
        known["pstkit"] = partial(pstkit, args.bin)
    for name in names or known:
        if name not in known:
            print(f"{name:14} not here")
            continue
        reading = known[name](Path(file))
        folders, messages, attachments = reading.counts()
        associated = len(reading.of_kind("associated"))
        print(
            f"{name:14} folders {folders} messages {messages} attachments {attachments} associated {associated} "
            f"errors {len(reading.errors)} exit {reading.exit} {reading.seconds:.2f} s"
        )
        for error in reading.errors[:5]:
            print(f"    {error}")
        if args.items:
            for item in reading.items:
                print(f"    {json.dumps(item, ensure_ascii=False)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
