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

from ndb import ANSI, BBT, NBT, UNICODE, UNICODE4K, Ndb

Segment = tuple[int, int, int]
NOTHING = "there is none"


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
        return done(data, NOTHING)
    block = ndb.blocks[rng.choice(blocks)]
    data[block.ib : block.ib + block.size] = bytes(block.size)
    return done(data, f"block {block.bid:#x} at {block.ib:#x}")


# --- structures that lie: the checksums are right, what they say is not ----------------------------------------------


def seal_page(data: bytearray, ndb: Ndb, ib: int) -> None:
    layout = ndb.layout
    body = layout.page - {ANSI: 12, UNICODE: 16, UNICODE4K: 24}[layout]
    struct.pack_into("<I", data, ib + body + (8 if layout is ANSI else 4), crc(bytes(data[ib : ib + body])))


def seal_block(data: bytearray, ndb: Ndb, block) -> None:
    layout = ndb.layout
    trailer = block.ib + block.size - layout.trailer
    sum_at = trailer + (8 if layout is ANSI else 4)
    struct.pack_into("<I", data, sum_at, crc(bytes(data[block.ib : block.ib + block.cb])))


def leaves(ndb: Ndb, tree: str) -> list[int]:
    return sorted(ib for ib, (which, level) in ndb.pages.items() if which == tree and level == 0)


def entries(data: bytes, ndb: Ndb, ib: int) -> range:
    """Where the entries of a tree page stand."""
    count, _, stride, _ = struct.unpack_from(ndb.layout.meta_format, data, ib + ndb.layout.meta)
    return range(ib, ib + count * stride, stride)


def each_entry(ndb: Ndb, tree: str, change: Callable[[bytearray, int], None], pages: list[int] | None = None) -> Damaged:
    data = copy(ndb)
    for ib in pages or leaves(ndb, tree):
        for at in entries(data, ndb, ib):
            change(data, at)
        seal_page(data, ndb, ib)
    return done(data, f"{len(pages or leaves(ndb, tree))} leaves")


@kind("bbt_refcounts")
def refcounts(ndb: Ndb, rng: random.Random) -> Damaged:
    offset = 2 * ndb.layout.id_width + (4 if ndb.layout is UNICODE4K else 2)
    return each_entry(ndb, BBT, lambda data, at: struct.pack_into("<H", data, at + offset, 77))


@kind("bbt_places_lie", part=1)
@kind("bbt_sizes_lie", part=2)
def bbt_lies(ndb: Ndb, rng: random.Random, part: int) -> Damaged:
    """One leaf of the block B-tree tells wrong places or sizes."""
    width = ndb.layout.id_width

    def change(data: bytearray, at: int) -> None:
        data[at + part * width] ^= 0x40

    return each_entry(ndb, BBT, change, [rng.choice(leaves(ndb, BBT))])


@kind("nbt_parents_lie")
def parents_lie(ndb: Ndb, rng: random.Random) -> Damaged:
    offset = 3 * ndb.layout.id_width

    def change(data: bytearray, at: int) -> None:
        if data[at] & 0x1F == 4:
            struct.pack_into("<I", data, at + offset, 0x7F_FFE2)

    return each_entry(ndb, NBT, change)


@kind("nbt_parents_cycle")
def parents_cycle(ndb: Ndb, rng: random.Random) -> Damaged:
    folders = sorted(nid for nid in ndb.nodes if nid & 0x1F == 2 and nid > 0x122)
    a, b = rng.sample(folders, 2) if len(folders) > 1 else (folders * 2)[:2]
    offset = 3 * ndb.layout.id_width

    def change(data: bytearray, at: int) -> None:
        nid = struct.unpack_from("<I", data, at)[0]
        if nid in (a, b):
            struct.pack_into("<I", data, at + offset, b if nid == a else a)

    return each_entry(ndb, NBT, change)


