#!/usr/bin/env python3
"""Is a repaired file what Outlook would have written? Healthy files lose trees, tables or objects and are repaired.

For each damage `pstkit repair -y` writes a new file; `pstkit check` must call it clean, or as the healthy file where
the notices are in objects that stayed, and no demand of acceptance.py may be broken more often than in the healthy file.

usage: repaired.py [--files GLOB] [--kinds GLOB] [--jobs N] PSTKIT FILE...
"""

import argparse
import collections
import fnmatch
import json
import random
import struct
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import acceptance
from ndb import ANSI, BBT, NBT, NotHealthy, UNICODE
from ltp import Store

# Tables of folders and templates; objects of the store.
TABLES = (0x0B, 0x0C, 0x0D, 0x0E, 0x0F, 0x10, 0x11, 0x12, 0x16, 0x17, 0x18)
OBJECTS = (0x21, 0x61, 0x1E1, 0x201, 0x261, 0xC01, 0xE01, 0xE41, 0xEC1, 0xEE1, 0xF01, 0xF21)


def wiped(store: Store, spans) -> bytes:
    data = bytearray(store.bytes)
    for start, end in spans:
        data[start:end] = bytes(end - start)
    return bytes(data)


def pages(store: Store, tree: str) -> list[tuple[int, int]]:
    """All pages of a tree, those of earlier states too."""
    layout, data, kind = store.layout, store.bytes, 0x81 if tree == NBT else 0x80
    at = layout.page - (24 if layout.page == 4096 else 12 if layout is ANSI else 16)
    starts = range(0, len(data) - layout.page + 1, layout.page if layout is not ANSI else 512)
    return [(ib, ib + layout.page) for ib in starts if data[ib + at] == data[ib + at + 1] == kind]


def live(store: Store, tree: str) -> list[tuple[int, int]]:
    return [(ib, ib + store.layout.page) for ib, (t, _) in store.pages.items() if t == tree]


def everything_but_blocks(store: Store) -> list[tuple[int, int]]:
    spans = [(0, 0x4400), *pages(store, NBT), *pages(store, BBT)]
    layout = store.layout
    at = layout.page - (24 if layout.page == 4096 else 12 if layout is ANSI else 16)
    for ib in range(0, len(store.bytes) - layout.page + 1, layout.page):
        if store.bytes[ib + at] == store.bytes[ib + at + 1] in (0x82, 0x83, 0x84, 0x85, 0x86):
            spans.append((ib, ib + layout.page))
    return spans


def without_entry(store: Store, nid: int) -> bytes:
    """The node's entry is gone from its leaf, as if it had never been; its blocks stay."""
    data, layout, ib = bytearray(store.bytes), store.layout, store.home[nid]
    count, _, stride, _ = struct.unpack_from(layout.meta_format, data, ib + layout.meta)
    at = next(i for i in range(count) if layout.ident(data, ib + i * stride) & 0xFFFF_FFFF == nid)
    end = ib + count * stride
    data[ib + at * stride : end - stride] = data[ib + (at + 1) * stride : end]
    data[end - stride : end] = bytes(stride)
    data[ib + layout.meta] = count - 1
    place = ib + layout.page - (24 if layout.page == 4096 else 12 if layout is ANSI else 16)
    check = acceptance.crc(data[ib:place])
    struct.pack_into("<I", data, place + (8 if layout is ANSI else 4), check)
    return bytes(data)


def damages(store: Store):
    """Name, bytes."""
    yield "nbt", wiped(store, live(store, NBT))
    yield "nbt-all", wiped(store, pages(store, NBT))
    yield "bbt", wiped(store, live(store, BBT))
    yield "trees", wiped(store, live(store, NBT) + live(store, BBT))
    yield "blocks", wiped(store, everything_but_blocks(store))
    yield "header", wiped(store, [(0, 564)])
    for nid, node in sorted(store.nodes.items()):
        if nid & 0x1F not in TABLES and nid not in OBJECTS and nid & 0x1F not in (3, 6, 7):
            continue
        yield f"gone-{nid:x}", without_entry(store, nid)
        if node.data:
            rng, data = random.Random(nid), bytearray(store.bytes)
            for bid in store.leaves(node.data):
                block = store.blocks[bid]
                data[block.ib : block.ib + block.size] = rng.randbytes(block.size)
            yield f"lost-{nid:x}", bytes(data)


def run(pstkit: str, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run([pstkit, *words], capture_output=True, timeout=600, check=False)


def verdict(pstkit: str, path: Path) -> tuple[str, set[str]]:
    """The verdict, and rule with object of each finding that matters."""
    report = json.loads(run(pstkit, "check", "--json", str(path)).stdout)
    told = [f for f in report["findings"] if f["severity"] != "info"]
    # ids of embedded messages are the writer's to choose: the property tells the finding, not the sub-node
    return report["verdict"], {f"{f['code']} {f['severity']} {f['at'].get('nid', '')} {f['at'].get('tag', '')}" for f in told}


def judge(pstkit: str, data: bytes, suffix: str, before: dict[str, list[str]], notices: set[str]) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / f"damaged{suffix}", Path(folder) / f"repaired{suffix}"
        source.write_bytes(data)
        done = run(pstkit, "repair", "-y", "-o", str(target), str(source))
        if not target.exists():
            return [f"no repair: exit {done.returncode} {done.stderr.decode(errors='replace').strip()[:200]}"]
        said, findings = verdict(pstkit, target)
        # what the healthy file had may still be there, where it is only a notice
        news = sorted(f for f in findings if f not in notices or " notice " not in f)
        out = [f"check: {said}: {'; '.join(news[:4])}"] if news or said not in ("clean", "minor") else []
        try:
            after = acceptance.examine(target.read_bytes())
        except Exception as e:  # whatever it is, the file is not readable for others
            return [*out, f"not readable: {type(e).__name__} {e}"]
        for rule in sorted(after):
            if len(after[rule]) > len(before.get(rule, ())):
                news = [w for w in after[rule] if w not in before.get(rule, ())] or after[rule]
                out.append(f"{rule} {len(after[rule])} (was {len(before.get(rule, ()))}): {news[0]}")
        return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--files", default="*")
    parser.add_argument("--kinds", default="*")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("pstkit")
    parser.add_argument("paths", nargs="+", type=Path)
    args = parser.parse_args()
    rules: dict[str, int] = collections.Counter()
    wrong = total = 0
    for path in args.paths:
        if not fnmatch.fnmatch(path.name, args.files):
            continue
        data = path.read_bytes()
        try:
            store = Store(data)
        except NotHealthy as e:
            print(f"{path.name}: skipped, {e}")
            continue
        before = acceptance.examine(data)
        healthy = verdict(args.pstkit, path)
        print(f"{path.name}: {healthy[0]}", flush=True)
        kinds = [(name, bytes_) for name, bytes_ in damages(store) if any(fnmatch.fnmatch(name, k) for k in args.kinds.split(","))]
        with ThreadPoolExecutor(args.jobs) as pool:
            answers = pool.map(lambda k: (k[0], judge(args.pstkit, k[1], path.suffix, before, healthy[1])), kinds)
            for name, out in answers:
                total += 1
                wrong += bool(out)
                rules.update(line.split()[0] for line in out)
                for line in out:
                    print(f"  {name}: {line}", flush=True)
    print(f"{wrong} of {total} repaired files are not as they should be")
    for rule, count in rules.most_common():
        print(f"  {rule} {count}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
