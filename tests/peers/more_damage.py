#!/usr/bin/env python3
"""More kinds of damage, beside those of ../shared/damage/damage.py: deterministic copies of a healthy file.

Each kind is a function of the file and a random generator of its own, so that leaving one out changes no other. Where
bytes move, the result says which stretch of the original stands where, so that truth.py can follow.

usage: more_damage.py SRC OUTDIR SEED [KIND...]
"""

import argparse
import json
import random
import struct
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator

from ndb import ANSI, BBT, NBT, Ndb

Segment = tuple[int, int, int]


@dataclass
class Damaged:
    kind: str
    data: bytes
    segments: list[Segment] | None = None  # None: nothing has moved
    note: str = ""


Kind = Callable[[Ndb, random.Random], Damaged]
KINDS: dict[str, Kind] = {}


def kind(name: str, **arguments):
    def register(function):
        KINDS[name] = lambda ndb, rng: function(ndb, rng, **arguments)
        return function

    return register


def copy(ndb: Ndb) -> bytearray:
    return bytearray(ndb.bytes)


def done(data: bytearray, note: str = "", segments: list[Segment] | None = None) -> Damaged:
    return Damaged("", bytes(data), segments, note)


def used(ndb: Ndb) -> tuple[int, int]:
    """Where blocks and tree pages stand. New files are mostly empty behind that: damage there proves nothing."""
    starts = [*ndb.pages, *(block.ib for block in ndb.blocks.values())]
    ends = [ib + ndb.layout.page for ib in ndb.pages] + [block.ib + block.size for block in ndb.blocks.values()]
    return min(starts), max(ends)


def middle_of(ndb: Ndb) -> int:
    return sum(used(ndb)) // 2 // 512 * 512


# --- bytes moved or missing -----------------------------------------------------------------------------------------


@kind("insert64", count=64)
@kind("insert512", count=512)
@kind("insert100", count=100)
def insert(ndb: Ndb, rng: random.Random, count: int) -> Damaged:
    data, at = ndb.bytes, middle_of(ndb)
    made = data[:at] + rng.randbytes(count) + data[at:]
    return done(bytearray(made), f"{count} at {at:#x}", [(0, at, 0), (at, len(data), at + count)])


@kind("cut64", count=64)
@kind("cut512", count=512)
def cut(ndb: Ndb, rng: random.Random, count: int) -> Damaged:
    data, at = ndb.bytes, middle_of(ndb)
    made = data[:at] + data[at + count :]
    return done(bytearray(made), f"{count} at {at:#x}", [(0, at, 0), (at + count, len(data), at)])


@kind("first64k_cut")
def first_cut(ndb: Ndb, rng: random.Random) -> Damaged:
    start = 65536 if len(ndb.bytes) > 65536 else len(ndb.bytes) // 4
    return done(bytearray(ndb.bytes[start:]), f"without the first {start:#x}", [(start, len(ndb.bytes), 0)])


