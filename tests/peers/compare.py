#!/usr/bin/env python3
"""Compares what pstkit says of healthy files with what independent readers say.

Prints a table file x peer (`=` equal, `n` differences, `n!` of them not explained in explained.toml, `-` the peer
could not read it), then each difference. Without a built pstkit, or with `--reference NAME`, another reader takes its
place, which tests the harness. Exit status 1: a difference that nothing explains.

usage: compare.py [--bin PATH] [--reference NAME] [--peers NAME,NAME] [FILE...]      default: the corpus in ../shared
"""

import argparse
import csv
import sys
import tomllib
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Callable, Iterator

from readers import HERE, PEERS, SHARED, Peer, Reading, available, default_binary, pstkit

CORPUS = SHARED / "corpus"


@dataclass(frozen=True)
class Difference:
    file: str
    peer: str
    what: str
    nid: int | None
    ours: object
    theirs: object

    def __str__(self) -> str:
        where = f" {self.nid:#x}" if self.nid is not None else ""
        return f"{self.file}: {self.peer}{where}: {self.what}: {short(self.ours)} but {self.peer} {short(self.theirs)}"


def short(value) -> str:
    if isinstance(value, dict) and "sha256" in value:
        return f"{value.get('length')} bytes {value['sha256'][:12]}"
    text = str(value)
    return text if len(text) <= 120 else text[:117] + "..."


# --- one file -------------------------------------------------------------------------------------------------------

Pair = tuple[str, object, object]  # what, ours, theirs


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def same_time(ours: str | None, theirs: str | None) -> bool:
    """Some readers keep milliseconds only."""
    a, b = moment(ours), moment(theirs)
    return a == b or (a is not None and b is not None and abs(a - b) < timedelta(milliseconds=2))


def same_body(ours: dict | None, theirs: dict | None) -> bool:
    if not (ours and ours.get("length")) or not (theirs and theirs.get("length")):
        return not (ours and ours.get("length")) and not (theirs and theirs.get("length"))
    return bool({ours["sha256"], *ours.get("variants", [])} & {theirs["sha256"], *theirs.get("variants", [])})


def same_text(ours, theirs) -> bool:
    return (ours or "").rstrip("\0") == (theirs or "").rstrip("\0")


def same_path(ours, theirs) -> bool:
    return (ours or "").strip("/") == (theirs or "").strip("/")


FIELDS: dict[str, Callable[[object, object], bool]] = {
    "class": same_text,
    "subject": same_text,
    "folder": same_path,
    "sent": same_time,
    "received": same_time,
    "flags": lambda ours, theirs: (ours or 0) == (theirs or 0),
}


def field_pairs(ours: dict, theirs: dict) -> Iterator[Pair]:
    for name, same in FIELDS.items():
        if name in ours and name in theirs and not same(ours[name], theirs[name]):
            yield name, ours[name], theirs[name]
    if ours.get("from") is not None and theirs.get("from") is not None:
        if not same_text(ours["from"].get("name"), theirs["from"].get("name")):
            yield "sender", ours["from"].get("name"), theirs["from"].get("name")
    yield from recipient_pairs(ours, theirs)
    for name, body in (theirs.get("bodies") or {}).items():
        mine = (ours.get("bodies") or {}).get(name)
        if name in (ours.get("bodies") or {}) and not same_body(mine, body):
            yield f"{name} body", mine, body


def recipient_pairs(ours: dict, theirs: dict) -> Iterator[Pair]:
    """By name. `to` may hold the copies too, or `cc` and `bcc` may stand beside it."""
    if "to" not in ours or "to" not in theirs:
        return
    mine, all_theirs = recipient_names(ours, "to", "cc", "bcc"), recipient_names(theirs, "to", "cc", "bcc")
    if recipient_names(theirs, "to") - mine or mine - all_theirs:
        yield "recipients", sorted((mine - all_theirs).elements()), sorted((all_theirs - mine).elements())


def recipient_names(item: dict, *keys: str) -> Counter:
    return Counter((one.get("name") or "").rstrip("\0") for key in keys for one in item.get(key) or [])


def attachment_pairs(ours: list[dict], theirs: list[dict]) -> Iterator[Pair]:
    if len(ours) != len(theirs):
        yield "attachments", len(ours), len(theirs)
        return
    left = list(ours)
    for one in theirs:
        mine = min(left, key=lambda candidate: mismatch(candidate, one))
        left.remove(mine)
        if one.get("sha256") and mine.get("sha256") and mine["sha256"] != one["sha256"]:
            yield "attachment data", (mine.get("name"), mine.get("sha256")), (one.get("names"), one["sha256"])
        if one.get("names") and names(mine) and not names(mine) & names(one):
            yield "attachment name", sorted(names(mine)), sorted(names(one))
        if one.get("method") is not None and mine.get("method") is not None and method(one) != method(mine):
            yield "attachment method", mine["method"], one["method"]
        if one.get("embedded") and mine.get("embedded"):
            yield from item_pairs(mine["embedded"], one["embedded"])
        elif one.get("embedded") and "embedded" in mine:
            yield "embedded message", mine["embedded"], one["embedded"].get("subject")


