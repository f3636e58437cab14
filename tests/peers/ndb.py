"""The node database of a healthy file, read by a second, deliberately small implementation.

It knows the header, both B-trees, data trees and sub-node trees of the ANSI, Unicode and 4 KiB-page layouts
([MS-PST] 2.2.2), and nothing above them. It checks no checksum: `truth.py` and `more_damage.py` use it on healthy
files only, to say where everything is. It shares no code with the crate, so that a mistake there cannot repeat here.
"""

import struct
import zlib
from dataclasses import dataclass

FOLDER, MESSAGE, ASSOCIATED, HIERARCHY, CONTENTS, ASSOCIATED_CONTENTS = 2, 4, 8, 0xD, 0xE, 0xF
ROOT_FOLDER = 0x122
BBT, NBT = "bbt", "nbt"


class NotHealthy(Exception):
    """The file cannot be used as a ground truth."""


@dataclass(frozen=True)
class Layout:
    """What differs between the three variants; offsets in bytes."""

    id_width: int
    page: int
    meta: int  # of cEnt in a B-tree page
    meta_format: str  # cEnt, cEntMax, cbEnt, cLevel
    slot: int
    trailer: int  # of a block
    sub_header: int  # of an SLBLOCK or SIBLOCK
    nbt_root: int  # of the ib in the header
    bbt_root: int
    eof: int

    def ident(self, data: bytes, offset: int) -> int:
        return int.from_bytes(data[offset : offset + self.id_width], "little")


ANSI = Layout(4, 512, 496, "<BBBB", 64, 12, 4, 188, 196, 168)
UNICODE = Layout(8, 512, 488, "<BBBB", 64, 16, 8, 224, 240, 184)
UNICODE4K = Layout(8, 4096, 4056, "<HHBB", 512, 24, 8, 224, 240, 184)


@dataclass(frozen=True)
class Block:
    bid: int
    ib: int
    cb: int  # bytes stored
    inflated: int
    size: int  # on disk, with padding and trailer

    def ranges(self, layout: Layout) -> list[tuple[int, int]]:
        """The bytes that matter: contents and trailer, not the padding between them."""
        end = self.ib + self.size
        return [(self.ib, self.ib + self.cb), (end - layout.trailer, end)]


@dataclass(frozen=True)
class Node:
    nid: int
    data: int
    sub: int
    parent: int

    @property
    def kind(self) -> int:
        return self.nid & 0x1F


def layout_of(data: bytes) -> Layout:
    if len(data) < 564 or data[:4] != b"!BDN":
        raise NotHealthy("no header")
    version = struct.unpack_from("<H", data, 10)[0]
    return ANSI if version < 20 else UNICODE4K if version == 36 else UNICODE


class Ndb:
    def __init__(self, data: bytes):
        self.bytes = data
        self.layout = layout_of(data)
        self.pages: dict[int, tuple[str, int]] = {}  # ib -> tree, level
        self.blocks: dict[int, Block] = {}  # bid, bit 0 masked
        self.nodes: dict[int, Node] = {}
        self.home: dict[int, int] = {}  # NID -> ib of its NBT leaf
        self.roots = {
            NBT: self.layout.ident(data, self.layout.nbt_root),
            BBT: self.layout.ident(data, self.layout.bbt_root),
        }
        for tree, root in self.roots.items():
            self._walk(tree, root)

    @classmethod
    def open(cls, path) -> "Ndb":
        with open(path, "rb") as file:
            return cls(file.read())

    def _walk(self, tree: str, root: int) -> None:
        layout, width = self.layout, self.layout.id_width
        pending = [root]
        while pending:
            ib = pending.pop()
            if ib in self.pages:
                raise NotHealthy(f"two ways to the page at {ib:#x}")
            page = self.bytes[ib : ib + layout.page]
            if len(page) < layout.page:
                raise NotHealthy(f"the page at {ib:#x} is beyond the end")
            count, _, stride, level = struct.unpack_from(layout.meta_format, page, layout.meta)
            if not stride or count * stride > layout.meta:
                raise NotHealthy(f"the page at {ib:#x} has {count} entries of {stride} bytes")
            self.pages[ib] = tree, level
            entries = range(0, count * stride, stride)
            if level:
                pending.extend(layout.ident(page, at + 2 * width) for at in entries)
            elif tree == NBT:
                for at in entries:
                    nid, data, sub = (layout.ident(page, at + i * width) for i in range(3))
                    parent = struct.unpack_from("<I", page, at + 3 * width)[0]
                    nid &= 0xFFFF_FFFF
                    self.nodes[nid] = Node(nid, data & ~1, sub & ~1, parent)
                    self.home[nid] = ib
            else:
                for at in entries:
                    self._add_block(page, at)

    def _add_block(self, page: bytes, at: int) -> None:
        layout, width = self.layout, self.layout.id_width
        bid, ib = layout.ident(page, at), layout.ident(page, at + width)
        cb, second = struct.unpack_from("<HH", page, at + 2 * width)
        size = -(-(cb + layout.trailer) // layout.slot) * layout.slot
        inflated = second if layout is UNICODE4K else cb
        self.blocks[bid & ~1] = Block(bid & ~1, ib, cb, inflated, size)

    def internal(self, block: Block) -> bytes:
        """Contents of an X, XX, SL or SI block: never encoded, deflated in some 4 KiB-page files."""
        stored = self.bytes[block.ib : block.ib + block.cb]
        return stored if block.cb == block.inflated else zlib.decompress(stored)

    def data_tree(self, bid: int) -> set[int]:
        """All blocks of a data tree, its own X and XX blocks too."""
        found, pending = set(), [bid & ~1]
        while pending:
            bid = pending.pop()
            if not bid or bid in found:
                continue
            found.add(bid)
            if bid & 2:
                data = self.internal(self._block(bid))
                width, count = self.layout.id_width, struct.unpack_from("<H", data, 2)[0]
                pending.extend(self.layout.ident(data, 8 + i * width) & ~1 for i in range(count))
        return found

    def sub_tree(self, bid: int) -> set[int]:
        """All blocks of a sub-node tree: its SL and SI blocks, and both trees of every sub-node."""
        found, pending = set(), [bid & ~1]
        layout, width = self.layout, self.layout.id_width
        while pending:
            bid = pending.pop()
            if not bid or bid in found:
                continue
            found.add(bid)
            data = self.internal(self._block(bid))
            level, count = data[1], struct.unpack_from("<H", data, 2)[0]
            stride = (2 if level else 3) * width
            for at in range(layout.sub_header, layout.sub_header + count * stride, stride):
                if level:
                    pending.append(layout.ident(data, at + width) & ~1)
                else:
                    found |= self.data_tree(layout.ident(data, at + width))
                    pending.append(layout.ident(data, at + 2 * width) & ~1)
        return found

    def _block(self, bid: int) -> Block:
        try:
            return self.blocks[bid]
        except KeyError:
            raise NotHealthy(f"no block {bid:#x}") from None

    def all_blocks(self, node: Node) -> set[int]:
        return self.data_tree(node.data) | self.sub_tree(node.sub)

    def messages(self) -> list[Node]:
        return [node for node in self.nodes.values() if node.kind in (MESSAGE, ASSOCIATED)]