@kind("nbt_order")
def nbt_order(ndb: Ndb, rng: random.Random) -> Damaged:
    data, ib = copy(ndb), rng.choice(leaves(ndb, NBT))
    places = entries(data, ndb, ib)
    stored = [bytes(data[at : at + places.step]) for at in places]
    for at, entry in zip(places, reversed(stored)):
        data[at : at + places.step] = entry
    seal_page(data, ndb, ib)
    return done(data, f"leaf {ib:#x}")


@kind("pages_swapped")
def pages_swapped(ndb: Ndb, rng: random.Random) -> Damaged:
    data, size = copy(ndb), ndb.layout.page
    for tree in (NBT, BBT):
        some = leaves(ndb, tree)
        if len(some) > 1:
            a, b = rng.sample(some, 2)
            data[a : a + size], data[b : b + size] = data[b : b + size], data[a : a + size]
    return done(data)


@kind("page_types_lie")
def page_types(ndb: Ndb, rng: random.Random) -> Damaged:
    data, size = copy(ndb), ndb.layout.page
    ib = rng.choice(leaves(ndb, NBT))
    at = ib + size - {ANSI: 12, UNICODE: 16, UNICODE4K: 24}[ndb.layout]
    data[at] = data[at + 1] = 0x80
    return done(data, f"leaf {ib:#x}")


@kind("nbt_leaves_zero", tree=NBT)
@kind("bbt_leaves_zero", tree=BBT)
def all_leaves(ndb: Ndb, rng: random.Random, tree: str) -> Damaged:
    """What is left is older generations."""
    return wipe_pages(ndb, leaves(ndb, tree), bytes)


