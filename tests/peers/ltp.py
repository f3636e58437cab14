"""Heaps, property contexts and tables of a healthy file, over ndb.py ([MS-PST] 2.3).

A second implementation, as ndb.py is: it shares no code with the crate. A structure that cannot be read raises `Broken`.
"""

import base64
import struct
import zlib

from ndb import ANSI, UNICODE4K, Ndb

# The permutation of [MS-PST] 5.1 that encodes, and its middle part; the one that decodes follows from the first.
ENCODE = base64.b85decode(
    'K{gX&s3C5<^cKtne`M%g9`eg7bj4mZ(v?S^mMxlyOnrnu+pICRNMH8E*g1>mBRe>b$id$wu^^>JU{0L-'
    's?%0cMSN8N2gxg)g_{YWkFB#0W2=cv*QXU)ab`llCQ56V`s#O6vTy|~{aHGOe$EE#f_PWQjYF@r9MoIQ;^`+(!w7PK&#>?HC'
    '~dwlO*E3#4m=_<<>dLF!qEzW65;NVgLdPW=3$B#d8D`8ka}E<0;bAo-'
    'cTA5letodSp4lBH%S|6;3+eiy=>W(^FUN@@Wykv);?tzL?7K}5b+Ed?5+c$6nm))|M;W8q5=0Vyd-FK4gR_>wb0r<'
)
MIDDLE = base64.b85decode(
    '6jKjYv&ed!>t#q678RcY%v5}X01XTaqGG6a+u7~M#iZP<g>=@?r<<;tmT_joW0|<!bCQmPeWhN}U6Zj_QBZ)1Qj||l3TwQLe'
    '{M%cK|n+S5z7NV_w?bZk32g0`|uesf(b6kouGzE?r%+P#4Uj|C5Ib`s{96_5;*-'
    '#LULpiHzaCxcSHZ?v`aQz<k&SmMY$~Ow=pXz2WX=XX?qx+AvwM%8e4evBg!hUuRi_+jOXQ;GL_TzO6aEQ>GRbua3Jy@1!t{Q'
    '5YElxCp+4@*TN>$ksZ<;A~X2<@mlZCkhY7py}-W+mmX~5Vc^EWS*yEP-e2Efd495r'
)
DECODE = bytes(ENCODE.index(n) for n in range(256))

# Sizes of values of fixed size; the others are heap items or sub-nodes.
FIXED = {0x02: 2, 0x03: 4, 0x04: 4, 0x05: 8, 0x06: 8, 0x07: 8, 0x0A: 4, 0x0B: 1, 0x14: 8, 0x40: 8, 0x48: 16}
INLINE = {0x02, 0x03, 0x04, 0x0A, 0x0B}
IN_CELL = INLINE | {0x05, 0x06, 0x07, 0x14, 0x40}


class Broken(Exception):
    """Something that must be there is not."""


def ids(data: bytes) -> list[int]:
    return list(struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4]))


