#!/usr/bin/env python3
"""How much of what is physically there does pstkit bring back?

Each corpus file is damaged in every way of ../shared/damage/damage.py and of more_damage.py; then
`pstkit repair -y --allow-loss DAMAGED -o OUT` runs, and OUT is compared with the healthy file:

    every message that truth.py calls intact must stand in OUT, by content_sha256 (as often as in the healthy file);
    how many of them stand in the folder they came from is reported, and so are those recovered in part;
    where anything did not come back whole, the exit status must say so (64) and the account must count or name it; where
    nothing of any item or folder is damaged, a loss that is told of is counted as a false alarm;
    `pstkit check OUT` must say clean or minor; the peers must count in OUT what pstkit counts there
    (a peer that already counts less in the healthy file may go on doing so; kinds of messages that a peer never counts,
    and what else it cannot do, stand in explained.toml under [[unwritten]] and [[recovery]], with reasons).

`--how` chooses the command: repair (into a new file), in-place (and then `undo` must bring the damaged bytes back),
recover, compact, unicode, ansi, ost4k (convert). The last four are for `--kinds healthy`.

Prints a Markdown table for each file, and the totals. Exit status 1: something of this does not hold.
The number of messages is that of type 4; associated messages (type 8) have a column of their own.

usage: recovery.py [--bin PATH] [--how HOW,HOW] [--kinds NAME,NAME] [--files GLOB,GLOB] [--seed N] [--peers NAME,NAME]
                   [--json OUT] [--keep DIR]
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import more_damage
from compare import CORPUS, corpus_files, expectations, name_of, number
from ndb import ASSOCIATED, MESSAGE, NotHealthy
from readers import HERE, SHARED, Reading, available, default_binary, pstkit, run
from truth import INTACT, LOST, Segment, Truth

CRASHES = {101: "panic", -6: "abort", -9: "killed", -11: "segmentation fault", "timeout": "timeout"}
COULD_NOT = 8
TIMEOUT = 300
# Variants that a peer does not open.
UNREAD = {"ansi": {"pst-extractor"}, "ost4k": {"outlook-pst"}}
EXPLANATIONS = tomllib.loads((HERE / "explained.toml").read_text())
NAME_MAP = 0x61


@dataclass
class Outcome:
    """One damaged file, and what came back. Numbers are of messages of type 4 unless said otherwise."""

    file: str
    damage: str
    note: str = ""
    messages: int = 0
    ceiling_full: int = 0
    ceiling_pc: int = 0
    recovered_full: int = 0  # of the intact ones
    recovered_beyond: int = 0  # whole again, although a block of theirs is damaged
    recovered_partly: int = 0
    recovered_without: int = 0  # of both, those whose property context is lost
    extra: int = 0  # duplicates, or messages that the healthy file does not list
    folder_ceiling: int = 0  # intact ones whose folder can still be known
    right_folder: int = 0
    right_of_known: int = 0  # of those whose folder can still be known
    elsewhere: list[int] = field(default_factory=list)  # the others of these, by NID
    wrong_folder: int = 0  # of any kind, in another folder than their own that is not Lost and Found
    live_though_dead: int = 0  # live items of the result, of any kind, that the healthy file did not have live
    associated_ceiling: int = 0
    associated_full: int = 0
    repair_exit: int | str = 0
    check: str = ""
    peers: dict[str, int | str] = field(default_factory=dict)
    seconds: float = 0.0
    false_alarm: str = ""  # what is told of though everything is there
    failures: list[str] = field(default_factory=list)
    explained: list[str] = field(default_factory=list)


@dataclass
class Healthy:
    name: str
    path: Path
    truth: Truth
    items: dict[int, dict]
    peers: dict[str, Reading]
    readings: dict[tuple[str, bytes], Reading] = field(default_factory=dict)  # of repaired files, by digest

    def read(self, peer: str, file: Path) -> Reading:
        """What a peer makes of a file; many damages are repaired into the same one."""
        key = peer, hashlib.sha256(file.read_bytes()).digest()
        if key not in self.readings:
            self.readings[key] = available()[peer].read(file)
        return self.readings[key]


def weak_key(item: dict) -> tuple:
    """What a message that came back in part is known by."""
    return item.get("subject"), item.get("sent"), item.get("class")


def same_folder(item: dict) -> str:
    return (item.get("folder") or "").strip("/")


def compare(healthy: Healthy, states: dict[int, str], placed: set[int], out: list[dict], outcome: Outcome) -> int:
    """Counts what came back; every item of OUT stands for one message at most. Answers how many are not there whole."""
    left = Counter((item["content_sha256"], same_folder(item)) for item in out)
    anywhere = Counter(item["content_sha256"] for item in out)
    matched: dict[int, bool] = {}
    # First those in the right folder, so that equal messages in two folders do not take each other's place.
    ordered = sorted(healthy.items, key=lambda nid: states.get(nid, LOST) != INTACT)
    for in_place in (True, False):
        for nid in ordered:
            digest, folder = healthy.items[nid]["content_sha256"], same_folder(healthy.items[nid])
            if nid in matched or not anywhere[digest] or (in_place and not left[digest, folder]):
                continue
            anywhere[digest] -= 1
            if in_place:
                left[digest, folder] -= 1
            matched[nid] = in_place
    rest = Counter()
    for item in out:
        rest[weak_key(item)] += 1
    for nid in matched:
        rest[weak_key(healthy.items[nid])] -= 1

    outcome.wrong_folder = in_wrong_folder(healthy, left, [nid for nid, in_place in matched.items() if not in_place])
    missing = []
    for nid, item in healthy.items.items():
        state, is_message = states.get(nid, LOST), nid & 0x1F == MESSAGE
        if not is_message:
            outcome.associated_full += nid in matched and state == INTACT
        elif nid in matched:
            outcome.right_folder += matched[nid]
            if nid in placed and state == INTACT:
                outcome.right_of_known += matched[nid]
                outcome.elsewhere += [] if matched[nid] else [nid]
            outcome.recovered_full += state == INTACT
            outcome.recovered_beyond += state != INTACT
            outcome.recovered_without += state == LOST
        elif rest[weak_key(item)] > 0:
            rest[weak_key(item)] -= 1
            outcome.recovered_partly += 1
            outcome.recovered_without += state == LOST
        if state == INTACT and nid not in matched:
            missing.append(nid)
    outcome.live_though_dead = sum(n for n in rest.values() if n > 0)
    messages_out = sum(item["kind"] == "message" for item in out)
    outcome.extra = messages_out - outcome.recovered_full - outcome.recovered_beyond - outcome.recovered_partly
    # characters that an ANSI file cannot hold: told by the exit status
    unfit = outcome.damage.endswith("(ansi)") and outcome.repair_exit in (64, 68)
    if missing and not unfit:
        some = " ".join(f"{nid:#x}" for nid in missing[:6])
        outcome.failures.append(f"{len(missing)} intact items did not come back: {some}")
    return len(healthy.items) - len(matched)


def in_wrong_folder(healthy: Healthy, left: Counter, displaced: list[int]) -> int:
    """How many of the displaced items are in a folder that is neither theirs nor Lost and Found; LEFT is what no item in its folder took."""
    folders: dict[str, list[str]] = {}
    for (digest, folder), n in sorted(left.items()):
        folders.setdefault(digest, []).extend([folder] * n)
    found = (folders[healthy.items[nid]["content_sha256"]].pop() for nid in displaced)
    return sum("Lost and Found" not in folder for folder in found)


def answer_for_loss(account: dict, missing: int, untouched: bool, outcome: Outcome) -> None:
    """Silence about a loss is a failure; a loss that is none is counted."""
    told = sum(account[kind][how] for kind in ("messages", "associated", "attachments") for how in ("lost", "partial"))
    unnamed, status = account["missing_bytes"] + account["unexplained_bytes"], outcome.repair_exit
    says_so = isinstance(status, int) and bool(status & 64)
    if missing and not says_so:
        outcome.failures.append(f"{missing} items are not there whole, and the exit status is {status}")
    elif missing > told and not unnamed:
        outcome.failures.append(f"{missing} items are not there whole, and the account tells of {told}")
    # that another file behind this one is left where it is, is told of, and so
    if untouched and not missing and (told or unnamed or (says_so and not account["apart_bytes"])):
        outcome.false_alarm = f"exit {status}, {told} items, {account['missing_bytes']} + {account['unexplained_bytes']} bytes"


def command(binary: Path, how: str, damaged: Path, out: Path) -> list:
    if how == "in-place":
        return [binary, "repair", "-y", "--allow-loss", "--json", "--in-place", out]
    if how == "repair":
        return [binary, "repair", "-y", "--allow-loss", "--json", damaged, "-o", out]
    if how in ("recover", "compact"):
        return [binary, how, damaged, "-o", out]
    return [binary, "convert", damaged, "-o", out, "--to", how]


def judge(
    binary: Path, how: str, keep: Path | None, healthy: Healthy, damage: str, note: str, data: bytes, segments: list[Segment] | None
) -> Outcome:
    outcome = Outcome(healthy.name, damage if how == "repair" else f"{damage} ({how})", note)
    states = healthy.truth.states(data, segments)
    of_messages = [state for nid, state in states.items() if nid & 0x1F == MESSAGE]
    outcome.messages = len(of_messages)
    outcome.ceiling_full = of_messages.count(INTACT)
    outcome.ceiling_pc = len(of_messages) - of_messages.count(LOST)
    placed = healthy.truth.placed(data, segments)
    outcome.folder_ceiling = sum(states[nid] == INTACT for nid in placed if nid & 0x1F == MESSAGE)
    outcome.associated_ceiling = sum(s == INTACT for nid, s in states.items() if nid & 0x1F == ASSOCIATED)
    nothing_there = not outcome.ceiling_full and not outcome.associated_ceiling

    with tempfile.TemporaryDirectory() as scratch:
        damaged = Path(scratch) / f"damaged{healthy.path.suffix}"
        out = Path(scratch) / f"out{healthy.path.suffix}"
        damaged.write_bytes(data)
        if how == "in-place":
            out.write_bytes(data)
        started = time.monotonic()
        outcome.repair_exit, report, errors = run(command(binary, how, damaged, out), TIMEOUT)
        outcome.seconds = round(time.monotonic() - started, 2)
        if outcome.repair_exit in CRASHES:
            outcome.failures.append(f"repair: {CRASHES[outcome.repair_exit]}")
        if damaged.read_bytes() != data:
            outcome.failures.append("repair changed its source")
        if not out.is_file() or (how == "in-place" and outcome.repair_exit == COULD_NOT):
            outcome.check = "-"
            # in place nothing can be done where all bytes have moved: that is said, and the file stays as it is
            refused = how == "in-place" and segments is not None and out.read_bytes() == data
            if not nothing_there and not refused:
                outcome.failures.append(f"no result: repair {errors[-200:] or outcome.repair_exit}")
        else:
            names = names_are_whole(healthy.truth, data, segments)
            missing = examine(binary, how, healthy, states, set(placed), names, out, outcome)
            if how in ("repair", "in-place") and outcome.repair_exit not in CRASHES:
                untouched = set(states.values()) <= {INTACT} and healthy.truth.folders_whole(data, segments)
                answer_for_loss(json.loads(report)["account"], missing, untouched, outcome)
        if how == "in-place":
            undone(binary, out, data, outcome)
        if keep and outcome.failures:
            name = f"{healthy.name.replace('/', '__')}@{outcome.damage.replace(' ', '')}"
            for file in (damaged, out):
                if file.is_file():
                    shutil.copy(file, keep / f"{name}.{file.name}")
    for failure in outcome.failures:
        print(f"{healthy.name}: {outcome.damage}: {failure}", file=sys.stderr, flush=True)
    return outcome


def names_are_whole(truth: Truth, data: bytes, segments: list[Segment] | None) -> bool:
    """Whether the map of named properties is what it was."""
    node = truth.ndb.nodes.get(NAME_MAP)
    return node is not None and truth.ndb.all_blocks(node) <= truth.whole_blocks(data, segments)


def examine(
    binary: Path, how: str, healthy: Healthy, states: dict[int, str], placed: set[int], names: bool, out: Path, outcome: Outcome
) -> int:
    """Answers how many items are not there whole."""
    result = pstkit(binary, out)
    if result.exit != 0:
        outcome.failures.append(f"items on the result: exit {result.exit}")
    missing = compare(healthy, states, placed, [item for item in result.items if "content_sha256" in item], outcome)
    outcome.check = verdict(binary, out)
    if outcome.check not in ("clean", "minor"):
        outcome.failures.append(f"check of the result: {outcome.check}")
    ours = len(result.messages)
    for name, before in healthy.peers.items():
        if name in UNREAD.get(how, ()):
            continue
        reading = healthy.read(name, out)
        theirs = len(reading.messages)
        outcome.peers[name] = theirs if reading.exit == 0 else f"{theirs} exit {reading.exit}"
        messages = [item for nid, item in healthy.items.items() if nid & 0x1F == MESSAGE]
        usual = max(0, outcome.messages - len(before.messages) - unwritten(name, messages, healthy, True))
        usual += unwritten(name, result.messages, healthy, names)
        if before.exit == 0 and (reading.exit != 0 or theirs > ours or ours - theirs > usual):
            text = f"{name} counts {outcome.peers[name]}, pstkit {ours}: {reading.errors[-1:]}"
            reason = explanation(name, healthy.name, outcome.damage)
            (outcome.explained if reason else outcome.failures).append(f"{text}{f' ({reason})' if reason else ''}")
    return missing


def unwritten(peer: str, messages: list[dict], healthy: Healthy, names: bool) -> int:
    """How many of the messages the peer never counts: because of their class, or because too little of them is left."""
    whole = {item["content_sha256"] for item in healthy.items.values()}

    def matches(item: dict, one: dict) -> bool:
        damaged = not names or item.get("content_sha256") not in whole
        fits = any(fnmatch(item.get("class") or "", pattern) for pattern in one["class"])
        return one["peer"] == peer and fits and (damaged or not one.get("in_part"))

    return sum(any(matches(item, one) for one in EXPLANATIONS["unwritten"]) for item in messages)


def explanation(peer: str, file: str, damage: str) -> str | None:
    for one in EXPLANATIONS.get("recovery", []):
        if fnmatch(peer, one["peer"]) and fnmatch(file, one.get("file", "*")) and fnmatch(damage, one.get("damage", "*")):
            return one["reason"]
    return None


def undone(binary: Path, file: Path, data: bytes, outcome: Outcome) -> None:
    """After a repair in place the undo file brings the damaged bytes back."""
    undo = Path(f"{file}.undo")
    repaired = file.read_bytes()
    if not undo.is_file():
        if repaired != data:
            outcome.failures.append("changed in place without an undo file")
        return
    status, _, err = run([binary, "undo", undo], TIMEOUT)
    if status != 0 or file.read_bytes() != data:
        outcome.failures.append(f"undo: exit {status}: {err.decode(errors='replace').strip()[-200:]}")
    file.write_bytes(repaired)  # for --keep


def verdict(binary: Path, file: Path) -> str:
    status, out, _ = run([binary, "check", "--json", file], TIMEOUT)
    if status in CRASHES:
        return CRASHES[status]
    try:
        return str(json.loads(out)["verdict"])
    except (ValueError, KeyError, TypeError):
        return {0: "clean", 4: "errors", 8: "fatal"}.get(status, f"exit {status}")


# --- the damages ----------------------------------------------------------------------------------------------------


def damaged_copies(healthy: Healthy, seed: int, kinds: list[str] | None, scratch: Path):
    """(kind, note, bytes, segments) of every damage, the healthy file itself first."""

    def wanted(kind: str) -> bool:
        return kinds is None or any(fnmatch(kind, pattern) for pattern in kinds)

    if wanted("healthy"):
        yield "healthy", "", healthy.truth.ndb.bytes, None
    script = SHARED / "damage/damage.py"
    if script.is_file():
        command = [sys.executable, script, healthy.path, scratch, str(seed)]
        made = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if made.returncode:
            last = made.stderr.decode(errors="replace").strip().splitlines()[-1:]
            print(f"(damage.py on {healthy.name}: {last}; only what it made before is used)")
        for path in sorted(scratch.iterdir()):
            if path.name != "manifest.json" and wanted(path.stem):
                yield path.stem, "", path.read_bytes(), None
    for one in more_damage.damages(healthy.truth.ndb, seed, [kind for kind in more_damage.KINDS if wanted(kind)]):
        yield one.kind, one.note, one.data, one.segments


def open_healthy(binary: Path, path: Path, peers: list[str]) -> Healthy | str:
    """The file, or why it is of no use here."""
    row = expectations().get(name_of(path))
    if row is not None and (number(row["messages"]) is None or "CORRUPT" in row["flags"]):
        return f"{row['writer']} {row['flags']}"
    try:
        truth = Truth(path)
    except NotHealthy as error:
        return str(error)
    reading = pstkit(binary, path)
    items = {item["nid"]: item for item in reading.items if "content_sha256" in item}
    missing = truth.needs.keys() - items.keys()
    if missing:
        print(f"(pstkit items lacks {len(missing)} of {len(truth.needs)} items of the healthy {name_of(path)})")
    return Healthy(name_of(path), path, truth, items, {name: available()[name].read(path) for name in peers})


# --- the report -----------------------------------------------------------------------------------------------------


def table(outcomes: list[Outcome], peers: list[str]) -> str:
    head = ["damage", "ceiling full", "ceiling pc", "recovered full", "beyond", "partly", "extra", "folder ceiling", "right folder", "wrong folder"]
    head += ["live though dead", "associated"]
    head += [*peers, "check", "repair", "s", ""]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for one in outcomes:
        cells = [one.damage, one.ceiling_full, one.ceiling_pc, one.recovered_full, one.recovered_beyond, one.recovered_partly]
        cells += [one.extra, one.folder_ceiling, one.right_folder, one.wrong_folder, one.live_though_dead, f"{one.associated_full}/{one.associated_ceiling}"]
        cells += [one.peers.get(name, "-") for name in peers]
        cells += [one.check, one.repair_exit, one.seconds, "FAIL" if one.failures else ""]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def percent(part: int, whole: int) -> str:
    return f"{part} of {whole} ({100 * part / whole:.2f} %)" if whole else "none there"


def totals(outcomes: list[Outcome]) -> str:
    def total(key: str) -> int:
        return sum(getattr(one, key) for one in outcomes)

    came_back = total("recovered_full") + total("recovered_beyond")
    with_context = came_back + total("recovered_partly") - total("recovered_without")
    lines = [
        f"recovery efficiency, intact messages: {percent(total('recovered_full'), total('ceiling_full'))}",
        f"recovery efficiency, intact associated messages: {percent(total('associated_full'), total('associated_ceiling'))}",
        f"messages with a property context, whole or in part: {percent(with_context, total('ceiling_pc'))}",
        f"whole although a block is damaged: {total('recovered_beyond')}, in part: {total('recovered_partly')}, extra: {total('extra')}",
        f"a loss is told of though nothing is lost: {sum(bool(one.false_alarm) for one in outcomes)} of {len(outcomes)}",
        f"in the folder they came from: {percent(total('right_folder'), came_back)}",
        f"in a wrong folder: {total('wrong_folder')}, live though the healthy file did not have them live: {total('live_though_dead')}",
        f"in their folder, of the intact ones whose folder can still be known: {percent(total('right_of_known'), total('folder_ceiling'))}",
    ]
    return "\n".join(lines)


def by_damage(outcomes: list[Outcome]) -> str:
    lines = ["| damage | files | efficiency | right folder | failed |", "|---|---|---|---|---|"]
    for damage in dict.fromkeys(one.damage for one in outcomes):
        some = [one for one in outcomes if one.damage == damage]
        full, ceiling = sum(one.recovered_full for one in some), sum(one.ceiling_full for one in some)
        came_back = full + sum(one.recovered_beyond for one in some)
        cells = damage, len(some), percent(full, ceiling), percent(sum(one.right_folder for one in some), came_back)
        lines.append("| " + " | ".join(map(str, [*cells, sum(bool(one.failures) for one in some)])) + " |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path, default=default_binary())
    parser.add_argument("--how", default="repair", help="repair, in-place, recover, compact, unicode, ansi, ost4k; comma-separated")
    parser.add_argument("--kinds", help="globs of damage names, comma-separated")
    parser.add_argument("--files", help="globs over the paths below the corpus, or paths of healthy files, comma-separated")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--peers", default="pypff", help="comma-separated, or all, or none (default: pypff)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="write every outcome here")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep damaged and repaired files of failures here")
    args = parser.parse_args()

    if not args.bin.is_file():
        print(f"skipped: {args.bin} is not built\n0 passed, 0 failed, 1 skipped")
        return 0
    files = corpus_files() if CORPUS.is_dir() else []
    if args.files:
        patterns = args.files.split(",")
        files = [path for path in files if any(fnmatch(name_of(path), pattern) for pattern in patterns)]
        files += [Path(pattern) for pattern in patterns if Path(pattern).is_file()]
    if not files:
        print("skipped: no such file, or ../shared is not here\n0 passed, 0 failed, 1 skipped")
        return 0
    chosen = {"all": list(available()), "none": []}.get(args.peers, args.peers.split(","))
    peers = [name for name in chosen if name in available()]
    kinds = args.kinds.split(",") if args.kinds else None
    for name in sorted(set(chosen) - set(peers)):
        print(f"skipped: {name} is not installed (setup.sh)")

    if args.keep:
        args.keep.mkdir(parents=True, exist_ok=True)
    outcomes: list[Outcome] = []
    skipped = 0
    for path in files:
        healthy = open_healthy(args.bin, path, peers)
        if isinstance(healthy, str):
            print(f"{name_of(path)}: skipped: {healthy}\n")
            skipped += 1
            continue
        with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(args.jobs) as pool:
            copies = damaged_copies(healthy, args.seed, kinds, Path(scratch))
            ways = ((how, args.keep, healthy, *copy) for copy in copies for how in args.how.split(","))
            found = list(pool.map(lambda way: judge(args.bin, *way), ways))
        outcomes += found
        print(f"**{healthy.name}** ({len(healthy.truth.needs)} messages and associated messages)\n\n{table(found, peers)}\n")
        for one in found:
            for failure in one.failures:
                print(f"- {one.damage}{f' ({one.note})' if one.note else ''}: {failure}")
            for text in one.explained:
                print(f"- {one.damage}: explained: {text}")
        print(flush=True)

    print(f"**All files**\n\n{by_damage(outcomes)}\n\n{totals(outcomes)}\n")
    if args.json:
        args.json.write_text(json.dumps([asdict(one) for one in outcomes], indent=1))
    failed = sum(bool(one.failures) for one in outcomes)
    print(f"{len(outcomes) - failed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
