#!/usr/bin/env python3
"""More left is never worse: more_left.py [--files GLOB] [--how items,repair] [--bin PATH] [--jobs N] [-v]

Damages every readable file of ../shared/corpus in steps, each with the damage of the one before and more: one leaf of the node B-tree,
all current pages of that tree, all pages of it, also those of older generations, all pages of both trees, both trees and all maps; and the
same for the block B-tree.
Every live message of the healthy file that comes back from the worse damage with equal contents (`content_sha256`), in any folder, has to
come back so from the lesser one. Exit status 1: one did not.
"""
import argparse, json, struct, subprocess, sys, tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from readers import HERE, SHARED, corpus_files
CHAINS = [["node-leaf", "node-current", "node-tree", "both-trees", "trees-and-maps"],
          ["node-current", "both-current", "both-trees", "trees-and-maps"],
          ["block-leaf", "block-current", "both-current"], ["block-current", "block-tree", "both-trees"]]


def call(args: list, limit: int = 300):
    try:
        done = subprocess.run([str(a) for a in args], capture_output=True, timeout=limit)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired:
        return "timeout", b""


def items(binary: Path, path: Path) -> list:
    _, out = call([binary, "items", "--jsonl", path])
    return [json.loads(line) for line in out.decode().splitlines() if line.strip()]


def pages(data: bytes) -> dict:
    """Every page in its place with a valid trailer, by what it is: also pages of older generations."""
    import pstlib
    version = struct.unpack_from("<H", data, 10)[0]
    size, kind, crc_at, body = (4096, 4072, 4076, 4072) if version >= 36 else (512, 496, 500, 496) if version >= 20 else (512, 500, 508, 500)
    level_at = 4059 if version >= 36 else 491 if version >= 20 else 499
    first = 0x22000 if version >= 36 else 0x4400
    out = {"nbt": [], "bbt": [], "map": []}
    for at in range(first % size, len(data) - size + 1, size):
        page = data[at:at + size]
        if page[kind] != page[kind + 1] or page[kind] not in (0x80, 0x81, 0x82, 0x83, 0x84, 0x85):
            continue
        if struct.unpack_from("<I", page, crc_at)[0] != pstlib.crc(page[:body]):
            continue
        name = {0x80: "bbt", 0x81: "nbt"}.get(page[kind], "map")
        out[name].append((at, size, page[level_at] if name != "map" else 0))
    return out


def damaged(path: Path) -> dict:
    import pstlib
    data = path.read_bytes()
    p = pstlib.Pst(str(path)).load()
    current = {"nbt": {x[0] for x in p.nbtpages if x[2] == 0}, "bbt": {x[0] for x in p.bbtpages if x[2] == 0}}
    found = pages(data)
    now = {t: [(x[0], p.psz, x[2]) for x in all_pages] for t, all_pages in (("nbt", p.nbtpages), ("bbt", p.bbtpages))}
    largest = lambda t: [x for x in found[t] if x[0] in current[t]][len(current[t]) // 2:][:1]
    parts = {"node-leaf": largest("nbt"), "node-tree": found["nbt"], "both-trees": found["nbt"] + found["bbt"],
             "trees-and-maps": found["nbt"] + found["bbt"] + found["map"], "block-leaf": largest("bbt"), "block-tree": found["bbt"],
             "node-current": now["nbt"], "block-current": now["bbt"], "both-current": now["nbt"] + now["bbt"]}
    out = {}
    for name, wiped in parts.items():
        copy = bytearray(data)
        for at, size, _ in wiped:
            copy[at:at + size] = bytes(size)
        out[name] = bytes(copy)
    return out


def run(binary: Path, path: Path, how: str, folders: bool) -> list:
    key = lambda i: (i["content_sha256"], i["folder"] if folders else None)
    healthy = items(binary, path)
    if not healthy:
        return []
    with tempfile.TemporaryDirectory() as directory:
        came = {}
        try:
            copies = damaged(path)
        except Exception as why:
            return [f"skipped: {path.name}: another reader cannot read it: {why}"]
        for name, data in copies.items():
            source = Path(directory) / f"{name}{path.suffix}"
            source.write_bytes(data)
            target = source
            if how == "repair":
                target = Path(directory) / f"{name}-repaired{path.suffix}"
                call([binary, "repair", "-q", "-y", source, "-o", target])
            found = items(binary, target) if target.exists() else []
            came[name] = Counter(key(i) for i in found if i["origin"] in ("normal", "orphan"))
    live = Counter(map(key, healthy))
    subject = {key(i): f'{i["nid"]:#x} {i["subject"]!r}' for i in healthy}
    out = [f"{path.name}: " + ", ".join(f"{n} {sum((c & live).values())}" for n, c in came.items()) + f" of {sum(live.values())}"]
    for chain in CHAINS:
        for n, less in enumerate(chain):
            for more in chain[n + 1:]:
                for content in ((came[more] & live) - (came[less] & live)):
                    out.append(f"worse: {path.parent.name}/{path.name}: {subject[content]} comes back whole from {more}, not from {less}")
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", default="*")
    parser.add_argument("--how", default="items,repair")
    parser.add_argument("--folders", action="store_true", help="also in its folder")
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
    worse = files_done = 0
    with ThreadPoolExecutor(args.jobs) as pool:
        for lines in pool.map(lambda job: run(args.bin, *job, args.folders), [(p, how) for p in files for how in args.how.split(",")]):
            files_done += bool(lines)
            for line in lines:
                worse += line.startswith("worse")
                if args.verbose or not line.startswith(tuple(p.name for p in files)):
                    print(line, flush=True)
    print(f"{files_done} runs, {worse} failed")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