class Store(Ndb):
    """A file with its blocks decoded."""

    def __init__(self, data: bytes):
        super().__init__(data)
        self.crypt = data[461 if self.layout is ANSI else 513]

    def block(self, bid: int) -> bytes:
        entry = self._block(bid & ~1)
        stored = self.bytes[entry.ib : entry.ib + entry.cb]
        if entry.cb != entry.inflated:
            stored = zlib.decompress(stored)
        if bid & 2 or self.crypt == 0:
            return stored
        if self.crypt == 1:
            return stored.translate(DECODE)
        word = (bid & 0xFFFF_FFFE ^ (bid & 0xFFFF_FFFE) >> 16) & 0xFFFF
        out = bytearray()
        for byte in stored:
            low, high = word & 0xFF, word >> 8
            byte = ENCODE[(byte + low) & 0xFF]
            byte = MIDDLE[(byte + high) & 0xFF]
            byte = DECODE[(byte - high) & 0xFF]
            out.append((byte - low) & 0xFF)
            word = (word + 1) & 0xFFFF
        return bytes(out)

    def leaves(self, bid: int) -> list[int]:
        """The data blocks of a data tree, in order."""
        if not bid & ~1:
            return []
        if not bid & 2:
            return [bid & ~1]
        data = self.block(bid & ~1)
        width, count = self.layout.id_width, struct.unpack_from("<H", data, 2)[0]
        return [leaf for i in range(count) for leaf in self.leaves(self.layout.ident(data, 8 + i * width))]

    def data(self, bid: int) -> bytes:
        return b"".join(self.block(leaf) for leaf in self.leaves(bid))

    def subs(self, bid: int) -> dict[int, tuple[int, int]]:
        """Sub-nodes by NID: data, sub-nodes."""
        out: dict[int, tuple[int, int]] = {}
        if not bid & ~1:
            return out
        data, layout = self.block(bid & ~1), self.layout
        level, count = data[1], struct.unpack_from("<H", data, 2)[0]
        stride = (2 if level else 3) * layout.id_width
        for at in range(layout.sub_header, layout.sub_header + count * stride, stride):
            words = [layout.ident(data, at + i * layout.id_width) for i in range(stride // layout.id_width)]
            if level:
                out.update(self.subs(words[1]))
            else:
                out[words[0] & 0xFFFF_FFFF] = words[1] & ~1, words[2] & ~1
        return out

    def heap(self, nid: int) -> "Heap":
        node = self.nodes.get(nid)
        if node is None:
            raise Broken(f"no node {nid:#x}")
        return Heap(self, node.data, node.sub)

    def size(self, data: int, sub: int) -> int:
        """Bytes of all data leaves of a node and what is below it."""
        total = sum(self._block(leaf).inflated for leaf in self.leaves(data))
        return total + sum(self.size(*below) for below in self.subs(sub).values())


class Heap:
    def __init__(self, store: Store, data: int, sub: int):
        self.store, self.subs = store, store.subs(sub)
        self.leaves = store.leaves(data)
        self.blocks = [store.block(leaf) for leaf in self.leaves]
        if not self.blocks or len(self.blocks[0]) < 12 or self.blocks[0][2] != 0xEC:
            raise Broken("no heap")
        self.client = self.blocks[0][3]
        self.root = struct.unpack_from("<I", self.blocks[0], 4)[0]

    def page_map(self, number: int) -> tuple[int, int, int, list[int]]:
        """Where the map is, cAlloc, cFree, and the offsets."""
        block = self.blocks[number]
        at = struct.unpack_from("<H", block)[0]
        if at + 4 > len(block):
            raise Broken("page map outside its block")
        count, free = struct.unpack_from("<HH", block, at)
        if at + 4 + 2 * (count + 1) > len(block):
            raise Broken("page map cut")
        return at, count, free, list(struct.unpack_from(f"<{count + 1}H", block, at + 4))

    def get(self, hid: int) -> bytes:
        if not hid:
            return b""
        wide = self.store.layout is UNICODE4K
        index, number = ((hid >> 5) & 0x3FFF, hid >> 19) if wide else ((hid >> 5) & 0x7FF, hid >> 16)
        if number >= len(self.blocks):
            raise Broken(f"HID {hid:#x}")
        _, count, _, offsets = self.page_map(number)
        if not 1 <= index <= count:
            raise Broken(f"HID {hid:#x}")
        return self.blocks[number][offsets[index - 1] : offsets[index]]

    def value(self, hnid: int) -> bytes:
        if hnid & 0x1F == 0:
            return self.get(hnid)
        if hnid not in self.subs:
            raise Broken(f"no sub-node {hnid:#x}")
        return self.store.data(self.subs[hnid][0])

    def bth(self, hid: int) -> tuple[int, int, list[tuple[bytes, bytes]]]:
        head = self.get(hid)
        if len(head) < 8 or head[0] != 0xB5:
            raise Broken("no B-tree on heap")
        key, entry, levels, root = head[1], head[2], head[3], struct.unpack_from("<I", head, 4)[0]

        def records(at: int, level: int) -> list[tuple[bytes, bytes]]:
            item, size = self.get(at), key + (4 if level else entry)
            found = [(item[i : i + key], item[i + key : i + size]) for i in range(0, len(item) // size * size, size)]
            if level:
                return [r for _, below in found for r in records(struct.unpack("<I", below)[0], level - 1)]
            return found

        return key, entry, records(root, levels) if root else []


class Properties(dict):
    """A property context: tag's id -> (type, value, the record's word)."""

    def __init__(self, heap: Heap):
        super().__init__()
        self.heap = heap
        if heap.client != 0xBC:
            raise Broken("no property context")
        self.keys_in_order = []
        for key, data in heap.bth(heap.root)[2]:
            kind, word = struct.unpack("<HI", data)
            if kind in INLINE:
                value = data[2 : 2 + FIXED[kind]]
            else:
                value = heap.value(word)
            ident = struct.unpack("<H", key)[0]
            self.keys_in_order.append(ident)
            self[ident] = kind, value, word

    def number(self, ident: int) -> int | None:
        return int.from_bytes(self[ident][1], "little") if ident in self else None

    def bytes(self, ident: int) -> bytes | None:
        return self[ident][1] if ident in self else None


class Table:
    """A table: columns by tag, rows in the order of the matrix."""

    def __init__(self, heap: Heap):
        self.heap = heap
        info = heap.get(heap.root)
        if heap.client != 0x7C or len(info) < 22 or info[0] != 0x7C:
            raise Broken("no table")
        self.ends = struct.unpack_from("<4H", info, 2)
        index, self.rows_at, self.deprecated = struct.unpack_from("<III", info, 10)
        self.columns = {}
        self.order = []
        for i in range(info[1]):
            tag, offset, size, bit = struct.unpack_from("<IHBB", info, 22 + 8 * i)
            self.columns[tag] = offset, size, bit
            self.order.append(tag)
        self.index_form = heap.bth(index)[:2]
        self.index = [(struct.unpack("<I", k)[0], int.from_bytes(d, "little")) for k, d in heap.bth(index)[2]]
        self.rows = [self.cells(raw) for raw in self.matrix()]

    def matrix(self) -> list[bytes]:
        size = self.ends[3]
        if not self.rows_at:
            return []
        if self.rows_at & 0x1F == 0:
            blocks = [self.heap.get(self.rows_at)]
        else:
            if self.rows_at not in self.heap.subs:
                raise Broken("no row matrix")
            blocks = [self.heap.store.block(leaf) for leaf in self.heap.store.leaves(self.heap.subs[self.rows_at][0])]
        raw = [b[i : i + size] for b in blocks for i in range(0, len(b) // size * size, size)]
        # what fills a block up is no row
        return raw[: max(len(self.index), len(raw) if len(blocks) == 1 else 0)]

    def cells(self, raw: bytes) -> dict[int, bytes]:
        out = {}
        for tag, (offset, size, bit) in self.columns.items():
            if raw[self.ends[2] + bit // 8] & 0x80 >> bit % 8:
                cell, kind = raw[offset : offset + size], tag & 0xFFFF
                out[tag] = cell if kind in IN_CELL else self.heap.value(struct.unpack("<I", cell[:4])[0])
        return out

    def by_id(self) -> dict[int, dict[int, bytes]]:
        return {struct.unpack("<I", row[0x67F2_0003])[0]: row for row in self.rows if 0x67F2_0003 in row}


def number(cell: bytes | None) -> int | None:
    return None if cell is None else int.from_bytes(cell, "little")
