#!/usr/bin/env python3
"""Nothing dead is made alive: dead_alive.py [--files GLOB] [--bin PATH] [--jobs N] [--most BYTES] [-v]

Wipes pages of the node B-tree of every readable file of ../shared/corpus (the steps of more_left.py, all current leaves with zeros and with
garbage, all current pages, all inner pages, each of the first leaves), repairs the copy, and compares its live messages with those of the
healthy file by node id and contents (`content_sha256`). Counted are live messages that the healthy file has not: neither under that id, nor
as often with these contents. Exit status 1: there are some.
"""
import argparse, random, sys, tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from more_left import call, damaged, items, pages
from readers import HERE, SHARED, corpus_files

STEPS = ("node-leaf", "node-current", "node-tree", "both-current", "both-trees")
LEAVES = 12


def copies(path: Path) -> dict:
    """Damaged copies by the name of the damage."""
    import pstlib
    data, p = path.read_bytes(), pstlib.Pst(str(path)).load()
    current = [(x[0], p.psz, x[2]) for x in p.nbtpages]
    leaves, junk = [x for x in current if x[2] == 0], random.Random(1).randbytes

    def wiped(some: list, fill) -> bytes:
        copy = bytearray(data)
        for at, size, _ in some:
            copy[at:at + size] = fill(size)
        return bytes(copy)

    steps = damaged(path)
    out = {name: steps[name] for name in STEPS}
    out |= {"garbage": wiped(current, junk), "garbage-all": wiped(pages(data)["nbt"], junk), "leaves": wiped(leaves, bytes),
            "leaves-garbage": wiped(leaves, junk), "inner": wiped([x for x in current if x[2]], bytes)}
    return out | {f"leaf-{n}": wiped([leaf], bytes) for n, leaf in enumerate(leaves[:LEAVES])}


def run(binary: Path, path: Path) -> tuple:
    """Lines to print, and how many messages came back, were there, and are dead."""
    healthy = items(binary, path)
    try:
        made = copies(path) if healthy else {}
    except Exception as why:
        return [f"skipped: {path.name}: another reader cannot read it: {why}"], 0, 0, 0
    live, ids = Counter(i["content_sha256"] for i in healthy), {i["nid"] for i in healthy}
    lines, came, all_of, dead_of = [], 0, 0, 0
    with tempfile.TemporaryDirectory() as directory:
        for name, data in made.items():
            source, target = Path(directory) / f"{name}{path.suffix}", Path(directory) / f"{name}-repaired{path.suffix}"
            source.write_bytes(data)
            call([binary, "repair", "-q", "-y", source, "-o", target])
            found = [i for i in items(binary, target) if i["origin"] in ("normal", "orphan")] if target.exists() else []
            seen, dead = Counter(), []
            for i in found:
                seen[i["content_sha256"]] += 1
                if i["nid"] not in ids and seen[i["content_sha256"]] > live[i["content_sha256"]]:
                    dead.append(i)
            back = sum((seen & live).values())
            came, all_of, dead_of = came + back, all_of + len(healthy), dead_of + len(dead)
            lines.append(f"{path.name} {name}: {back} of {len(healthy)} back, {len(dead)} dead")
            lines += [f"dead: {path.name} {name}: {i['nid']:#x} {i['subject']!r} in {i['folder']!r}" for i in dead]
    return lines, came, all_of, dead_of


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", default="*")
    parser.add_argument("--most", type=int, default=64 << 20)
    parser.add_argument("--bin", type=Path, default=HERE.parent.parent / "target/release/pstkit")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("-v", "--verbose", action="store_true")
    args = parser.parse_args()
    if not (SHARED / "corpus").is_dir():
        print("skipped: ../shared/corpus is not there")
        return 0
    sys.path.insert(0, str(SHARED / "damage"))
    files = corpus_files(args.most, args.files)
    totals = [0, 0, 0]
    with ThreadPoolExecutor(args.jobs) as pool:
        for lines, *numbers in pool.map(lambda p: run(args.bin, p), files):
            totals = [a + b for a, b in zip(totals, numbers)]
            for line in lines:
                if args.verbose or line.startswith(("dead", "skipped")):
                    print(line, flush=True)
    print(f"{totals[0]} of {totals[1]} messages back, {totals[2]} dead made alive")
    return 1 if totals[2] else 0


if __name__ == "__main__":
    sys.exit(main())