METHODS = {"none": 0, "by-value": 1, "by-reference": 2, "by-reference-resolve": 3, "by-reference-only": 4,
           "embedded": 5, "embedded-message": 5, "ole": 6, "storage": 6, "by-web-reference": 7, "web-reference": 7}  # fmt: skip


def method(attachment: dict) -> object:
    value = attachment["method"]
    return METHODS.get(value.replace("_", "-").lower(), value) if isinstance(value, str) else value


def names(attachment: dict) -> set[str]:
    return set(attachment.get("names") or [attachment.get("name")]) - {None, ""}


def mismatch(mine: dict, one: dict) -> tuple[bool, bool]:
    return bool(one.get("sha256") and mine.get("sha256") != one["sha256"]), not names(mine) & names(one)


def item_pairs(ours: dict, theirs: dict) -> Iterator[Pair]:
    yield from field_pairs(ours, theirs)
    if ours.get("attachments") is not None and theirs.get("attachments") is not None:
        yield from attachment_pairs(ours["attachments"], theirs["attachments"])


def by_nid(items: list[dict]) -> dict[int, dict]:
    return {item["nid"]: item for item in items if item.get("nid") is not None}


def pairs(reference: Reading, reading: Reading, peer: Peer) -> Iterator[tuple[int | None, Pair]]:
    if peer.has_folders and len(reference.folders) != len(reading.folders):
        yield None, ("folders", len(reference.folders), len(reading.folders))
    if not peer.has_nids:
        if len(reference.messages) != len(reading.messages):
            yield None, ("messages", len(reference.messages), len(reading.messages))
        if reference.attachments != reading.attachments:
            yield None, ("all attachments", reference.attachments, reading.attachments)
        theirs = digests(reading) - digests(reference)
        if theirs:
            yield None, ("attachment data", "no such digests", [one[:12] for one in theirs])
        return
    ours, theirs = by_nid(reference.items), by_nid(reading.items)
    lists_associated = bool(reading.of_kind("associated"))
    for nid, item in ours.items():
        if nid in theirs:
            for pair in item_pairs(item, theirs[nid]):
                yield nid, pair
        elif item["kind"] == "message" or lists_associated:
            yield nid, ("missing", item.get("subject"), "does not list it")
    for nid in theirs.keys() - ours.keys():
        yield nid, ("extra", "not listed", theirs[nid].get("subject"))


def digests(reading: Reading) -> Counter:
    return Counter(
        attachment["sha256"]
        for item in reading.messages
        for attachment in item.get("attachments") or []
        if attachment.get("sha256") and attachment.get("size", 1)
    )


def differences(name: str, reference: Reading, reading: Reading, peer: Peer) -> list[Difference]:
    found = []
    if reading.exit != 0:
        found.append(Difference(name, reading.reader, "run", None, reference.exit, "; ".join(reading.errors[-2:])))
    if reading.exit == 0 or reading.items:
        found += [Difference(name, reading.reader, *with_nid(nid, pair)) for nid, pair in pairs(reference, reading, peer)]
    return found


def admitted(difference: Difference, reading: Reading) -> str | None:
    """A peer that says itself that it could not read an item explains why it is not listed."""
    if difference.what != "missing" or difference.nid is None:
        return None
    for error in reading.errors:
        if f"{difference.nid:#x}:" in error:
            return "it reports an error: " + error.rsplit(": ", 2 if ": 0x" in error[-12:] else 1)[1]
    return None


def with_nid(nid: int | None, pair: Pair) -> tuple:
    what, ours, theirs = pair
    return what, nid, ours, theirs


# --- expected.tsv ---------------------------------------------------------------------------------------------------


def expectations() -> dict[str, dict[str, str]]:
    path = CORPUS / "expected.tsv"
    if not path.is_file():
        return {}
    with open(path, newline="") as file:
        rows = csv.DictReader((line for line in file if not line.startswith("#")), delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["file"]: row for row in rows}


def expected_differences(name: str, reference: Reading, row: dict[str, str]) -> list[Difference]:
    """Against the number of nodes of each type in the NBT."""
    found = {"messages": len(reference.messages), "folders and search folders": len(reference.folders)}
    wanted = {"messages": number(row["messages"]), "folders and search folders": None}
    if number(row["folders"]) is not None and number(row["search_folders"]) is not None:
        wanted["folders and search folders"] = number(row["folders"]) + number(row["search_folders"])
    if reference.reader == "pstkit":  # the other readers list no associated messages
        found["associated"], wanted["associated"] = len(reference.of_kind("associated")), number(row["associated"])
    return [
        Difference(name, "expected.tsv", what, None, found[what], value)
        for what, value in wanted.items()
        if value is not None and value != found[what]
    ]


def number(cell: str | None) -> int | None:
    return int(cell) if cell and cell.isdigit() else None


# --- the report -----------------------------------------------------------------------------------------------------


