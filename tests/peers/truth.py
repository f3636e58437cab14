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

from ndb import ASSOCIATED, ASSOCIATED_CONTENTS, CONTENTS, HIERARCHY, MESSAGE, ROOT_FOLDER, Ndb, NotHealthy

INTACT, PC, LOST = "intact", "pc", "lost"
CORPUS = Path(__file__).resolve().parents[3] / "shared/corpus"

# One file of each layout, small enough for a test.
CORPUS_SAMPLES = [
    CORPUS / "mooijtech__go-pst/32-bit.pst",
    CORPUS / "aquasync__ruby-msg/msgInMsg.pst",
    CORPUS / "npm__pst-extractor/pstextractortest@outlook.com.ost",
]

TABLE_OF = {MESSAGE: CONTENTS, ASSOCIATED: ASSOCIATED_CONTENTS}

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
            self.needs[node.nid] = self.ndb.data_tree(node.data), self.ndb.all_blocks(node)
            self.parents[node.nid] = node.parent

    def states(self, damaged: bytes, segments: list[Segment] | None = None) -> dict[int, str]:
        """The state of each message, by NID; `segments` when bytes have moved."""
        whole = self.whole_blocks(damaged, segments)
        return {
            nid: INTACT if full <= whole else PC if pc <= whole else LOST for nid, (pc, full) in self.needs.items()
        }

    def folders_whole(self, damaged: bytes, segments: list[Segment] | None = None) -> bool:
        """Whether every folder has all of its blocks."""
        whole = self.whole_blocks(damaged, segments)
        return all(self.ndb.all_blocks(node) <= whole for node in self.ndb.nodes.values() if node.kind in (2, 3))

    def placed(self, damaged: bytes, segments: list[Segment] | None = None) -> set[int]:
        """The messages whose folder can still be known.

        Every folder on the way to the root has its property context, and on each step either the child's NBT entry is
        there or the parent's table that lists it. That is an upper bound: a table without the NBT names rows whose
        objects have no names any more.
        """
        whole = self.whole_blocks(damaged, segments)
        page = self.ndb.layout.page
        pages = {ib for ib in set(self.ndb.home.values()) if self._is_whole([(ib, ib + page)], damaged, segments)}
        known: dict[int, bool] = {ROOT_FOLDER: True}

        def step(nid: int) -> bool:
            node, parent = self.ndb.nodes[nid], self.ndb.nodes[nid].parent
            table = self.ndb.nodes.get(parent & ~0x1F | TABLE_OF.get(node.kind, HIERARCHY))
            return self.ndb.home[nid] in pages or (table is not None and self.ndb.all_blocks(table) <= whole)

        def is_known(folder: int) -> bool:
            way = []
            while folder not in known and folder in self.ndb.nodes and folder not in way:
                way.append(folder)
                folder = self.ndb.nodes[folder].parent
            for nid in reversed(way):
                known[nid] = (
                    known.get(folder, False) and self.ndb.data_tree(self.ndb.nodes[nid].data) <= whole and step(nid)
                )
                folder = nid
            return known.get(folder, False)

        return {nid for nid, parent in self.parents.items() if is_known(parent) and step(nid)}

    def whole_blocks(self, damaged: bytes, segments: list[Segment] | None) -> set[int]:
        """The blocks that are what they were, by id."""
        layout = self.ndb.layout
        return {
            bid
            for bid, block in self.ndb.blocks.items()
            if self._is_whole(
                [(block.ib, block.ib + block.size)] if self.padding else block.ranges(layout), damaged, segments
            )
        }

    def _is_whole(self, ranges: list[tuple[int, int]], damaged: bytes, segments: list[Segment] | None) -> bool:
        """Whether the ranges of one object are what they were, wherever they stand now."""
        shift, first, last = 0, ranges[0][0], ranges[-1][1]
        if segments is not None:
            homes = [there - start for start, end, there in segments if start <= first and last <= end]
            if not homes:
                return False
            shift = homes[0]
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
        data = path.read_bytes()
        states, placed = truth.states(data), truth.placed(data)
        for title, kinds in ("messages", (MESSAGE,)), ("associated", (ASSOCIATED,)):
            total = sum(nid & 0x1F in kinds for nid in states)
            pc, full = ceilings(states, kinds)
            known = sum(nid & 0x1F in kinds and state == INTACT for nid, state in states.items() if nid in placed)
            print(f"{path.name}: {title} {total}, with property context {pc}, whole {full}, of known folder {known}")
        if args.list:
            for nid, state in sorted(states.items()):
                print(f"  {nid:#x} in {truth.parents[nid]:#x}: {state}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