@kind("middle_fragment")
def middle(ndb: Ndb, rng: random.Random) -> Damaged:
    first, last = used(ndb)
    start, end = ((first + (last - first) * part // 4) // 512 * 512 for part in (1, 3))
    return done(bytearray(ndb.bytes[start:end]), f"{start:#x}..{end:#x}", [(start, end, 0)])


@kind("truncated_a")
@kind("truncated_b")
@kind("truncated_c")
def truncated(ndb: Ndb, rng: random.Random) -> Damaged:
    end = rng.randrange(*used(ndb))
    return done(copy(ndb)[:end], f"at {end:#x}")


@kind("tail_garbage")
def tail_garbage(ndb: Ndb, rng: random.Random) -> Damaged:
    return done(copy(ndb) + rng.randbytes(100_000), "100,000 bytes")


# --- sectors --------------------------------------------------------------------------------------------------------


@kind("zero512", size=512, share=0.01)
@kind("zero4k", size=4096, share=0.02)
@kind("zero64k", size=65536, share=0.05)
def zero_runs(ndb: Ndb, rng: random.Random, size: int, share: float) -> Damaged:
    data = copy(ndb)
    # A new file is mostly zeros: nothing is lost there.
    used = [at for at in range(0, len(data), size) if any(data[at : at + size])]
    places = rng.sample(used, max(1, int(len(used) * share)))
    for at in places:
        data[at : at + size] = bytes(len(data[at : at + size]))
    return done(data, f"{len(places)} of {size}")


@kind("swap_sectors")
def swap_sectors(ndb: Ndb, rng: random.Random) -> Damaged:
    data, (first, last) = copy(ndb), used(ndb)
    places = rng.sample(range(first, last - 511, 512), 8)
    for a, b in zip(places[::2], places[1::2]):
        data[a : a + 512], data[b : b + 512] = data[b : b + 512], data[a : a + 512]
    return done(data, "4 pairs of 512")


@kind("repeat_sectors")
def repeat_sectors(ndb: Ndb, rng: random.Random) -> Damaged:
    data, (first, last) = copy(ndb), used(ndb)
    for _ in range(3):
        a, b = (rng.randrange(first, last - 4096) // 512 * 512 for _ in range(2))
        data[b : b + 4096] = data[a : a + 4096]
    return done(data, "3 runs of 4096 written over others")


@kind("bit_flips", count=50)
@kind("bit_flip_one_page", count=1)
def bit_flips(ndb: Ndb, rng: random.Random, count: int) -> Damaged:
    data = copy(ndb)
    pages, (_, last) = sorted(ndb.pages), used(ndb)
    for _ in range(count):
        at = rng.randrange(last) if count > 1 else rng.choice(pages) + rng.randrange(ndb.layout.meta)
        data[at] ^= 1 << rng.randrange(8)
    return done(data, f"{count} bits")


# --- the trees ------------------------------------------------------------------------------------------------------


def wipe_pages(ndb: Ndb, pages, fill: Callable[[int], bytes]) -> Damaged:
    data, pages = copy(ndb), sorted(pages)
    for ib in pages:
        data[ib : ib + ndb.layout.page] = fill(ndb.layout.page)
    return done(data, f"{len(pages)} pages")


@kind("inner_pages_zero")
def inner_pages(ndb: Ndb, rng: random.Random) -> Damaged:
    inner = {ib for ib, (_, level) in ndb.pages.items() if level} | set(ndb.roots.values())
    return wipe_pages(ndb, inner, bytes)


@kind("bbt_garbage", trees=(BBT,))
@kind("nbt_garbage", trees=(NBT,))
@kind("both_trees_garbage", trees=(BBT, NBT))
def trees_garbage(ndb: Ndb, rng: random.Random, trees: tuple) -> Damaged:
    return wipe_pages(ndb, [ib for ib, (tree, _) in ndb.pages.items() if tree in trees], rng.randbytes)


@kind("both_trees_zero")
def trees_zero(ndb: Ndb, rng: random.Random) -> Damaged:
    return wipe_pages(ndb, ndb.pages, bytes)


@kind("nbt_leaf_zero", tree=NBT)
@kind("bbt_leaf_zero", tree=BBT)
def one_leaf(ndb: Ndb, rng: random.Random, tree: str) -> Damaged:
    leaves = sorted(ib for ib, (which, level) in ndb.pages.items() if which == tree and level == 0)
    return wipe_pages(ndb, [rng.choice(leaves)], bytes)


@kind("stale_root")
def stale_root(ndb: Ndb, rng: random.Random) -> Damaged:
    """The header, with valid checksums, points at something that is no page of a tree."""
    data, layout = copy(ndb), ndb.layout
    for offset in (layout.nbt_root, layout.bbt_root):
        wrong = rng.randrange(0x4400, len(data)) // 512 * 512
        data[offset : offset + layout.id_width] = wrong.to_bytes(layout.id_width, "little")
    return done(sealed(data, ndb))


# --- the header -----------------------------------------------------------------------------------------------------


def crc(data: bytes) -> int:
    """[MS-PST] 5.3: CRC-32 without the two inversions."""
    return zlib.crc32(data, 0xFFFF_FFFF) ^ 0xFFFF_FFFF


def sealed(data: bytearray, ndb: Ndb) -> bytearray:
    struct.pack_into("<I", data, 4, crc(data[8:479]))
    if ndb.layout is not ANSI:
        struct.pack_into("<I", data, 524, crc(data[8:524]))
    return data


def header(ndb: Ndb, offset: int, value: bytes) -> Damaged:
    """One wrong field, the checksums right."""
    data = copy(ndb)
    data[offset : offset + len(value)] = value
    return done(sealed(data, ndb), f"{value.hex()} at {offset}")


@kind("header_version")
def header_version(ndb: Ndb, rng: random.Random) -> Damaged:
    """An unknown wVer. The checksums stay where this variant has them."""
    return header(ndb, 10, struct.pack("<H", 99))


@kind("header_other_variant")
def header_other_variant(ndb: Ndb, rng: random.Random) -> Damaged:
    return header(ndb, 10, struct.pack("<H", 23 if ndb.layout is ANSI else 14))


@kind("header_crypt")
def header_crypt(ndb: Ndb, rng: random.Random) -> Damaged:
    offset = 461 if ndb.layout is ANSI else 513
    return header(ndb, offset, b"\x00" if ndb.bytes[offset] else b"\x01")


@kind("header_client")
def header_client(ndb: Ndb, rng: random.Random) -> Damaged:
    return header(ndb, 8, b"XX")


@kind("header_eof_small", part=2)
@kind("header_eof_large", part=0)
def header_eof(ndb: Ndb, rng: random.Random, part: int) -> Damaged:
    value = len(ndb.bytes) // part if part else len(ndb.bytes) * 3
    return header(ndb, ndb.layout.eof, value.to_bytes(ndb.layout.id_width, "little"))


@kind("header_zero")
def header_zero(ndb: Ndb, rng: random.Random) -> Damaged:
    data = copy(ndb)
    data[:564] = bytes(564)
    return done(data)


# --- one block ------------------------------------------------------------------------------------------------------


@kind("data_tree_block_zero", btype=1)
@kind("sub_node_block_zero", btype=2)
def internal_zero(ndb: Ndb, rng: random.Random, btype: int) -> Damaged:
    """One X or XX block, or one SL or SI block."""
    data = copy(ndb)
    blocks = sorted(bid for bid, block in ndb.blocks.items() if bid & 2 and ndb.internal(block)[0] == btype)
    if not blocks:
        return done(data, "there is none")
    block = ndb.blocks[rng.choice(blocks)]
    data[block.ib : block.ib + block.size] = bytes(block.size)
    return done(data, f"block {block.bid:#x} at {block.ib:#x}")


def damages(ndb: Ndb, seed: int, kinds: list[str] | None = None) -> Iterator[Damaged]:
    for name, make in KINDS.items():
        if kinds is None or name in kinds:
            made = make(ndb, random.Random(f"{seed}:{name}"))
            made.kind = name
            yield made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("seed", type=int)
    parser.add_argument("kinds", nargs="*", help=f"some of: {' '.join(KINDS)}")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    manifest = {}
    for made in damages(Ndb.open(args.source), args.seed, args.kinds or None):
        path = args.out / f"{made.kind}{args.source.suffix}"
        path.write_bytes(made.data)
        manifest[made.kind] = {"file": path.name, "size": len(made.data), "note": made.note, "segments": made.segments}
        print(f"{made.kind:22} {len(made.data):10} {made.note}")
    (args.out / "manifest.json").write_text(json.dumps(manifest, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