@kind("half_of_leaves_zero")
def half_leaves(ndb: Ndb, rng: random.Random) -> Damaged:
    some = leaves(ndb, NBT) + leaves(ndb, BBT)
    return wipe_pages(ndb, rng.sample(some, (len(some) + 1) // 2), bytes)


@kind("xblocks_lie", btype=1)
@kind("slblocks_lie", btype=2)
def internal_lie(ndb: Ndb, rng: random.Random, btype: int) -> Damaged:
    """Counts and totals of a tenth of the internal blocks are wrong."""
    data = copy(ndb)
    some = sorted(b.bid for b in ndb.blocks.values() if b.bid & 2 and b.cb == b.inflated and ndb.internal(b)[0] == btype)
    chosen = rng.sample(some, -(-len(some) // 10))
    for bid in chosen:
        block = ndb.blocks[bid]
        struct.pack_into("<HI", data, block.ib + 2, rng.randrange(1, 4000), rng.randrange(1 << 32))
        seal_block(data, ndb, block)
    return done(data, f"{len(chosen)} blocks")


@kind("heap_heads_lie", offset=0)
@kind("heap_clients_lie", offset=3)
def heaps_lie(ndb: Ndb, rng: random.Random, offset: int) -> Damaged:
    """The place of the page map, or the client's signature, of a twentieth of the heaps of messages."""
    data, nodes = copy(ndb), [node for node in ndb.nodes.values() if node.kind in (2, 4, 0xD, 0xE) and node.data]
    chosen = rng.sample(nodes, -(-len(nodes) // 20))
    for node in chosen:
        block = ndb.blocks.get(node.data)
        if block is not None and not block.bid & 2 and block.cb == block.inflated:
            data[block.ib + offset] ^= 0x15
            seal_block(data, ndb, block)
    return done(data, f"{len(chosen)} heaps")


# --- objects of the store -------------------------------------------------------------------------------------------


def wipe_nodes(ndb: Ndb, rng: random.Random, nodes) -> Damaged:
    """The data of nodes, except what other nodes share."""
    data, nodes = copy(ndb), list(nodes)
    chosen = {node.nid for node in nodes}
    shared = set().union(*(ndb.data_tree(n.data) for n in ndb.nodes.values() if n.nid not in chosen))
    for bid in set().union(*(ndb.data_tree(node.data) for node in nodes)) - shared if nodes else ():
        block = ndb.blocks[bid]
        data[block.ib : block.ib + block.size] = rng.randbytes(block.size)
    return done(data, f"{len(nodes)} nodes")


@kind("hierarchy_tables_lost", types=(0xD,))
@kind("contents_tables_lost", types=(0xE,))
@kind("all_tables_lost", types=(0xD, 0xE, 0xF))
@kind("folders_lost", types=(2,))
def nodes_lost(ndb: Ndb, rng: random.Random, types: tuple) -> Damaged:
    return wipe_nodes(ndb, rng, (node for node in ndb.nodes.values() if node.kind in types))


@kind("store_lost", nids=(0x21,))
@kind("names_lost", nids=(0x61,))
@kind("root_folder_lost", nids=(0x122, 0x12D))
@kind("top_folder_lost", nids=(0x8022, 0x802D, 0x2142, 0x214D))
@kind("store_root_names_lost", nids=(0x21, 0x61, 0x122, 0x12D))
@kind("templates_lost", nids=(0x60D, 0x60E, 0x60F, 0x610, 0x671, 0x692))
def objects_lost(ndb: Ndb, rng: random.Random, nids: tuple) -> Damaged:
    return wipe_nodes(ndb, rng, (ndb.nodes[nid] for nid in nids if nid in ndb.nodes))


# --- other files, other places --------------------------------------------------------------------------------------


def another(ndb: Ndb, rng: random.Random) -> bytes:
    """A real file of the same layout with other contents, or noise."""
    corpus = Path(__file__).resolve().parents[3] / "shared/corpus"
    for path in sorted(corpus.glob("*/*")):
        data = path.read_bytes() if path.suffix in (".pst", ".ost") else b""
        if data[8:12] == ndb.bytes[8:12] and data[:4] == b"!BDN" and data != ndb.bytes and data[512:] != ndb.bytes[512:]:
            return data
    return rng.randbytes(len(ndb.bytes))


@kind("overwritten_by_another")
def overwritten(ndb: Ndb, rng: random.Random) -> Damaged:
    data, other, (first, last) = copy(ndb), another(ndb, rng), used(ndb)
    size = max(512, (last - first) // 8 // 512 * 512)
    at = rng.randrange(first, last - size) // 512 * 512
    piece = other[at : at + size] or other[-size:]
    data[at : at + len(piece)] = piece
    return done(data, f"{len(piece):#x} at {at:#x}")


@kind("header_of_another")
def header_of_another(ndb: Ndb, rng: random.Random) -> Damaged:
    data = copy(ndb)
    data[:564] = another(ndb, rng)[:564]
    return done(data)


@kind("doubled")
def doubled(ndb: Ndb, rng: random.Random) -> Damaged:
    return done(copy(ndb) + ndb.bytes)


@kind("another_appended")
def appended(ndb: Ndb, rng: random.Random) -> Damaged:
    return done(copy(ndb) + another(ndb, rng))


@kind("shifted7", count=7)
@kind("shifted512", count=512)
@kind("shifted4096", count=4096)
def shifted(ndb: Ndb, rng: random.Random, count: int) -> Damaged:
    return done(bytearray(rng.randbytes(count) + ndb.bytes), f"by {count}", [(0, len(ndb.bytes), count)])


@kind("tail_half")
def tail_half(ndb: Ndb, rng: random.Random) -> Damaged:
    start = middle_of(ndb)
    return done(bytearray(ndb.bytes[start:]), f"from {start:#x}", [(start, len(ndb.bytes), 0)])


def pieces(ndb: Ndb, cuts: list[tuple[int, int, bytes]]) -> Damaged:
    """Bytes `start..end` of the original replaced by others, for each of the cuts, in order."""
    made, segments, at = bytearray(), [], 0
    for start, end, instead in cuts:
        segments.append((at, start, len(made)))
        made += ndb.bytes[at:start] + instead
        at = end
    segments.append((at, len(ndb.bytes), len(made)))
    made += ndb.bytes[at:]
    return done(made, f"{len(cuts)} places", segments)


@kind("insert_many")
def insert_many(ndb: Ndb, rng: random.Random) -> Damaged:
    places = sorted(rng.sample(range(*used(ndb)), 3))
    return pieces(ndb, [(at, at, rng.randbytes(rng.choice((1, 64, 100, 512)))) for at in places])


@kind("cut_many")
def cut_many(ndb: Ndb, rng: random.Random) -> Damaged:
    first, last = used(ndb)
    places = sorted(first + (last - first) * part // 4 for part in (1, 2, 3))
    return pieces(ndb, [(at, at + rng.choice((1, 64, 100, 512)), b"") for at in places])


@kind("line_ends")
def line_ends(ndb: Ndb, rng: random.Random) -> Damaged:
    """A stretch went through a text-mode transfer: 0A became 0D 0A."""
    start = middle_of(ndb)
    end = min(start + 16384, used(ndb)[1])
    places = [at for at in range(start, end) if ndb.bytes[at] == 10]
    return pieces(ndb, [(at, at, b"\r") for at in places])


@kind("truncated_odd_a")
@kind("truncated_odd_b")
def truncated_odd(ndb: Ndb, rng: random.Random) -> Damaged:
    end = rng.randrange(*used(ndb)) | 1
    return done(copy(ndb)[:end], f"at {end:#x}")


# --- media ----------------------------------------------------------------------------------------------------------


@kind("sectors_ff", size=512, share=0.01, fill=lambda rng, n: b"\xff" * n)
@kind("sectors_random", size=512, share=0.02, fill=lambda rng, n: rng.randbytes(n))
@kind("random4k", size=4096, share=0.05, fill=lambda rng, n: rng.randbytes(n))
@kind("zero64k_many", size=65536, share=0.2, fill=lambda rng, n: bytes(n))
def lost_runs(ndb: Ndb, rng: random.Random, size: int, share: float, fill) -> Damaged:
    data, (_, last) = copy(ndb), used(ndb)
    places = rng.sample(range(0, last, size), max(1, int(len(range(0, last, size)) * share)))
    for at in places:
        data[at : at + size] = fill(rng, len(data[at : at + size]))
    return done(data, f"{len(places)} of {size}")


@kind("bit_flips_many")
def many_flips(ndb: Ndb, rng: random.Random) -> Damaged:
    """One bit of ten thousand bytes."""
    data, (_, last) = copy(ndb), used(ndb)
    for at in rng.sample(range(last), max(1, last // 10_000)):
        data[at] ^= 1 << rng.randrange(8)
    return done(data, f"{last // 10_000} bits")


# --- maps and counters ----------------------------------------------------------------------------------------------


def map_pages(ndb: Ndb, kind: int) -> list[int]:
    layout, data = ndb.layout, ndb.bytes
    body = layout.page - {ANSI: 12, UNICODE: 16, UNICODE4K: 24}[layout]
    places = range(0, len(data) - layout.page + 1, 512)
    ident = body + (4 if layout is ANSI else 8)
    return [at for at in places if data[at + body] == data[at + body + 1] == kind and layout.ident(data, at + ident) == at]


@kind("amaps_ones", fill=0xFF)
@kind("amaps_zeros", fill=0)
def amaps_lie(ndb: Ndb, rng: random.Random, fill: int) -> Damaged:
    data, size = copy(ndb), 4072 if ndb.layout is UNICODE4K else 496
    for at in map_pages(ndb, 0x84):
        start = at + (4 if ndb.layout is ANSI else 0)
        data[start : start + size] = bytes([fill]) * size
        seal_page(data, ndb, at)
    return done(data)


@kind("amaps_and_trees_lost")
def amaps_and_trees(ndb: Ndb, rng: random.Random) -> Damaged:
    return wipe_pages(ndb, [*map_pages(ndb, 0x84), *ndb.pages], bytes)


@kind("pmaps_lost")
def pmaps(ndb: Ndb, rng: random.Random) -> Damaged:
    return wipe_pages(ndb, map_pages(ndb, 0x83), rng.randbytes)


@kind("counters_small")
def counters_small(ndb: Ndb, rng: random.Random) -> Damaged:
    """The next ids that the header gives out were given out long ago."""
    data = copy(ndb)
    if ndb.layout is ANSI:
        struct.pack_into("<III128x", data, 24, 4, 1, 1)
    else:
        struct.pack_into("<QI128x", data, 32, 1, 1)
        struct.pack_into("<Q", data, 516, 4)
    return done(sealed(data, ndb))


@kind("header_and_leaf_lost")
def header_and_leaf(ndb: Ndb, rng: random.Random) -> Damaged:
    made = wipe_pages(ndb, [rng.choice(leaves(ndb, NBT)), rng.choice(leaves(ndb, BBT))], rng.randbytes)
    return done(bytearray(564) + bytearray(made.data[564:]), made.note)


# --- what transfers, file systems and interrupted programs do ---------------------------------------------------------


@kind("seven_bits")
def seven_bits(ndb: Ndb, rng: random.Random) -> Damaged:
    """A stretch lost the high bit of every byte."""
    data, start = copy(ndb), middle_of(ndb)
    end = min(start + 16384, used(ndb)[1])
    data[start:end] = bytes(byte & 0x7F for byte in data[start:end])
    return done(data, f"{start:#x}..{end:#x}")


@kind("bytes_swapped")
def bytes_swapped(ndb: Ndb, rng: random.Random) -> Damaged:
    """The two bytes of every word of a stretch changed places."""
    data, start = copy(ndb), middle_of(ndb)
    end = min(start + 8192, used(ndb)[1] // 2 * 2)
    data[start:end:2], data[start + 1 : end : 2] = data[start + 1 : end : 2], data[start:end:2]
    return done(data, f"{start:#x}..{end:#x}")


@kind("stride_zero")
def stride_zero(ndb: Ndb, rng: random.Random) -> Damaged:
    """Every 40th sector, as of a striped set of which one disk has bad places."""
    data, (_, last) = copy(ndb), used(ndb)
    places = range(rng.randrange(40) * 512, last, 40 * 512)
    for at in places:
        data[at : at + 512] = bytes(len(data[at : at + 512]))
    return done(data, f"{len(places)} sectors")


@kind("clusters_swapped")
def clusters_swapped(ndb: Ndb, rng: random.Random) -> Damaged:
    """Two clusters of 4 KiB stand in one another's place."""
    data, (first, last) = copy(ndb), used(ndb)
    a, b = rng.sample(range(first // 4096 * 4096, max(last - 4096, first // 4096 * 4096 + 8192), 4096), 2)
    data[a : a + 4096], data[b : b + 4096] = data[b : b + 4096], data[a : a + 4096]
    return done(data[: len(ndb.bytes)], f"{a:#x} and {b:#x}")


@kind("cross_linked")
def cross_linked(ndb: Ndb, rng: random.Random) -> Damaged:
    """A chain of clusters that another file's goes through as well."""
    data, other, (first, last) = copy(ndb), another(ndb, rng), used(ndb)
    for at in range(first // 4096 * 4096 + 4096 * rng.randrange(4), last - 4096, 4096 * 12):
        data[at : at + 4096] = other[at : at + 4096].ljust(4096, b"\0")
    return done(data)


@kind("tail_of_another")
def tail_of_another(ndb: Ndb, rng: random.Random) -> Damaged:
    data, other, (first, last) = copy(ndb), another(ndb, rng), used(ndb)
    at = (first + (last - first) * 3 // 4) // 512 * 512
    return done(data[:at] + other[at : len(data)].ljust(len(data) - at, b"\0"), f"from {at:#x}")


@kind("holes")
def holes(ndb: Ndb, rng: random.Random) -> Damaged:
    """A sparse copy in which a few stretches of 16 KiB were never written."""
    data, (first, last) = copy(ndb), used(ndb)
    for at in rng.sample(range(first // 4096 * 4096, last, 4096), min(2, -(-(last - first) // 4096))):
        data[at : at + 16384] = bytes(len(data[at : at + 16384]))
    return done(data)


@kind("page_over_another", tree=NBT)
@kind("bbt_page_over_another", tree=BBT)
def page_over_another(ndb: Ndb, rng: random.Random, tree: str) -> Damaged:
    """One leaf stands twice, once where another should."""
    data, size, some = copy(ndb), ndb.layout.page, leaves(ndb, tree)
    if len(some) > 1:
        a, b = rng.sample(some, 2)
        data[b : b + size] = data[a : a + size]
    return done(data)


@kind("amaps_zero_and_header")
def amaps_zero_and_header(ndb: Ndb, rng: random.Random) -> Damaged:
    made = wipe_pages(ndb, map_pages(ndb, 0x84), bytes)
    data = bytearray(made.data)
    data[4] ^= 0x5A
    return done(data, made.note)


@kind("half_of_each_sector")
def half_sectors(ndb: Ndb, rng: random.Random) -> Damaged:
    """A transfer lost the second half of some sectors."""
    data, (_, last) = copy(ndb), used(ndb)
    for at in rng.sample(range(0, last, 512), max(1, last // 512 // 100)):
        data[at + 256 : at + 512] = bytes(len(data[at + 256 : at + 512]))
    return done(data)


@kind("nbt_counts_lie")
def nbt_counts(ndb: Ndb, rng: random.Random) -> Damaged:
    """A leaf says that it has one entry."""
    data, ib = copy(ndb), rng.choice(leaves(ndb, NBT))
    struct.pack_into("<H" if ndb.layout is UNICODE4K else "<B", data, ib + ndb.layout.meta, 1)
    seal_page(data, ndb, ib)
    return done(data, f"leaf {ib:#x}")


@kind("ff_tail")
def ff_tail(ndb: Ndb, rng: random.Random) -> Damaged:
    """The last fifth is flash memory that was erased."""
    data, (first, last) = copy(ndb), used(ndb)
    at = (first + (last - first) * 4 // 5) // 512 * 512
    data[at:] = b"\xff" * (len(data) - at)
    return done(data, f"from {at:#x}")


@kind("text_over_the_start")
def text_over_start(ndb: Ndb, rng: random.Random) -> Damaged:
    """A program wrote its log into the file."""
    data = copy(ndb)
    text = b"".join(f"2024-05-{day:02} 12:00:00 [INFO] started\r\n".encode() for day in range(1, 32)) * 8
    data[: len(text)] = text
    return done(data[: len(ndb.bytes)], f"{len(text)} bytes")


# --- entries that name what is another's, and other lies with right checksums ----------------------------------------


def nodes_of(data: bytes, ndb: Ndb, types: tuple) -> list[int]:
    """Where the node B-tree's entries of nodes of some types stand."""
    places = [at for ib in leaves(ndb, NBT) for at in entries(data, ndb, ib)]
    return [at for at in places if struct.unpack_from("<I", data, at)[0] & 0x1F in types]


def exchange(data: bytearray, ndb: Ndb, a: int, b: int, field: int) -> None:
    """The n-th field of two entries of the node B-tree; their pages get right checksums."""
    width = ndb.layout.id_width
    a, b = a + field * width, b + field * width
    data[a : a + width], data[b : b + width] = data[b : b + width], data[a : a + width]
    for at in (a, b):
        seal_page(data, ndb, at // ndb.layout.page * ndb.layout.page if ndb.layout is not ANSI else max(ib for ib in leaves(ndb, NBT) if ib <= at))


@kind("messages_data_exchanged", types=(4,), field=1)
@kind("messages_subnodes_exchanged", types=(4,), field=2)
@kind("messages_parents_exchanged", types=(4,), field=3)
@kind("folders_data_exchanged", types=(2,), field=1)
@kind("tables_data_exchanged", types=(0xE,), field=1)
@kind("any_data_exchanged", types=(2, 4, 0xD, 0xE, 0xF), field=1)
def entries_exchanged(ndb: Ndb, rng: random.Random, types: tuple, field: int) -> Damaged:
    """Two entries of the node B-tree have one another's data, sub-nodes or folder."""
    data, width = copy(ndb), ndb.layout.id_width
    value = lambda at: data[at + field * width : at + (field + 1) * width]
    places = [at for at in nodes_of(data, ndb, types) if any(value(at)) and struct.unpack_from("<I", data, at)[0] > 0x2000]
    rng.shuffle(places)
    pair = next(((a, b) for a in places for b in places if value(a) != value(b)), None)
    if pair is None:
        return done(data, NOTHING)
    exchange(data, ndb, *pair, field)
    return done(data, " and ".join(f"{struct.unpack_from('<I', data, at)[0]:#x}" for at in pair))


@kind("nid_twice")
def nid_twice(ndb: Ndb, rng: random.Random) -> Damaged:
    """A message's entry bears the id of the one before it."""
    data = copy(ndb)
    pairs = [(a, b) for a, b in zip(nodes_of(data, ndb, (4,)), nodes_of(data, ndb, (4,))[1:]) if b - a < ndb.layout.page]
    if not pairs:
        return done(data, NOTHING)
    a, b = rng.choice(pairs)
    data[b : b + 4] = data[a : a + 4]
    seal_page(data, ndb, max(ib for ib in leaves(ndb, NBT) if ib <= b))
    return done(data)


@kind("bbt_entries_lie")
def bbt_entries_lie(ndb: Ndb, rng: random.Random) -> Damaged:
    """One leaf of the block B-tree tells wrong places and wrong sizes."""
    width = ndb.layout.id_width

    def change(data: bytearray, at: int) -> None:
        data[at + width] ^= 0x40
        data[at + 2 * width] ^= 0x04

    return each_entry(ndb, BBT, change, [rng.choice(leaves(ndb, BBT))])


@kind("levels_lie")
def levels_lie(ndb: Ndb, rng: random.Random) -> Damaged:
    """Both roots say that they are a level higher than they are."""
    data = copy(ndb)
    for ib in ndb.roots.values():
        data[ib + ndb.layout.meta + (5 if ndb.layout is UNICODE4K else 3)] += 1
        seal_page(data, ndb, ib)
    return done(data)


@kind("xblocks_permuted")
def xblocks_permuted(ndb: Ndb, rng: random.Random) -> Damaged:
    """The first and last leaf of a tenth of the data trees have changed places: nothing says so but the sizes."""
    data, width = copy(ndb), ndb.layout.id_width
    some = [block for bid, block in sorted(ndb.blocks.items()) if bid & 2 and ndb.internal(block)[0] == 1]
    if not some or ndb.layout is UNICODE4K:
        return done(data, NOTHING)
    for block in rng.sample(some, max(1, len(some) // 10)):
        a, b = block.ib + 8, block.ib + block.cb - width
        data[a : a + width], data[b : b + width] = data[b : b + width], data[a : a + width]
        seal_block(data, ndb, block)
    return done(data)


@kind("block_trailers_zero")
def trailers_zero(ndb: Ndb, rng: random.Random) -> Damaged:
    data, size = copy(ndb), ndb.layout.trailer
    some = rng.sample(sorted(ndb.blocks), max(1, len(ndb.blocks) // 10))
    for bid in some:
        end = ndb.blocks[bid].ib + ndb.blocks[bid].size
        data[end - size : end] = bytes(size)
    return done(data, f"{len(some)} blocks")


@kind("block_trailers_and_bbt_lost")
def trailers_and_bbt(ndb: Ndb, rng: random.Random) -> Damaged:
    made = trailers_zero(ndb, rng)
    data = bytearray(made.data)
    for ib in leaves(ndb, BBT):
        data[ib : ib + ndb.layout.page] = bytes(ndb.layout.page)
    return done(data, made.note)


@kind("heap_maps_zero", where=1)
@kind("heap_heads_zero", where=0)
def heap_parts(ndb: Ndb, rng: random.Random, where: int) -> Damaged:
    """The page map, or the head, of a tenth of the heaps of messages; the checksums are right."""
    data = copy(ndb)
    some = [n for n in ndb.messages() if n.data in ndb.blocks and not n.data & 2 and ndb.blocks[n.data].cb > 64]
    if ndb.layout is UNICODE4K or not some:
        return done(data, NOTHING)
    for node in rng.sample(some, max(1, len(some) // 10)):
        block = ndb.blocks[node.data]
        at = block.ib + block.cb - 24 if where else block.ib
        data[at : at + (24 if where else 12)] = bytes(24 if where else 12)
        seal_block(data, ndb, block)
    return done(data)


@kind("heap_tails_zero", last=True)
@kind("heap_sectors_zero", last=False)
def heap_sectors(ndb: Ndb, rng: random.Random, last: bool) -> Damaged:
    """Of a third of the property contexts of messages the sector with the last item and the page map, or any sector, is overwritten."""
    data = copy(ndb)
    some = [ndb.blocks[n.data] for n in ndb.messages() if n.data in ndb.blocks and not n.data & 2]
    for block in rng.sample(some, -(-len(some) // 3)):
        end = block.ib + block.cb
        sectors = range(block.ib // 512 * 512, end, 512)
        at = sectors[-1] if last else rng.choice(sectors)
        start, stop = (max(at, block.ib), min(at + 512, end)) if last else (at, at + 512)
        data[start:stop] = bytes(stop - start)
    return done(data)


@kind("amap_types_lie")
def amap_types(ndb: Ndb, rng: random.Random) -> Damaged:
    data = copy(ndb)
    for ib in map_pages(ndb, 0x84):
        body = ndb.layout.page - {ANSI: 12, UNICODE: 16, UNICODE4K: 24}[ndb.layout]
        data[ib + body : ib + body + 2] = b"\x83\x83"
    return done(data)


@kind("crlf_all")
def crlf_all(ndb: Ndb, rng: random.Random) -> Damaged:
    """A text-mode transfer took each 0D out that stands before an 0A."""
    places = [at for at in range(len(ndb.bytes) - 1) if ndb.bytes[at] == 13 and ndb.bytes[at + 1] == 10][:2000]
    if not places:
        return done(copy(ndb), NOTHING)
    return pieces(ndb, [(at, at + 1, b"") for at in places])


@kind("appended_and_roots_lost")
def appended_and_roots(ndb: Ndb, rng: random.Random) -> Damaged:
    """Another file stands behind this one, of which the roots are gone."""
    made = wipe_pages(ndb, ndb.roots.values(), bytes)
    return done(bytearray(made.data) + another(ndb, rng))


@kind("sectors_paired")
def sectors_paired(ndb: Ndb, rng: random.Random) -> Damaged:
    """In a stretch of 32 KiB each two sectors have changed places."""
    data, at = copy(ndb), middle_of(ndb) // 1024 * 1024
    for a in range(at, min(at + 32768, used(ndb)[1] - 1024), 1024):
        data[a : a + 512], data[a + 512 : a + 1024] = data[a + 512 : a + 1024], data[a : a + 512]
    return done(data)


@kind("leaves_renumbered")
def leaves_renumbered(ndb: Ndb, rng: random.Random) -> Damaged:
    """Every leaf of the node B-tree bears another id than its parent says, its signature right."""
    data, layout = copy(ndb), ndb.layout
    body = layout.page - {ANSI: 12, UNICODE: 16, UNICODE4K: 24}[layout]
    for ib in leaves(ndb, NBT):
        at = ib + body + (4 if layout is ANSI else 8)
        bid = int.from_bytes(data[at : at + layout.id_width], "little") + 64
        data[at : at + layout.id_width] = bid.to_bytes(layout.id_width, "little")
        mixed = (ib ^ bid) & 0xFFFFFFFF
        struct.pack_into("<H", data, ib + body + 2, (mixed >> 16 ^ mixed) & 0xFFFF)
        seal_page(data, ndb, ib)
    return done(data)


def damages(ndb: Ndb, seed: int, kinds: list[str] | None = None) -> Iterator[Damaged]:
    for name, make in KINDS.items():
        if kinds is None or name in kinds:
            made = make(ndb, random.Random(f"{seed}:{name}"))
            made.kind = name
            if made.data == ndb.bytes:
                made.note = NOTHING  # a file without what this kind damages
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
