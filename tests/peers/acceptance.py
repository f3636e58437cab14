#!/usr/bin/env python3
"""What Outlook and its repair tool demand of a file, counted by a script that shares no code with the crate.

Each demand has a number (R-nnn) and is looked at in every object; the count of a demand is how often it is broken.
`repaired.py` compares the counts of healthy files with those of the same files damaged and repaired.

usage: acceptance.py FILE...       a line for each broken demand: number, count, the first place
"""

import collections
import hashlib
import struct
import sys
import zlib

from ltp import Broken, Heap, Properties, Store, Table, ids, number
from ndb import ANSI, BBT, NBT, ROOT_FOLDER, UNICODE

STORE, NAMES, QUEUE, ACTIVE, DOMAIN = 0x21, 0x61, 0x1E1, 0x201, 0x261
RECEIVE, OUTGOING, ID_MAP, INDEX, PENDING, QUEUE_3 = 0x62B, 0x64C, 0xC01, 0xE01, 0xE41, 0xEC1
FOLDER, SEARCH, MESSAGE, ATTACHMENT, ASSOCIATED = 2, 3, 4, 5, 8

# Columns of the tables of a new store, row id and version apart.
COLUMNS = {
    0x60D: "3001001F 36020003 36030003 360A000B 0E300102 0E330014 0E340102 0E380003 3613001F 66350003 66360003",
    0x60E: "0E170003 001A001F 0E070003 00170003 0042001F 0037001F 0E060040 00390040 0E080003 0E04001F 0E03001F 0057000B "
    "0058000B 00360003 10970003 0070001F 00710102 30130102 65C60003 30080040 0E300102 0E330014 0E340102 0E3D0102 "
    "0E3C0102 0E380003",
    0x60F: "0E170003 001A001F 0E070003 3001001F 70030003 70040102 70050102 7006001F 70070003 6800001F 6803000B 68051003 "
    "682F001F",
    0x610: "67F10003 0E05001F 0E170003 001A001F 0E070003 00170003 0042001F 0037001F 0E060040 0E080003 0E04001F 0E03001F "
    "0057000B 0058000B 00360003 0E2A000B 30080040",
    0x62B: "66050003 001A001F",
    0x64C: "0E140003 0E100003 00390040",
    0x671: "370B0003 0E200003 37050003 3704001F",
    0x692: "0E0F000B 3002001F 3003001F 0FFF0102 3001001F 0C150003 300B0102 0FF90102 0FFE0003 39000003 3A40000B 39FF001F",
    0x6B6: "0E330014 0E370102 0E380003",
    0x6D7: "0E3E0102 0E310102 0E300102 0E380003 0E340102 0E330014 001A001F",
    0x6F8: "30070040 0E330014",
}
ROW_ONLY = {0x67F2, 0x67F3, 0x0E17, 0x3013} | set(range(0x0E30, 0x0E3F))
# Cells that Outlook's own files let differ.
LOOSE = {0x0E2A, 0x1097, 0x65C6, 0x67F1, 0x67F4, 0x67F5, 0x0E08}


def crc(data: bytes) -> int:
    return zlib.crc32(data, 0xFFFF_FFFF) ^ 0xFFFF_FFFF


def conversation(pc: Properties) -> bytes | None:
    """What a row's 0x3013 is."""
    if pc.bytes(0x3016) == b"\1" and (pc.bytes(0x0071) or b"")[:1] == b"\1" and len(pc.bytes(0x0071)) >= 22:
        return pc.bytes(0x0071)[6:22]
    kind, topic = pc.get(0x0070, (0, b"", 0))[:2]
    if not topic or kind != 0x1F or len(topic) >= 512:
        return None
    text = "".join(c.upper() if len(c.upper()) == 1 else c for c in topic.decode("utf-16le", "surrogatepass"))
    return hashlib.md5(text.encode("utf-16le", "surrogatepass")).digest()


def bucket_key(conversation: bytes | None) -> int:
    if conversation is None:
        return 0xFFFF_FFFF
    key = 0xFFFF_0000
    for i, byte in enumerate(conversation):
        key ^= byte << (15 - i)
    return key


