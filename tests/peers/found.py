#!/usr/bin/env python3
"""Whether the check finds every damage, and says first where it is.

Damages healthy files in every way of ../shared/damage/damage.py, of more_damage.py and of the single faults below
(checksums right, one thing wrong), runs `pstkit check --json` on each copy, and compares with what it says of the
healthy file. A cell passes where the first new finding of the worst kind lies in a structure that was changed, or
names the object that such a structure belongs to; where nothing that is used was changed, nothing may be found.

usage: found.py [--bin PATH] [--seeds N|FROM-TO] [--kinds NAME,NAME] [FILE...]          default: the corpus in ../shared
Exit status 1: a damage that was not found, or whose place was not named.
"""

import argparse
import json
import random
import struct
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from more_damage import KINDS as MORE, crc, damages, sealed
from ndb import ANSI, BBT, NBT, UNICODE4K, Ndb, NotHealthy
from readers import SHARED, default_binary

RANK = {"info": 0, "notice": 1, "warning": 2, "error": 3, "fatal": 4}

# --- places ---------------------------------------------------------------------------------------------------------


class Places:
    """The structures of a healthy file: where they are, and whose they are."""

    def __init__(self, ndb: Ndb):
        self.ndb = ndb
        layout, size = ndb.layout, len(ndb.bytes)
        self.k4 = layout is UNICODE4K
        self.first = 0x22000 if self.k4 else 0x4400
        self.interval = 16_678_912 if self.k4 else 253_952
        self.covered_header = 479 if layout is ANSI else 528
        self.spans: list[tuple[int, int, str]] = [(0, 564, "header")]
        # (start, end) of the bytes that mean something, and what they belong to
        self.used: list[tuple[int, int, str]] = [(0, self.covered_header, "header")]
        for j in range(max(0, (size - self.first + self.interval - 1) // self.interval)):
            at = self.first + j * self.interval
            for n in range(1 + (not self.k4 and j % 8 == 0) + (not self.k4 and j >= 128 and (j - 128) % 496 == 0)):
                self.add(at + n * layout.page, layout.page, "map")
        for ib, (tree, _) in ndb.pages.items():
            self.add(ib, layout.page, tree)
        self.owner: dict[int, set[int]] = {}
        for node in ndb.nodes.values():
            for bid in ndb.all_blocks(node):
                self.owner.setdefault(bid, set()).add(node.nid)
        for block in ndb.blocks.values():
            name = f"block {block.bid:#x}"
            self.spans.append((block.ib, block.ib + block.size, name))
            self.used += [(a, b, name) for a, b in block.ranges(layout)]

    def add(self, ib: int, size: int, name: str) -> None:
        self.spans.append((ib, ib + size, f"{name} @{ib:#x}"))
        self.used.append((ib, ib + size, f"{name} @{ib:#x}"))

    def hit(self, damaged: bytes) -> set[str]:
        """The structures of which a byte that means something differs."""
        whole = self.ndb.bytes
        return {name for a, b, name in self.used if whole[a:b] != damaged[a:b]}

    def objects(self, damaged: bytes, hit: set[str]) -> tuple[set[int], set[int], set[int]]:
        """Offsets, block ids and node ids that changed entries of pages, maps and the header speak of, before and after."""
        ibs, bids, nids = set(), set(), set()
        layout, width, whole = self.ndb.layout, self.ndb.layout.id_width, self.ndb.bytes
        for name in hit:
            kind, _, at = name.partition(" @")
            if kind in (BBT, NBT):
                ib = int(at, 16)
                level = self.ndb.pages[ib][1]
                if ib + layout.page > len(damaged):
                    continue
                for data in (whole, damaged):
                    page = data[ib : ib + layout.page]
                    count, _, stride, _ = struct.unpack_from(layout.meta_format, page, layout.meta)
                    other = (damaged if data is whole else whole)[ib : ib + layout.page]
                    for e in range(0, min(count * (stride or 1), layout.meta), stride or 1):
                        if page[e : e + stride] == other[e : e + stride] and count == struct.unpack_from(layout.meta_format, other, layout.meta)[0]:
                            continue
                        first, second, third = (layout.ident(page, e + i * width) for i in range(3))
                        if level:
                            ibs.add(third)
                        elif kind == BBT:
                            bids.add(first & ~1)
                            ibs.add(second)
                        else:
                            nids.add(first & 0xFFFF_FFFF)
                            bids |= {second & ~1, third & ~1}
            elif kind == "map":
                page = int(at, 16)
                if page + layout.page > len(damaged):
                    continue
                skip = 4 if layout is ANSI else 0
                for i in range(layout.page - 16 - skip):
                    a, b = whole[page + skip + i], damaged[page + skip + i]
                    if a != b:
                        ibs |= {page + (i * 8 + bit) * layout.slot for bit in range(8)}
            elif kind == "header":
                for at in (layout.nbt_root, layout.bbt_root):
                    ibs |= {layout.ident(whole, at), layout.ident(damaged, at)} if whole[at : at + width] != damaged[at : at + width] else set()
        return ibs, bids, nids

    def named(self, finding: dict, hit: set[str], length: int, damaged: bytes) -> bool:
        ibs, bids, nids = self.objects(damaged, hit)
        at = {k: int(v, 0) if isinstance(v, str) and v.startswith("0x") else v for k, v in finding["at"].items()}
        ib = at.get("offset")
        if ib is not None:
            if any(a <= ib < b and name in hit for a, b, name in self.spans):
                return True
            # where the shorter of two ends is
            if ib in (length, len(self.ndb.bytes)) and length != len(self.ndb.bytes):
                return True
        bid = at.get("bid")
        if bid is not None and f"block {bid & ~1:#x}" in hit:
            return True
        if ib in ibs or bid is not None and bid & ~1 in bids or {at.get("nid"), at.get("sub")} & nids:
            return True
        if ib is not None and any(a <= x < b for a, b, _ in self.spans if a <= ib < b for x in ibs):
            return True
        nids = {n for n in (at.get("nid"),) if n is not None}
        for name in hit:
            if name.startswith("block "):
                if nids & self.owner.get(int(name[6:], 16), set()):
                    return True
        # what stands on a page that was changed
        pages = {int(name.split("@")[1], 16) for name in hit if name.startswith(NBT)}
        return any(self.ndb.home.get(n) in pages for n in nids)


# --- single faults ----------------------------------------------------------------------------------------------------

FAULTS = {}

# Where two places are as likely as each other: an old small file that does not end where a section ends has nothing else to tell
# whether the header or the end is wrong.
# Another file's header is whole in itself, so that what it leads to seems as wrong; where maps and header disagree from the start, the
# maps are not the first to be wrong.
# A sealed leaf with fewer entries is a leaf from which nodes were deleted: only what goes on to name the nodes tells that they are missing.
# A root that says to be higher than it is is as wrong as its children that do not.
# Entries that have one another's blocks are right in themselves: what goes on to disagree tells, and between two empty tables, or two
# messages without a value of their own, nothing does.
EXCHANGED = ("any_data", "folders_data", "messages_data", "messages_parents", "messages_subnodes", "tables_data")
EITHER = [
    ("32-bit.pst", ("header_eof_large", "header_eof_small", "header_of_another_file")),
    ("*", ("header_of_another",)),
    ("*", ("nbt_counts_lie", "levels_lie")),
    ("*", tuple(f"{what}_exchanged" for what in EXCHANGED)),
    ("PersonalStorage.pst", ("amaps_ones",)),
    ("michelle_lokay_000_1_1_1_1.pst", ("amaps_ones",)),
]


def fault(function):
    FAULTS[function.__name__] = function
    return function


class File:
    """A copy in which structures are changed and sealed again."""

    def __init__(self, ndb: Ndb, rng: random.Random):
        self.ndb, self.rng, self.layout = ndb, rng, ndb.layout
        self.data = bytearray(ndb.bytes)
        self.width = ndb.layout.id_width
        self.encoding = ndb.bytes[461 if ndb.layout is ANSI else 513]

    def pages(self, tree: str, leaf: bool | None = None) -> list[int]:
        return sorted(ib for ib, (t, level) in self.ndb.pages.items() if t == tree and leaf in (None, level == 0))

    def body(self) -> int:
        return {ANSI: 500, UNICODE4K: 4072}.get(self.layout, 496)

    def seal_page(self, ib: int) -> None:
        body = self.body()
        struct.pack_into("<I", self.data, ib + body + (8 if self.layout is ANSI else 4), crc(self.data[ib : ib + body]))

    def seal_block(self, block) -> None:
        at = block.ib + block.size - self.layout.trailer
        struct.pack_into("<I", self.data, at + (8 if self.layout is ANSI else 4), crc(self.data[block.ib : block.ib + block.cb]))

    def meta(self, ib: int):
        return struct.unpack_from(self.layout.meta_format, self.data, ib + self.layout.meta)

    def entries(self, ib: int) -> list[int]:
        count, _, stride, _ = self.meta(ib)
        return [ib + i * stride for i in range(count)]

    def put(self, at: int, value: int, width: int | None = None) -> None:
        width = width or self.width
        self.data[at : at + width] = (value % (1 << 8 * width)).to_bytes(width, "little")

    def get(self, at: int, width: int | None = None) -> int:
        return int.from_bytes(self.data[at : at + (width or self.width)], "little")

    def node_entry(self, nid: int) -> tuple[int, int]:
        page = self.ndb.home[nid]
        return page, next(e for e in self.entries(page) if self.get(e) & 0xFFFF_FFFF == nid)

    def block_entry(self, bid: int) -> tuple[int, int]:
        for page in self.pages(BBT, True):
            for e in self.entries(page):
                if self.get(e) & ~1 == bid:
                    return page, e
        raise KeyError(bid)

    def some_block(self, internal: bool = False):
        live = [b for b in self.ndb.blocks.values() if bool(b.bid & 2) == internal and self.is_used(b)]
        return self.rng.choice(sorted(live, key=lambda b: b.bid)) if live else None

    def is_used(self, block) -> bool:
        if not hasattr(self.ndb, "used_blocks"):
            self.ndb.used_blocks = set().union(*(self.ndb.all_blocks(n) for n in self.ndb.nodes.values()))
        return block.bid in self.ndb.used_blocks

    def a_message(self):
        messages = sorted((n for n in self.ndb.nodes.values() if n.kind == 4), key=lambda n: n.nid)
        return self.rng.choice(messages) if messages else None

    def header(self, at: int, value: int, width: int) -> None:
        self.put(at, value, width)
        sealed(self.data, self.ndb)

    def place(self, unicode: int, ansi: int) -> int:
        return ansi if self.layout is ANSI else unicode


@fault
def refcount_high(f: File):
    b = f.some_block()
    page, e = f.block_entry(b.bid)
    at = e + 2 * f.width + (4 if f.layout is UNICODE4K else 2)
    f.put(at, f.get(at, 2) + 3, 2)
    f.seal_page(page)


@fault
def refcount_low(f: File):
    b = f.some_block()
    page, e = f.block_entry(b.bid)
    at = e + 2 * f.width + (4 if f.layout is UNICODE4K else 2)
    f.put(at, f.get(at, 2) - 1, 2)
    f.seal_page(page)


@fault
def block_place(f: File):
    b = f.some_block()
    page, e = f.block_entry(b.bid)
    f.put(e + f.width, b.ib + f.layout.slot)
    f.seal_page(page)


@fault
def block_place_outside(f: File):
    b = f.some_block()
    page, e = f.block_entry(b.bid)
    f.put(e + f.width, len(f.data) + 0x10000)
    f.seal_page(page)


@fault
def block_size(f: File):
    b = f.some_block()
    page, e = f.block_entry(b.bid)
    f.put(e + 2 * f.width, b.cb - 2 if b.cb > 2 else b.cb + 2, 2)
    f.seal_page(page)


@fault
def block_entry_gone(f: File):
    b = f.some_block()
    page, e = f.block_entry(b.bid)
    remove(f, page, e)


def remove(f: File, page: int, e: int):
    count, _, stride, _ = f.meta(page)
    end = page + count * stride
    f.data[e : end - stride] = f.data[e + stride : end]
    f.put(page + f.layout.meta, count - 1, 2 if f.layout is UNICODE4K else 1)
    f.seal_page(page)


@fault
def node_entry_gone(f: File):
    n = f.a_message()
    if n:
        remove(f, *f.node_entry(n.nid))


@fault
def node_parent(f: File):
    n = f.a_message()
    if n:
        page, e = f.node_entry(n.nid)
        f.put(e + 3 * f.width, 0x122, 4)
        f.seal_page(page)


@fault
def node_parent_missing(f: File):
    n = f.a_message()
    if n:
        page, e = f.node_entry(n.nid)
        f.put(e + 3 * f.width, 0x7FF22, 4)
        f.seal_page(page)


@fault
def folder_parent_itself(f: File):
    folders = sorted(n.nid for n in f.ndb.nodes.values() if n.kind == 2 and n.nid != 0x122)
    page, e = f.node_entry(f.rng.choice(folders))
    f.put(e + 3 * f.width, f.get(e) & 0xFFFF_FFFF, 4)
    f.seal_page(page)


@fault
def node_data_elsewhere(f: File):
    n = f.a_message()
    if n:
        page, e = f.node_entry(n.nid)
        f.put(e + f.width, 0x7FFF_FFF0)
        f.seal_page(page)


@fault
def node_data_of_another(f: File):
    nodes = sorted((n for n in f.ndb.nodes.values() if n.kind in (2, 4)), key=lambda n: n.nid)
    a, b = nodes[0], nodes[-1]
    page, e = f.node_entry(b.nid)
    f.put(e + f.width, a.data)
    f.seal_page(page)


@fault
def node_sub_lost(f: File):
    nodes = sorted((n for n in f.ndb.nodes.values() if n.sub), key=lambda n: n.nid)
    if nodes:
        page, e = f.node_entry(f.rng.choice(nodes).nid)
        f.put(e + 2 * f.width, 0)
        f.seal_page(page)


@fault
def keys_swapped(f: File):
    page = f.rng.choice([p for p in f.pages(NBT, True) if f.meta(p)[0] > 2])
    a, b = f.entries(page)[:2]
    stride = f.meta(page)[2]
    f.data[a : a + stride], f.data[b : b + stride] = f.data[b : b + stride], f.data[a : a + stride]
    f.seal_page(page)


def inner_key(f: File, tree: str):
    inner = f.pages(tree, False)
    if inner:
        page = f.rng.choice(inner)
        entries = f.entries(page)
        e = entries[min(1, len(entries) - 1)]
        f.put(e, f.get(e) - 1)
        f.seal_page(page)


@fault
def inner_key_nbt(f: File):
    inner_key(f, NBT)


@fault
def inner_key_bbt(f: File):
    inner_key(f, BBT)


@fault
def page_level(f: File):
    page = f.rng.choice(f.pages(NBT, True))
    f.put(page + f.layout.meta + (5 if f.layout is UNICODE4K else 3), 3, 1)
    f.seal_page(page)


@fault
def page_count(f: File):
    page = f.rng.choice(f.pages(BBT, True))
    count = f.meta(page)[0]
    if count > 1:
        f.put(page + f.layout.meta, count - 1, 2 if f.layout is UNICODE4K else 1)
        f.seal_page(page)


def swap(f: File, a: int, b: int):
    n = f.layout.page
    f.data[a : a + n], f.data[b : b + n] = f.data[b : b + n], f.data[a : a + n]


@fault
def pages_swapped(f: File):
    pages = f.pages(NBT, True)
    if len(pages) > 1:
        swap(f, *f.rng.sample(pages, 2))


@fault
def pages_swapped_bbt(f: File):
    pages = f.pages(BBT, True)
    if len(pages) > 1:
        swap(f, *f.rng.sample(pages, 2))


@fault
def pages_swapped_trees(f: File):
    swap(f, f.rng.choice(f.pages(NBT, True)), f.rng.choice(f.pages(BBT, True)))


@fault
def page_copied_over(f: File):
    pages = f.pages(BBT, True) + f.pages(NBT, True)
    if len(pages) > 1:
        a, b = f.rng.sample(pages, 2)
        f.data[b : b + f.layout.page] = f.data[a : a + f.layout.page]


@fault
def page_half_written(f: File):
    page = f.rng.choice(f.pages(NBT, True))
    f.data[page + f.layout.page // 2 : page + f.layout.page] = bytes(f.layout.page // 2)


@fault
def page_bit(f: File):
    page = f.rng.choice(f.pages(BBT, True))
    f.data[page + f.rng.randrange(f.body())] ^= 4


@fault
def page_type(f: File):
    page = f.rng.choice(f.pages(BBT, True))
    f.data[page + f.body() : page + f.body() + 2] = b"\x31\x31"


@fault
def page_signature(f: File):
    f.data[f.rng.choice(f.pages(NBT, True)) + f.body() + 2] ^= 0x10


@fault
def page_id(f: File):
    f.data[f.rng.choice(f.pages(NBT, True)) + f.body() + (4 if f.layout is ANSI else 8)] ^= 0x20


def first_map(f: File) -> int:
    return 0x22000 if f.layout is UNICODE4K else 0x4400


def amap_slot(f: File, ib: int) -> tuple[int, int, int]:
    first = first_map(f)
    interval = 16_678_912 if f.layout is UNICODE4K else 253_952
    page = first + (ib - first) // interval * interval
    slot = (ib - page) // f.layout.slot
    return page, page + (4 if f.layout is ANSI else 0) + slot // 8, 0x80 >> slot % 8


@fault
def amap_used_as_free(f: File):
    page, at, bit = amap_slot(f, f.some_block().ib)
    f.data[at] &= ~bit
    f.seal_page(page)


@fault
def amap_page_as_free(f: File):
    page, at, _ = amap_slot(f, f.rng.choice(f.pages(NBT, True)))
    f.data[at] = 0
    f.seal_page(page)


@fault
def amap_bits_random(f: File):
    page = first_map(f)
    for _ in range(40):
        f.data[page + 8 + f.rng.randrange(400)] ^= 1 << f.rng.randrange(8)
    f.seal_page(page)


@fault
def amap_own_bits(f: File):
    page = first_map(f)
    f.data[page + (4 if f.layout is ANSI else 0)] = 0
    f.seal_page(page)


@fault
def amap_garbage(f: File):
    page = first_map(f)
    f.data[page : page + f.layout.page] = f.rng.randbytes(f.layout.page)


@fault
def amap_with_pmap(f: File):
    if f.layout is not UNICODE4K:
        swap(f, 0x4400, 0x4600)


@fault
def pmap_zero(f: File):
    if f.layout is not UNICODE4K:
        f.data[0x4600:0x4800] = bytes(512)


@fault
def free_count(f: File):
    f.header(f.place(200, 176), f.get(f.place(200, 176), f.width) + 0x4000, f.width)


@fault
def next_block(f: File):
    f.header(f.place(516, 24), 8, f.width)


@fault
def next_page(f: File):
    f.header(f.place(32, 28), 3, f.width)


@fault
def node_counters(f: File):
    at = f.place(44, 36)
    for t in (2, 3, 4, 8):
        f.put(at + 4 * t, 1, 4)
    sealed(f.data, f.ndb)


@fault
def last_map(f: File):
    f.header(f.place(192, 172), 0x4400 + 64, f.width)


@fault
def sentinel(f: File):
    f.header(f.place(512, 460), 0, 1)


def root(f: File, unicode: int, ansi: int, value: int):
    f.header(f.place(unicode, ansi), value, f.width)


@fault
def root_of_nodes_zero(f: File):
    root(f, 224, 188, 0)


@fault
def root_of_blocks_behind_the_end(f: File):
    root(f, 240, 196, len(f.data) * 2 & ~0xFFF)


@fault
def roots_exchanged(f: File):
    a, b = f.get(f.place(224, 188)), f.get(f.place(240, 196))
    f.put(f.place(224, 188), b)
    f.put(f.place(240, 196), a)
    sealed(f.data, f.ndb)


@fault
def root_is_a_leaf(f: File):
    # one writer's ids are off by one, so that such a root could be meant
    body = f.body() + (4 if f.layout is ANSI else 8)
    meant = f.get(f.place(216, 184))
    leaves = [p for p in f.pages(NBT, True) if abs(f.get(p + body) - meant) > 1]
    if f.pages(NBT, False) and leaves:
        root(f, 224, 188, f.rng.choice(leaves))


@fault
def header_torn(f: File):
    # the second sector of an older header
    if f.layout is not ANSI:
        f.data[512:564] = bytes(52)


@fault
def header_of_another_file(f: File):
    for at, n in ((f.place(184, 168), 2 * f.width), (f.place(224, 188), f.width), (f.place(240, 196), f.width)):
        f.data[at : at + n] = f.rng.randbytes(n)
    sealed(f.data, f.ndb)


@fault
def block_bit(f: File):
    b = f.some_block()
    f.data[b.ib + f.rng.randrange(b.cb)] ^= 1


@fault
def block_zero(f: File):
    b = f.some_block()
    f.data[b.ib : b.ib + b.size] = bytes(b.size)


@fault
def block_trailer_zero(f: File):
    b = f.some_block()
    f.data[b.ib + b.size - f.layout.trailer : b.ib + b.size] = bytes(f.layout.trailer)


@fault
def block_signature(f: File):
    b = f.some_block()
    f.data[b.ib + b.size - f.layout.trailer + 2] ^= 1


@fault
def block_id(f: File):
    b = f.some_block()
    f.data[b.ib + b.size - f.layout.trailer + (4 if f.layout is ANSI else 8)] ^= 8


@fault
def blocks_swapped(f: File):
    sizes = {}
    for b in sorted(f.ndb.blocks.values(), key=lambda b: b.bid):
        if f.is_used(b):
            sizes.setdefault(b.size, []).append(b)
    pairs = [v for v in sizes.values() if len(v) > 1]
    if pairs:
        a, b = f.rng.sample(f.rng.choice(pairs), 2)
        f.data[a.ib : a.ib + a.size], f.data[b.ib : b.ib + b.size] = f.data[b.ib : b.ib + b.size], f.data[a.ib : a.ib + a.size]


@fault
def sector_overwritten(f: File):
    b = f.some_block()
    at = b.ib // 512 * 512
    f.data[at : at + 512] = f.rng.randbytes(512)


@fault
def sector_of_text(f: File):
    b = f.some_block()
    at = b.ib // 512 * 512
    f.data[at : at + 512] = (b"This sector belongs to another file. " * 14)[:512]


@fault
def tree_block_bit(f: File):
    b = f.some_block(True)
    if b:
        f.data[b.ib + f.rng.randrange(b.cb)] ^= 1


@fault
def tree_block_count(f: File):
    b = f.some_block(True)
    if b and b.cb == b.inflated:
        f.put(b.ib + 2, f.get(b.ib + 2, 2) + 1, 2)
        f.seal_block(b)


@fault
def tree_block_child(f: File):
    b = f.some_block(True)
    if b and b.cb == b.inflated:
        at = b.ib + 8 if f.data[b.ib] == 1 else b.ib + f.layout.sub_header + f.width
        f.put(at, 0x7FFF_FFF4)
        f.seal_block(b)


@fault
def data_tree_total(f: File):
    blocks = [b for b in f.ndb.blocks.values() if b.bid & 2 and b.cb == b.inflated and f.data[b.ib] == 1 and f.is_used(b)]
    if blocks:
        b = f.rng.choice(sorted(blocks, key=lambda b: b.bid))
        f.put(b.ib + 4, f.get(b.ib + 4, 4) + 1, 4)
        f.seal_block(b)


@fault
def sub_node_type(f: File):
    blocks = [b for b in f.ndb.blocks.values() if b.bid & 2 and b.cb == b.inflated and f.data[b.ib : b.ib + 2] == b"\x02\0"]
    blocks = [b for b in blocks if f.is_used(b)]
    if blocks:
        b = f.rng.choice(sorted(blocks, key=lambda b: b.bid))
        f.data[b.ib + f.layout.sub_header] ^= 0x0D
        f.seal_block(b)


def heap(f: File):
    """A node whose heap is one block and not encoded, or encoded bytewise by a table that keeps zero bytes apart."""
    n = f.a_message()
    return n and f.ndb.blocks.get(n.data)


@fault
def heap_page_map(f: File):
    b = heap(f)
    if b and b.cb == b.inflated and not b.bid & 2:
        f.data[b.ib] ^= 0x55
        f.seal_block(b)


@fault
def heap_signature(f: File):
    b = heap(f)
    if b and b.cb == b.inflated and not b.bid & 2:
        f.data[b.ib + 2] ^= 0x55
        f.seal_block(b)


@fault
def heap_root(f: File):
    b = heap(f)
    if b and b.cb == b.inflated and not b.bid & 2:
        f.data[b.ib + 5] ^= 0x55
        f.seal_block(b)


@fault
def heap_end(f: File):
    b = heap(f)
    if b and b.cb == b.inflated and not b.bid & 2:
        f.data[b.ib + b.cb - 1] ^= 0x55
        f.seal_block(b)


# --- running ----------------------------------------------------------------------------------------------------------


def all_damages(path: Path, ndb: Ndb, seed: int, kinds: set[str] | None, scratch: Path):
    known = scratch / f"known{seed}"
    subprocess.run([sys.executable, SHARED / "damage" / "damage.py", path, known, str(seed)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for made in sorted(known.glob(f"*{path.suffix}")):
        if kinds is None or made.stem in kinds:
            yield made.stem, made.read_bytes()
    if kinds is None or kinds & set(MORE):
        for made in damages(ndb, seed, None if kinds is None else sorted(kinds & set(MORE))):
            if made.segments is None:
                yield made.kind, made.data
    for name, make in FAULTS.items():
        if kinds is None or name in kinds:
            file = File(ndb, random.Random(f"{seed}:{name}"))
            make(file)
            yield name, bytes(file.data)


def check(binary: Path, path: Path, threads: int = 1) -> dict:
    out = subprocess.run([binary, "check", "--json", "--threads", str(threads), path], capture_output=True)
    report = json.loads(out.stdout) if out.stdout else {}
    return {"exit": out.returncode, "stderr": out.stderr.decode(errors="replace"), **report}


def key(finding: dict) -> str:
    return json.dumps({k: v for k, v in finding.items() if k != "consequences"}, sort_keys=True)


def judge(places: Places, before: dict, after: dict, data: bytes) -> str | None:
    """What is wrong with a report, if anything."""
    hit = places.hit(data)
    known = {key(f) for f in before.get("findings", [])}
    new = [f for f in after.get("findings", []) if key(f) not in known]
    if not hit and len(data) == len(places.ndb.bytes):
        worse = [f for f in new if RANK[f["severity"]] >= 3]
        return f"nothing that is used was changed, and {worse[0]['code']} is found" if worse else None
    if after.get("verdict") == "not-pst":
        whole = [n for a, b, n in places.used if n not in hit and b <= len(data)]
        return "not recognised" if whole else None
    first = next((f for f in new if RANK[f["severity"]] >= 3), None)
    if not first:
        best = next((f for f in new if RANK[f["severity"]] >= 1), None)
        if best and places.named(best, hit, len(data), data):
            return f"weak: only {best['severity']} {best['code']}"
        return f"not found: {after.get('verdict')} {[f['code'] for f in new][:5]} {sorted(hit)[:4]}"
    if not places.named(first, hit, len(data), data):
        return f"first is {first['code']} {first['at']}, changed {sorted(hit)[:5]}"
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path)
    parser.add_argument("--seeds", default="1", help="how many, or from-to")
    parser.add_argument("--kinds")
    parser.add_argument("files", nargs="*", type=Path)
    args = parser.parse_args()
    binary = args.bin or default_binary()
    files = args.files or sorted(p for p in (SHARED / "corpus").rglob("*") if p.suffix in (".pst", ".ost"))
    first, last = (int(n) for n in args.seeds.split("-")) if "-" in args.seeds else (1, int(args.seeds))
    kinds = set(args.kinds.split(",")) if args.kinds else None
    cells = wrong = weak = 0
    for path in files:
        try:
            ndb = Ndb.open(path)
            places = Places(ndb)
            if ndb.layout.ident(ndb.bytes, ndb.layout.eof) != len(ndb.bytes):
                raise NotHealthy("its header is wrong about its size")
        except (NotHealthy, OSError, struct.error) as e:
            print(f"skipped: {path.name}: {e}")
            continue
        before = check(binary, path)
        with tempfile.TemporaryDirectory() as scratch:

            def one(job):
                n, (kind, data) = job
                copy = Path(scratch) / f"{n}{path.suffix}"
                copy.write_bytes(data)
                after = check(binary, copy)
                copy.unlink()
                if after["exit"] > 127 or "panicked" in after["stderr"]:
                    return kind, f"died: {after['stderr'][:200]}"
                return kind, judge(places, before, after, data)

            for seed in range(first, last + 1):
                jobs = enumerate(all_damages(path, ndb, seed, kinds, Path(scratch)))
                with ThreadPoolExecutor(2) as pool:
                    for kind, problem in pool.map(one, jobs):
                        cells += 1
                        if problem and any(name in ("*", path.name) and kind in kinds_ for name, kinds_ in EITHER):
                            problem = f"weak: {problem}"
                        if problem and problem.startswith("weak"):
                            weak += 1
                        elif problem:
                            wrong += 1
                        if problem:
                            print(f"{path.parent.name}/{path.name} seed {seed} {kind}: {problem}", flush=True)
    print(f"{cells} damaged copies: {cells - wrong - weak} found at their place, {weak} as less than an error or at another")
    print(f"{cells - wrong} passed, {wrong} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
