#!/usr/bin/env python3
"""What is physically still there: a ground truth of recoverability that knows nothing of the crate.

For a healthy file it says which blocks each message needs; for a damaged copy, which of those blocks are still
byte for byte what they were, wherever the trees, the header and the maps went:

    intact   every block of the message is undamaged: data tree and sub-node trees, with their X, XX, SL and SI blocks
    pc       the data tree (the property context) is, something beneath the sub-nodes is not
    lost     the property context itself is damaged, or cut off

usage: truth.py HEALTHY DAMAGED...      or      truth.py --ceilings SHARED
"""

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from ndb import ASSOCIATED, MESSAGE, Ndb, NotHealthy

INTACT, PC, LOST = "intact", "pc", "lost"
CORPUS = Path(__file__).resolve().parents[3] / "shared/corpus"

# One file of each layout, small enough for a test.
CORPUS_SAMPLES = [
    CORPUS / "mooijtech__go-pst/32-bit.pst",
    CORPUS / "aquasync__ruby-msg/msgInMsg.pst",
    CORPUS / "npm__pst-extractor/pstextractortest@outlook.com.ost",
]

# Where a stretch of the healthy file stands in the damaged copy: (start, end, start there).
Segment = tuple[int, int, int]


class Truth:
    """What each message of a healthy file needs.

    The padding between a block's contents and its trailer carries nothing and no checksum covers it; `padding=True`
    counts it all the same.
    """

    def __init__(self, path, padding: bool = False):
        self.ndb = Ndb.open(path)
        self.padding = padding
        self.needs: dict[int, tuple[set[int], set[int]]] = {}
        self.parents: dict[int, int] = {}
        for node in self.ndb.messages():
            pc = self.ndb.data_tree(node.data)
            self.needs[node.nid] = pc, pc | self.ndb.sub_tree(node.sub)
            self.parents[node.nid] = node.parent

    def states(self, damaged: bytes, segments: list[Segment] | None = None) -> dict[int, str]:
        """The state of each message, by NID; `segments` when bytes have moved."""
        whole = {bid for bid in self.ndb.blocks if self._is_whole(bid, damaged, segments)}
        return {
            nid: INTACT if full <= whole else PC if pc <= whole else LOST for nid, (pc, full) in self.needs.items()
        }

    def _is_whole(self, bid: int, damaged: bytes, segments: list[Segment] | None) -> bool:
        block = self.ndb.blocks[bid]
        shift = 0
        if segments is not None:
            homes = [there - start for start, end, there in segments if start <= block.ib and block.ib + block.size <= end]
            if not homes:
                return False
            shift = homes[0]
        ranges = [(block.ib, block.ib + block.size)] if self.padding else block.ranges(self.ndb.layout)
        return all(self.ndb.bytes[a:b] == damaged[a + shift : b + shift] for a, b in ranges)


def ceilings(states: dict[int, str], kinds=(MESSAGE,)) -> tuple[int, int]:
    """How many messages have their property context, and how many are whole."""
    count = Counter(state for nid, state in states.items() if nid & 0x1F in kinds)
    return count[INTACT] + count[PC], count[INTACT]


def published_ceilings(readme: Path) -> dict[str, dict[str, tuple[int, int]]]:
    """The pc/full column of each table of the damage README."""
    tables: dict[str, dict[str, tuple[int, int]]] = {}
    name = ""
    for line in readme.read_text().splitlines():
        if line.startswith("**") and " messages)" in line:
            name = line.split("**")[1]
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if name and len(cells) > 2 and cells[1].count("/") == 1 and cells[1].replace("/", "").isdigit():
            pc, full = cells[1].split("/")
            tables.setdefault(name, {})[cells[0]] = int(pc), int(full)
    return tables


PUBLISHED = {
    "enron.pst": "npm__pst-extractor/michelle_lokay_000_1_1_1_1.pst",
    "ost4k-a.ost": "npm__pst-extractor/pstextractortest@outlook.com.ost",
}


def check_ceilings(shared: Path) -> int:
    """Compare with the ceilings in the README beside damage.py, which came from another implementation.

    That one takes damage to a block's padding for damage to the block.
    """
    passed = failed = 0
    published = published_ceilings(shared / "damage/README.md")
    for name, path in PUBLISHED.items():
        source = shared / "corpus" / path
        truth = Truth(source, padding=True)
        with tempfile.TemporaryDirectory() as scratch:
            command = [sys.executable, shared / "damage/damage.py", source, scratch, "1"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            files = {file.stem: file for file in Path(scratch).iterdir() if file.suffix == source.suffix}
            for variant, expected in published[name].items():
                damaged = source if variant == "healthy" else files[variant]
                found = ceilings(truth.states(damaged.read_bytes()))
                verdict = "equal" if found == expected else "DIFFERENT"
                passed, failed = passed + (found == expected), failed + (found != expected)
                print(f"{name:12} {variant:12} published {expected[0]}/{expected[1]} found {found[0]}/{found[1]} {verdict}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ceilings", type=Path, metavar="SHARED", help="compare with the published ceilings")
    parser.add_argument("--list", action="store_true", help="the state of each message, not only their number")
    parser.add_argument("files", nargs="*", type=Path, metavar="HEALTHY DAMAGED...")
    args = parser.parse_args()
    if args.ceilings:
        return check_ceilings(args.ceilings)
    if len(args.files) < 2:
        parser.error("a healthy file and at least one damaged copy are needed")
    try:
        truth = Truth(args.files[0])
    except NotHealthy as error:
        print(f"{args.files[0]}: {error}", file=sys.stderr)
        return 1
    for path in args.files[1:]:
        states = truth.states(path.read_bytes())
        for title, kinds in ("messages", (MESSAGE,)), ("associated", (ASSOCIATED,)):
            total = sum(nid & 0x1F in kinds for nid in states)
            pc, full = ceilings(states, kinds)
            print(f"{path.name}: {title} {total}, with property context {pc}, whole {full}")
        if args.list:
            for nid, state in sorted(states.items()):
                print(f"  {nid:#x} in {truth.parents[nid]:#x}: {state}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