class Examination:
    def __init__(self, data: bytes):
        self.store = Store(data)
        self.broken: dict[str, list[str]] = collections.defaultdict(list)
        self.versions: list[int] = []
        self.modern = INDEX in self.store.nodes
        self.high: dict[int, int] = collections.Counter()
        self.rows: dict[int, dict[int, bytes]] = {}
        self.listed: dict[int, int] = {}

    def fail(self, rule: str, where: str) -> None:
        self.broken[rule].append(where)

    def demand(self, holds: bool, rule: str, where) -> None:
        if not holds:
            self.fail(rule, where if isinstance(where, str) else f"{where:#x}")

    def run(self) -> dict[str, list[str]]:
        for part in (self.header, self.maps, self.trees, self.references, self.heaps, self.special, self.search_objects):
            part()
        for nid in sorted(self.store.nodes):
            kind = nid & 0x1F
            if kind in (FOLDER, SEARCH):
                self.guard(self.folder, nid)
        for nid in sorted(self.store.nodes):
            if nid & 0x1F in (MESSAGE, ASSOCIATED):
                self.guard(self.message, nid)
        for part in (self.indexes, self.totals):
            part()
        return self.broken

    def guard(self, part, nid: int) -> None:
        try:
            part(nid)
        except Broken as e:
            self.fail("R-068", f"{nid:#x}: {e}")

    # ---- header, maps, trees -------------------------------------------------------------------------------------

    def header(self) -> None:
        data, layout = self.store.bytes, self.store.layout
        self.demand(struct.unpack_from("<I", data, 4)[0] == crc(data[8:479]), "R-001", "partial")
        if layout is ANSI:
            return
        self.demand(struct.unpack_from("<I", data, 524)[0] == crc(data[8:524]), "R-001", "full")
        self.demand(data[512] == 0x80 and data[14:16] == b"\1\1" and data[514:516] == b"\0\0", "R-002", "header")
        eof, last, free = struct.unpack_from("<QQQ", data, 184)
        first, step = (0x4400, 253_952) if layout is UNICODE else (0x22000, 16_678_912)
        if layout is UNICODE:
            self.demand(eof == len(data) and (eof - first) % step == 0, "R-003", f"{eof:#x}")
            self.demand(last == first + ((eof - first - 1) // step) * step, "R-004", f"{last:#x}")
        zeros = 0
        for at in range(first, min(eof, len(data)), step):
            page = data[at : at + layout.page - 16]
            zeros += sum(8 - byte.bit_count() for byte in page[: step // layout.slot // 8])
        if layout is UNICODE:
            self.demand(free == 64 * zeros, "R-005", f"{free} and {64 * zeros}")
        self.demand(data[248] in (1, 2), "R-007", f"{data[248]}")
        self.unique = struct.unpack_from("<I", data, 40)[0]
        self.demand(self.unique != 0, "R-012", "dwUnique")
        next_block, next_page = struct.unpack_from("<Q", data, 516)[0], struct.unpack_from("<Q", data, 32)[0]
        self.demand(next_block > max(self.store.blocks, default=0), "R-011", "next block")
        pages = [struct.unpack_from("<Q", data, ib + layout.page - (16 if layout is UNICODE else 16))[0] for ib in self.store.pages]
        if layout is UNICODE:
            pages = [struct.unpack_from("<Q", data, ib + 504)[0] for ib in self.store.pages]
            self.demand(next_page > max(pages), "R-011", "next page")
            body = data[0x4200:0x4400]
            # a page of zeros is an old store's
            if any(body):
                self.demand(body[496] == 0x86 and struct.unpack_from("<I", body, 500)[0] == crc(body[:496]), "R-024", "density list")
                self.demand(struct.unpack_from("<Q", body, 504)[0] <= next_page, "R-024", "density list's id")

    def maps(self) -> None:
        data, layout = self.store.bytes, self.store.layout
        if layout is not UNICODE:
            return
        marked = {}
        for n, at in enumerate(range(0x4400, len(data) - 511, 253_952)):
            for place, kind in ((at, 0x84), (at + 512, 0x83)) if n % 8 == 0 else ((at, 0x84),):
                page = data[place : place + 512]
                kind_ok = page[496] == page[497] == kind and page[498:500] == b"\0\0"
                ok = kind_ok and struct.unpack_from("<Q", page, 504)[0] == place
                ok = ok and struct.unpack_from("<I", page, 500)[0] == crc(page[:496])
                self.demand(ok, "R-020" if kind == 0x84 else "R-021", place)
            marked[at] = data[at : at + 496]

        def is_marked(ib: int, size: int) -> bool:
            for slot in range(ib // 64, (ib + size + 63) // 64):
                section = 0x4400 + (slot * 64 - 0x4400) // 253_952 * 253_952
                bit = (slot * 64 - section) // 64
                if section not in marked or not marked[section][bit // 8] & 0x80 >> bit % 8:
                    return False
            return True

        for block in self.store.blocks.values():
            self.demand(is_marked(block.ib, block.size), "R-025", block.bid)
        for ib in self.store.pages:
            self.demand(is_marked(ib, 512), "R-025", f"page {ib:#x}")

    def trees(self) -> None:
        store, layout = self.store, self.store.layout
        data, width = store.bytes, layout.id_width
        for ib, (tree, level) in store.pages.items():
            page = data[ib : ib + layout.page]
            count, _, stride, _ = struct.unpack_from(layout.meta_format, page, layout.meta)
            keys = [layout.ident(page, i * stride) for i in range(count)]
            self.demand(keys == sorted(set(keys)), "R-032", ib)
            self.demand(count > 0 or ib == store.roots[tree], "R-031", ib)
            if layout is UNICODE:
                kind = 0x81 if tree == NBT else 0x80
                whole = page[496] == page[497] == kind and struct.unpack_from("<I", page, 500)[0] == crc(page[:496])
                self.demand(whole, "R-031", ib)
            for i in range(count) if level else ():
                child = layout.ident(page, i * stride + 2 * width)
                self.demand(layout.ident(data, child) == keys[i], "R-030", ib)
        for nid, node in store.nodes.items():
            kind = nid & 0x1F
            self.high[kind] = max(self.high[kind], nid >> 5)
            if kind == FOLDER and nid == ROOT_FOLDER:
                self.demand(node.parent == nid, "R-046", nid)
            elif kind in (FOLDER, SEARCH, MESSAGE, ASSOCIATED):
                self.demand(node.parent in store.nodes, "R-046", nid)
            elif kind in (7, 0xB, 0xC, 0xD, 0xE, 0xF, 0x10, 0x11, 0x12, 0x16, 0x17, 0x18):
                self.demand(node.parent == 0, "R-046", nid)
            if not node.data:
                # lists and queues may be empty, also those that no document names
                self.demand(kind in (1, 6) and nid not in (STORE, NAMES), "R-047", nid)
            if kind == FOLDER:
                for t in (0xD, 0xE, 0xF):
                    self.demand(nid & ~0x1F | t in store.nodes, "R-132", nid)
            if kind in (0xD, 0xE, 0xF) and nid >> 5 >= 0x40:
                self.demand(nid & ~0x1F | FOLDER in store.nodes, "R-132", nid)

    def references(self) -> None:
        """Blocks and who refers to them."""
        store = self.store
        counts = collections.Counter()
        seen = set()

        def enter(bid: int) -> None:
            pending = [bid & ~1]
            while pending:
                bid = pending.pop()
                if not bid:
                    continue
                counts[bid] += 1
                if bid in seen or not bid & 2:
                    continue
                seen.add(bid)
                data, layout = store.block(bid), store.layout
                many, width = struct.unpack_from("<H", data, 2)[0], layout.id_width
                if data[0] == 1:
                    below = [layout.ident(data, 8 + i * width) for i in range(many)]
                    self.xblock(bid, data, below)
                    pending.extend(b & ~1 for b in below)
                else:
                    stride = (2 if data[1] else 3) * width
                    self.demand(many > 0, "R-043", bid)
                    for i in range(many):
                        at = layout.sub_header + i * stride
                        pending.append(layout.ident(data, at + width) & ~1)
                        if not data[1]:
                            pending.append(layout.ident(data, at + 2 * width) & ~1)
                            sub = layout.ident(data, at) & 0xFFFF_FFFF
                            # special local ids have small indexes
                            if sub & 0x1F in (ATTACHMENT, 0x1F, MESSAGE, 9):
                                self.high[sub & 0x1F] = max(self.high[sub & 0x1F], sub >> 5)

        for node in store.nodes.values():
            enter(node.data)
            enter(node.sub)
        for bid in counts:
            self.demand(bid in store.blocks, "R-039", bid)
        layout, data = store.layout, store.bytes
        at = 2 * layout.id_width + 2 if layout is not UNICODE and layout is not ANSI else 2 * layout.id_width + 2
        at += 2 if layout is not ANSI and layout is not UNICODE else 0
        for ib, (tree, level) in store.pages.items():
            if tree != BBT or level:
                continue
            count, _, stride, _ = struct.unpack_from(layout.meta_format, data, ib + layout.meta)
            for i in range(count):
                entry = ib + i * stride
                bid, refs = layout.ident(data, entry), struct.unpack_from("<H", data, entry + at)[0]
                self.demand(not bid & 1, "R-035", bid)
                if bid not in counts:
                    self.fail("R-038", f"{bid:#x}")
                else:
                    self.demand(refs == counts[bid] + 1, "R-037", f"{bid:#x}: {refs} for {counts[bid] + 1}")
        for bid, block in store.blocks.items():
            self.demand(block.cb > 0, "R-040", bid)
            if layout is UNICODE:
                end = block.ib + block.size
                cb, sig, check, own = struct.unpack_from("<HHIQ", data, end - 16)
                folded = (block.ib ^ bid) & 0xFFFF_FFFF
                ok = (cb, own) == (block.cb, bid) and sig == (folded ^ folded >> 16) & 0xFFFF
                self.demand(ok and check == crc(data[block.ib : block.ib + block.cb]), "R-034", bid)
        self.water()

    def water(self) -> None:
        store = self.store
        if store.layout is ANSI:
            return
        marks = struct.unpack_from("<32I", store.bytes, 44)
        for kind in (FOLDER, SEARCH, MESSAGE, ATTACHMENT, ASSOCIATED, 0x1F, 0xD, 0xE, 0xF, 9):
            if self.high[kind] >= 0x400:
                self.demand(marks[kind] >= self.high[kind], "R-008", f"type {kind:X}: {marks[kind]:X} for {self.high[kind]:X}")

    def xblock(self, bid: int, data: bytes, below: list[int]) -> None:
        store = self.store
        total, level = struct.unpack_from("<I", data, 4)[0], data[1]
        leaves = store.leaves(bid)
        sizes = [store.blocks[leaf].inflated for leaf in leaves if leaf in store.blocks]
        self.demand(total == sum(sizes), "R-041", bid)
        full = 8176 if store.layout is UNICODE else 8180 if store.layout is ANSI else 65512
        if level == 1:
            self.demand(all(size == full for size in sizes[:-1]), "R-042", bid)

    # ---- heaps ---------------------------------------------------------------------------------------------------

    def heaps(self) -> None:
        for nid, node in self.store.nodes.items():
            kind = nid & 0x1F
            if kind in (FOLDER, SEARCH, MESSAGE, 7, ASSOCIATED, 0xB, 0xC, 0xD, 0xE, 0xF, 0x10, 0x11, 0x12, 0x16, 0x17, 0x18) or nid in (STORE, NAMES):
                self.heap(nid, node.data, node.sub, 0)

    def heap(self, nid: int, data: int, sub: int, depth: int) -> None:
        if not data:
            return
        try:
            heap = Heap(self.store, data, sub)
            for i in range(len(heap.blocks)):
                self.heap_block(nid, heap, i)
            if heap.client == 0xBC:
                keys = Properties(heap).keys_in_order
                self.demand(keys == sorted(set(keys)), "R-066", nid)
            elif heap.client == 0x7C:
                self.table(nid, Table(heap))
        except Broken as e:
            self.fail("R-060", f"{nid:#x}: {e}")
            return
        if depth > 20:
            return
        for below, (data, sub) in heap.subs.items():
            if below & 0x1F in (MESSAGE, ATTACHMENT, 0x11, 0x12):
                self.heap(below, data, sub, depth + 1)

    def heap_block(self, nid: int, heap: Heap, i: int) -> None:
        at, count, free, offsets = heap.page_map(i)
        block = heap.blocks[i]
        self.demand(offsets == sorted(offsets) and 0 <= at - offsets[-1] <= 1, "R-060", nid)
        self.demand(free == sum(a == b for a, b in zip(offsets, offsets[1:])), "R-061", nid)
        first = 12 if i == 0 else 66 if i % 128 == 8 else 2
        self.demand(offsets[0] == first, "R-062", nid)
        self.demand(all(b - a <= 3580 for a, b in zip(offsets, offsets[1:])), "R-063", nid)
        if i == len(heap.blocks) - 1:
            self.demand(len(block) == at + 4 + 2 * (count + 1), "R-064", nid)

    def table(self, nid: int, table: Table) -> None:
        many = len(table.columns)
        a, b, c, end = table.ends
        self.demand(a <= b <= c and end - c == (many + 7) // 8 and table.deprecated == 0, "R-080", nid)
        self.demand(table.order == sorted(table.order), "R-081", nid)
        bits = sorted(bit for _, _, bit in table.columns.values())
        self.demand(bits == list(range(many)), "R-081", nid)
        head = table.columns.get(0x67F2_0003), table.columns.get(0x67F3_0003)
        self.demand(head == ((0, 4, 0), (4, 4, 1)), "R-082", nid)
        self.demand(table.index_form[0] == 4 and table.index_form[1] in ((2, 4) if self.store.layout is ANSI else (4,)), "R-067", nid)
        places = sorted(place for _, place in table.index)
        if nid != 0x730:
            self.demand(places == list(range(len(table.rows))), "R-083", nid)
            for key, place in table.index:
                if place < len(table.rows):
                    self.demand(number(table.rows[place].get(0x67F2_0003)) == key, "R-083", nid)
        if table.rows_at & 0x1F:
            leaves = self.store.leaves(table.heap.subs[table.rows_at][0])
            full = 8176 if self.store.layout is UNICODE else None
            sizes = [self.store.blocks[leaf].inflated for leaf in leaves[:-1]]
            self.demand(full is None or all(size == full for size in sizes), "R-085", nid)

    # ---- the store's own objects ---------------------------------------------------------------------------------

    def open(self, kind, nid: int, rule: str):
        try:
            return kind(self.store.heap(nid))
        except Broken as e:
            self.fail(rule, f"{nid:#x}: {e}")
            return None

    def special(self) -> None:
        store = self.store
        pc = self.open(Properties, STORE, "R-100")
        if pc is not None:
            for ident in (0x0FF9, 0x3001, 0x35E0, 0x35E3, 0x35E7):
                self.demand(ident in pc, "R-100", ident)
            key = pc.bytes(0x0FF9) or b""
            self.demand(len(key) == 16 and any(key), "R-100", "record key")
            for ident in (0x35E0, 0x35E3, 0x35E6, 0x35E7):
                if ident in pc:
                    value = pc.bytes(ident)
                    ok = len(value) == 24 and value[4:20] == key and ids(value[20:])[0] in store.nodes
                    self.demand(ok, "R-101", ident)
            mask = pc.number(0x35DF)
            self.demand(mask is None or mask in (0x89, 0xFF, 0xC9), "R-102", f"{mask}")
            self.demand(0x0E34 not in pc or len(pc.bytes(0x0E34)) == 24, "R-103", STORE)
            self.demand(pc.bytes(0x6633) == b"\1", "R-104", STORE)
            self.demand(0x67FF in pc, "R-105", STORE)
        names = self.open(Properties, NAMES, "R-106")
        if names is not None:
            self.demand(names.number(1) == 251, "R-106", "buckets")
            for ident in (2, 3, 4):
                self.demand(bool(names.bytes(ident)), "R-107", ident)
            self.name_map(names)
        for nid, columns in COLUMNS.items():
            old = nid in (0x6B6, 0x6D7, 0x6F8) and not self.modern
            if nid not in store.nodes:
                if not old:
                    self.fail("R-108", f"{nid:#x}")
                continue
            table = self.open(Table, nid, "R-108")
            if table is None:
                continue
            has = {f"{tag:08X}" for tag in table.columns}
            for tag in columns.split():
                wanted = tag.replace("001F", "001E") if store.layout is ANSI and tag.endswith("001F") else tag
                self.demand(wanted in has, "R-109", f"{nid:#x} {tag}")
            if nid not in (RECEIVE, OUTGOING):
                self.demand(not table.rows, "R-108", f"{nid:#x} has rows")
            if nid == RECEIVE:
                default = [r for r in table.rows if r.get(0x001A_001F, r.get(0x001A_001E)) == b""]
                self.demand(bool(default), "R-110", "no row for the default class")
                for row in table.rows:
                    self.demand(number(row.get(0x6605_0003)) in store.nodes, "R-110", f"folder {number(row.get(0x6605_0003))}")
            if nid == OUTGOING:
                for row in table.rows:
                    self.demand(number(row[0x67F2_0003]) in store.nodes, "R-108", f"{nid:#x} row {number(row[0x67F2_0003]):#x}")

    def name_map(self, names: Properties) -> None:
        entries = names.bytes(3) or b""
        expected = collections.Counter()
        texts = names.bytes(4) or b""
        for at in range(0, len(entries) // 8 * 8, 8):
            ident, kind, place = struct.unpack_from("<IHH", entries, at)
            self.demand(place == at // 8, "R-106", f"entry {at // 8}")
            if kind & 1 and ident + 4 <= len(texts):
                size = struct.unpack_from("<I", texts, ident)[0]
                ident = crc(texts[ident + 4 : ident + 4 + size])
            if names.number(1):
                expected[(ident ^ kind) % names.number(1), ident, kind, place] += 1
        found = collections.Counter()
        for ident in (i for i in names if 0x1000 <= i < 0x8000):
            data = names.bytes(ident)
            for at in range(0, len(data) // 8 * 8, 8):
                found[(ident - 0x1000, *struct.unpack_from("<IHH", data, at))] += 1
        self.demand(expected == found, "R-106", "buckets hold other entries")

    def listing(self, nid: int) -> bytes | None:
        node = self.store.nodes.get(nid)
        return None if node is None else self.store.data(node.data)

    def search_objects(self) -> None:
        nodes = self.store.nodes
        for nid, rule in ((QUEUE, "R-111"), (QUEUE_3, "R-114")):
            data = self.listing(nid)
            if data is None:
                if nid == QUEUE or self.modern:
                    self.fail(rule, f"{nid:#x} missing")
            else:
                self.demand(len(data) % 20 == 0, rule, nid)
                self.demand(nodes[nid].parent <= len(data), rule, f"{nid:#x} head")
        active = self.listing(ACTIVE)
        searches = [n for n in nodes if n & 0x1F == SEARCH and n != 0x723]
        if active is None:
            self.fail("R-112", "missing")
        else:
            self.demand(len(active) % 4 == 0, "R-112", "size")
            for nid in ids(active):
                self.demand(nid in nodes and nid & 0x1F == SEARCH, "R-112", f"{nid:#x} is no search folder")
            for nid in searches:
                self.demand(nid in ids(active), "R-112", f"{nid:#x} not listed")
            self.demand(len(set(ids(active))) == len(ids(active)), "R-112", "twice")
        domain = self.listing(DOMAIN)
        self.demand(domain is not None, "R-113", "missing")
        if domain is not None:
            self.demand(len(domain) % 4 == 0, "R-113", "size")
            for word in ids(domain):
                self.demand((word & ~0x1F | FOLDER) in nodes or (word & ~0x1F | SEARCH) in nodes, "R-113", f"{word:#x} is no folder")
        for nid in searches:
            for kind in (6, 7, 0x10):
                self.demand(nid & ~0x1F | kind in nodes, "R-122", f"{nid:#x} lacks {kind:X}")
            criteria = nid & ~0x1F | 7
            if criteria in nodes and nodes[criteria].data:
                pc = self.open(Properties, criteria, "R-123")
                self.demand(pc is None or 0x660B in pc, "R-123", nid)

    # ---- folders -------------------------------------------------------------------------------------------------

    def folder(self, nid: int) -> None:
        store = self.store
        pc = Properties(store.heap(nid))
        for ident in (0x3001, 0x3602, 0x3603, 0x360A):
            self.demand(ident in pc, "R-130", f"{nid:#x} {ident:X}")
        if nid & 0x1F == SEARCH:
            self.results(nid)
            return
        base = nid & ~0x1F
        children = {n for n, node in store.nodes.items() if node.parent == nid and n != nid}
        table = Table(store.heap(base | 0xD))
        rows = self.listed_rows(table)
        self.required(base | 0xD, table, "3001001F 36020003 36030003 360A000B")
        self.demand(set(rows) == {n for n in children if n & 0x1F in (FOLDER, SEARCH)}, "R-133", nid)
        for child, row in rows.items():
            if child in store.nodes:
                self.same(child, row, table, Properties(store.heap(child)), "R-134")
            if child & 0x1F == SEARCH:
                self.demand(0x0E30_0102 not in row, "R-139", f"{child:#x} is a search folder with an id")
        self.demand((pc.bytes(0x360A) == b"\1") == bool(rows), "R-136", nid)
        for kind, item, rule in ((0xE, MESSAGE, "R-150"), (0xF, ASSOCIATED, "R-200")):
            table = Table(store.heap(base | kind))
            rows = self.listed_rows(table)
            self.required(base | kind, table, "0E170003 001A001F 0E070003")
            self.demand(set(rows) == {n for n in children if n & 0x1F == item}, rule, nid)
            for n, row in rows.items():
                self.rows[n] = row
                self.listed[n] = base | kind
            if kind == 0xE:
                unread = sum(not (number(r.get(0x0E07_0003)) or 0) & 1 for r in rows.values())
                self.demand(pc.number(0x3602) == len(rows), "R-135", f"{nid:#x} {pc.number(0x3602)} for {len(rows)}")
                self.demand(pc.number(0x3603) == unread, "R-135", f"{nid:#x} unread {pc.number(0x3603)} for {unread}")

    def listed_rows(self, table: Table) -> dict[int, dict[int, bytes]]:
        for row in table.rows:
            version = number(row.get(0x67F3_0003))
            self.demand(version is not None, "R-082", "version")
            self.versions.append(version or 0)
        return table.by_id()

    def required(self, nid: int, table: Table, columns: str) -> None:
        ansi = self.store.layout is ANSI
        has = {f"{tag:08X}" for tag in table.columns}
        for tag in columns.split():
            wanted = tag[:4] + "001E" if ansi and tag.endswith("001F") else tag
            self.demand(wanted in has, "R-088", f"{nid:#x} {tag}")

    def template(self, nid: int, table: Table, template: int) -> None:
        """Columns that the file's own template has, and a table modelled on it lacks."""
        if template in self.store.nodes:
            own = set(Table(self.store.heap(template)).columns)
            self.demand(own <= set(table.columns), "R-089", nid)

    def same(self, nid: int, row: dict[int, bytes], table: Table, pc: Properties, rule: str) -> None:
        for tag in table.columns:
            ident, kind = tag >> 16, tag & 0xFFFF
            if ident in ROW_ONLY or ident in LOOSE:
                continue
            own = pc[ident][1] if ident in pc and pc[ident][0] == kind else None
            cell = row.get(tag)
            if not cell and not own and kind not in (2, 3, 0xB, 0x14, 0x40):
                continue
            if kind == 0xB and cell is not None and own is not None:
                cell, own = bytes([bool(cell[0])]), bytes([bool(own[0])])
            if cell != own:
                self.fail(rule, f"{nid:#x} {tag:08X}")
                return

    def results(self, nid: int) -> None:
        table = nid & ~0x1F | 0x10
        if table in self.store.nodes and self.store.nodes[table].data:
            try:
                rows = Table(self.store.heap(table)).by_id()
            except Broken:
                return
            gone = [n for n in rows if n & 0x1F in (MESSAGE, ASSOCIATED) and n not in self.store.nodes]
            self.demand(not gone, "R-204", nid)

    # ---- messages ------------------------------------------------------------------------------------------------

    def message(self, nid: int) -> None:
        store, node = self.store, self.store.nodes[nid]
        associated = nid & 0x1F == ASSOCIATED
        heap = store.heap(nid)
        pc = Properties(heap)
        self.object(nid, pc, heap, associated, store.size(node.data, node.sub), 0)
        row = self.rows.get(nid)
        if row is None:
            self.fail("R-048", f"{nid:#x}")
            return
        table = Table(store.heap(self.listed[nid]))
        self.same(nid, row, table, pc, "R-153")
        self.demand(number(row.get(0x0E17_0003)) is not None or 0x0E17_0003 not in table.columns, "R-155", nid)
        listed, own = number(row.get(0x0E08_0003)), pc.number(0x0E08)
        if listed is not None and own is not None:
            self.demand(abs(listed - own) <= own * 0.06, "R-158", f"{nid:#x} {listed} for {own}")
        if (number(row.get(0x0E07_0003)) or 0) & 0x40 != (0x40 if associated else 0):
            self.fail("R-159", f"{nid:#x} row")
        if not associated and 0x3013_0102 in table.columns and self.modern:
            self.demand(row.get(0x3013_0102) == conversation(pc), "R-160", nid)
        if 0x0E30_0102 in row:
            self.demand(0x0E33_0014 in row and 0x0E34_0102 in row, "R-166", nid)

    def object(self, nid: int, pc: Properties, heap: Heap, associated: bool, size: int, depth: int) -> None:
        for ident in (0x001A, 0x0E07, 0x0E08, 0x3007, 0x3008, 0x300B):
            self.demand(ident in pc, "R-151", f"{nid:#x} {ident:04X}")
        for ident in (0x67F2, 0x67F3):
            self.demand(ident not in pc, "R-084", nid)
        self.demand(0x3013 not in pc and (0x0E17 not in pc), "R-155", f"{nid:#x} in the object")
        for ident in (0x0E03, 0x0E04):
            self.demand(pc.bytes(ident) != b"", "R-156", nid)
        flags = pc.number(0x0E07) or 0
        attachments = sorted(n for n in heap.subs if n & 0x1F == ATTACHMENT)
        self.demand(bool(flags & 0x10) == bool(attachments), "R-159", nid)
        if depth == 0:
            self.demand(bool(flags & 0x40) == associated, "R-159", nid)
        if self.modern and pc.number(0x0E08) is not None:
            off = abs(pc.number(0x0E08) - size)
            self.demand(off <= size * 0.06, "R-157", f"{nid:#x} {pc.number(0x0E08)} for {size}")
        listed = []
        if 0x671 in heap.subs:
            table = Table(Heap(self.store, *heap.subs[0x671]))
            listed = sorted(table.by_id())
            for n, row in table.by_id().items():
                if n in heap.subs:
                    own = Properties(Heap(self.store, *heap.subs[n]))
                    self.same(n, row, table, own, "R-194")
        self.demand(listed == attachments, "R-190", nid)
        if 0x692 in heap.subs:
            seen = set()
            for row in Table(Heap(self.store, *heap.subs[0x692])).rows:
                ident = number(row.get(0x67F2_0003))
                self.demand(ident not in seen and ident != 0, "R-182", nid)
                seen.add(ident)
                self.demand(0x0C15_0003 in row, "R-181", nid)
        for n in attachments:
            inner = Heap(self.store, *heap.subs[n])
            self.attachment(nid, n, Properties(inner), inner, depth)

    def attachment(self, nid: int, n: int, pc: Properties, heap: Heap, depth: int) -> None:
        where = f"{nid:#x} {n:#x}"
        for ident in (0x0E20, 0x3705, 0x370B):
            self.demand(ident in pc, "R-191", where)
        size = 0
        for ident, (kind, value, _) in pc.items():
            if kind == 0x0D and len(value) == 8:
                sub, noted = struct.unpack("<II", value)
                size += noted
                self.demand(sub in heap.subs, "R-193", where)
                if sub in heap.subs and sub & 0x1F == MESSAGE and depth < 20:
                    below = Heap(self.store, *heap.subs[sub])
                    own = Properties(below)
                    self.demand(own.number(0x0E08) == noted, "R-193", where)
                    self.object(sub, own, below, False, self.store.size(*heap.subs[sub]), depth + 1)
            else:
                size += len(value)
        self.demand(pc.number(0x0E20) == size, "R-192", f"{where}: {pc.number(0x0E20)} for {size}")

    # ---- indexes -------------------------------------------------------------------------------------------------

    def indexes(self) -> None:
        store = self.store
        for nid, client in ((ID_MAP, 0x9C), (INDEX, 0xCC)):
            if nid in store.nodes:
                try:
                    self.demand(store.heap(nid).client == client, "R-115", nid)
                except Broken as e:
                    self.fail("R-115", f"{nid:#x}: {e}")
        mapped = {}
        if ID_MAP in store.nodes:
            try:
                heap = store.heap(ID_MAP)
                form, records = heap.bth(ids(heap.get(heap.root))[0])[:2], heap.bth(ids(heap.get(heap.root))[0])[2]
                self.demand(form == (16, 4), "R-116", "form")
                keys = [k for k, _ in records]
                self.demand(keys == sorted(set(keys)), "R-116", "order")
                mapped = {k: ids(d)[0] for k, d in records}
                for nid in mapped.values():
                    self.demand(nid == 0 or nid in store.nodes, "R-116", f"{nid:#x} is not there")
            except (Broken, IndexError, struct.error) as e:
                self.fail("R-116", str(e))
            rows = dict(self.rows)
            for nid in [n for n in store.nodes if n & 0x1F == 0xD and n & ~0x1F | FOLDER in store.nodes]:
                try:
                    rows.update(Table(store.heap(nid)).by_id())
                except Broken:
                    pass
            for nid, row in rows.items():
                ident = row.get(0x0E30_0102)
                if ident:
                    self.demand(mapped.get(ident) == nid, "R-139", f"{nid:#x} leads to {mapped.get(ident, 0):#x}")
        elif self.modern:
            self.fail("R-116", "missing")
        if self.modern:
            self.message_index()
        for nid, record in ((0xEE1, 28), (0xF21, 1)):
            data = self.listing(nid)
            if data is not None:
                self.demand(len(data) % record == 0, "R-120", nid)
        for at, listed in enumerate(ids(self.listing(0xEE1) or b"")):
            if at % 7 == 0:
                self.demand(listed in store.nodes, "R-120", f"0xee1 names {listed:#x}")
        data = self.listing(0xF01)
        self.demand(data is None or len(data) == 104, "R-120", 0xF01)

    def message_index(self) -> None:
        store = self.store
        buckets: dict[int, list[int]] = {}
        try:
            heap = store.heap(INDEX)
            root = ids(heap.get(heap.root))
            self.demand(len(root) in (3, 14), "R-117", f"root of {len(root)} words")
            form = heap.bth(root[0])
            self.demand(form[:2] == (4, 4), "R-117", "form")
            buckets = {ids(k)[0]: ids(heap.get(ids(d)[0])) for k, d in form[2]}
        except (Broken, IndexError) as e:
            self.fail("R-117", str(e))
            return
        queue = ids(self.listing(PENDING) or b"")
        self.demand(len(queue) % 3 == 0, "R-119", "size")
        waiting = {queue[i + 2]: queue[i + 1] for i in range(0, len(queue) - 2, 3) if queue[i] == 1}
        where = collections.defaultdict(list)
        for key, nids in buckets.items():
            self.demand(nids == sorted(set(nids)), "R-118", f"bucket {key:X}")
            for nid in nids:
                where[nid].append(key)
        messages = [n for n in store.nodes if n & 0x1F == MESSAGE]
        for nid in messages:
            row = self.rows.get(nid, {})
            conversation = row.get(0x3013_0102)
            # an offline file's are longer, and indexed otherwise
            want = bucket_key(conversation if conversation is None or len(conversation) == 16 else None)
            if nid in waiting:
                self.demand(waiting[nid] == want, "R-119", nid)
            else:
                self.demand(where.get(nid) == [want], "R-118", f"{nid:#x} in {where.get(nid)}")
        for nid in where:
            self.demand(nid in store.nodes, "R-214", f"{nid:#x} is not there")
        self.demand(root[2] >= max(messages, default=0), "R-117", f"highest {root[2]:#x} for {max(messages, default=0):#x}")

    def totals(self) -> None:
        twice = [v for v, n in collections.Counter(self.versions).items() if n > 1 and v]
        for v in twice:
            self.fail("R-090", f"{v:#x}")
        if self.versions and self.store.layout is not ANSI:
            self.demand(max(self.versions) < self.unique, "R-012", f"{max(self.versions):#x} and {self.unique:#x}")


def examine(data: bytes) -> dict[str, list[str]]:
    return Examination(data).run()


def main() -> None:
    for path in sys.argv[1:]:
        with open(path, "rb") as file:
            found = examine(file.read())
        print(path)
        for rule in sorted(found):
            print(f"  {rule} {len(found[rule])}  {found[rule][0]}")


if __name__ == "__main__":
    main()