class Explanations:
    def __init__(self, path: Path):
        self.entries = tomllib.loads(path.read_text()).get("explained", [])

    def reason(self, difference: Difference, reference: str) -> str | None:
        for entry in self.entries:
            if (
                fnmatch(difference.peer, entry.get("peer", "*"))
                and fnmatch(difference.file, entry.get("file", "*"))
                and difference.what in entry.get("what", [difference.what])
                and difference.nid in entry.get("nid", [difference.nid])
                and reference in entry.get("reference", [reference])
            ):
                return entry["reason"]
        return None


def cell(found: list[Difference], reasons: list[str | None]) -> str:
    if len(found) == 1 and found[0].what == "run" and reasons[0]:
        return "-"
    unexplained = reasons.count(None)
    return "=" if not found else f"{len(found)}" + (f" ({unexplained}!)" if unexplained else "")


def corpus_files() -> list[Path]:
    return sorted(path for path in CORPUS.glob("*/*") if path.is_file())


def name_of(path: Path) -> str:
    path = path.resolve()
    return str(path.relative_to(CORPUS.resolve())) if path.is_relative_to(CORPUS.resolve()) else str(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path, default=default_binary())
    parser.add_argument("--reference", help="compare the peers with this one instead of with pstkit")
    parser.add_argument("--peers", help="only these, comma-separated")
    parser.add_argument("--all", action="store_true", help="print explained differences too")
    parser.add_argument("files", nargs="*", type=Path)
    args = parser.parse_args()

    peers = available()
    if args.reference is None and not args.bin.is_file():
        print(f"{args.bin} is not built: pypff takes its place\n")
        args.reference = "pypff"
    if args.reference is not None and args.reference not in peers:
        print(f"skipped: no {args.reference} here\n0 passed, 0 failed, 1 skipped")
        return 0
    files = args.files or (corpus_files() if CORPUS.is_dir() else [])
    if not files:
        print("skipped: ../shared is not here\n0 passed, 0 failed, 1 skipped")
        return 0
    read_reference = peers[args.reference].read if args.reference else partial(pstkit, args.bin)
    chosen = args.peers.split(",") if args.peers else list(peers)
    peers = {name: peer for name, peer in peers.items() if name in chosen and name != args.reference}
    explanations, expected = Explanations(HERE / "explained.toml"), expectations()

    passed = failed = skipped = 0
    for name in PEERS:
        if name in (args.peers.split(",") if args.peers else PEERS) and name not in available():
            print(f"skipped: {name} is not installed (setup.sh)")
            skipped += 1
    all_differences: list[tuple[Difference, str | None]] = []
    columns = ["expected.tsv", *peers]
    width = max(len(name_of(file)) for file in files)
    print(f"{'file':{width}}  {'f/m/a':>12}  " + "  ".join(f"{name:>14}" for name in columns))
    for file in files:
        name = name_of(file)
        row = expected.get(name)
        if row is not None and number(row["messages"]) is None:
            print(f"{name:{width}}  skipped: {row['flags']} {row['writer']}")
            skipped += 1
            continue
        reference = read_reference(file)
        found = {"expected.tsv": expected_differences(name, reference, row) if row else None}
        readings = {peer_name: peer.read(file) for peer_name, peer in peers.items()}
        for peer_name, reading in readings.items():
            found[peer_name] = differences(name, reference, reading, peers[peer_name])
        cells = []
        for column in columns:
            if found[column] is None:
                cells.append("-")
                continue
            reasons = [
                explanations.reason(one, reference.reader)
                or (admitted(one, readings[column]) if column in readings else None)
                for one in found[column]
            ]
            all_differences += zip(found[column], reasons)
            cells.append(cell(found[column], reasons))
            failed, passed = failed + (None in reasons), passed + (None not in reasons)
        counts = "/".join(map(str, reference.counts()))
        print(f"{name:{width}}  {counts:>12}  " + "  ".join(f"{one:>14}" for one in cells))

    report(all_differences, args.all)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


def report(found: list[tuple[Difference, str | None]], everything: bool) -> None:
    unexplained = [difference for difference, reason in found if reason is None]
    if unexplained:
        print("\nNot explained:")
        print_grouped(unexplained, "  ")
    by_reason = Counter((difference.peer, reason) for difference, reason in found if reason is not None)
    if by_reason:
        print("\nExplained:")
    for (peer, reason), count in by_reason.most_common():
        print(f"  {count:5} {peer}: {reason}")
        if everything:
            for difference, why in found:
                if (difference.peer, why) == (peer, reason):
                    print(f"          {difference}")
    print()


def print_grouped(found: list[Difference], indent: str, most: int = 4) -> None:
    """One damaged table makes a hundred messages miss: a few of each sort are enough."""
    groups: dict[tuple, list[Difference]] = {}
    for difference in found:
        groups.setdefault((difference.file, difference.peer, difference.what), []).append(difference)
    for group in groups.values():
        for difference in group[:most]:
            print(f"{indent}{difference}")
        if len(group) > most:
            print(f"{indent}... and {len(group) - most} more: {group[0].what}")


if __name__ == "__main__":
    sys.exit(main())
