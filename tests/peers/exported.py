#!/usr/bin/env python3
"""Exports every file to EML and mbox, parses the result with two independent parsers, and compares it field by field.

Parsers: Python's email (policy.default) and mail-parser. What they read is compared with `pstkit items`, with pypff and with
pst-extractor where they are installed, and the same is done for readpst's EML files. A difference that the stored header explains
(its own Subject, From, To, Date stay word for word) is counted as such; every other one is listed in exported.txt with its reason,
or fails the run.

usage: exported.py [--bin PATH] [--json OUT] [--no-peers] [FILE...]        default: the corpus in ../shared
"""

import argparse
import email
import email.policy
import email.utils
import hashlib
import json
import mailbox
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path

from items import body
from readers import HERE, SHARED, available, default_binary

CORPUS = SHARED / "corpus"
FIELDS = ("subject", "sender", "recipients", "sent", "text", "html", "attachments")
# Reasons for differences: (file pattern, field, reason). Each line names what differs and why.
EXPLAINED = HERE / "exported.txt"


def run(*command, timeout=120):
    return subprocess.run(command, capture_output=True, timeout=timeout, check=False)


def clean(text):
    """What a header field can hold of a text: one line, no control characters at its ends."""
    text = re.sub(r"[\r\n]+", " ", (text or "").rstrip("\0"))
    return re.sub(r"\s+", " ", re.sub(r"[\x00-\x1f\x7f]", " ", text)).strip()


# --- what a parser reads ----------------------------------------------------------------------------------------------


def undo_imcea(address: str) -> str:
    found = re.fullmatch(r"IMCEA([A-Z0-9]+)-(.*)@address\.invalid", address)
    if not found:
        return "" if address == "unknown@address.invalid" else address
    text = re.sub(r"\+([0-9A-F]{2})", lambda m: chr(int(m[1], 16)), found[2].replace("_", "/"))
    return text


def people(message, name):
    found = []
    for field in message.get_all(name, []):
        for one in getattr(field, "addresses", ()):
            found.append((clean(one.display_name), undo_imcea(one.addr_spec)))
    return found


def parsed(data: bytes):
    """The item that Python's email reads in a file, and the defects of all its parts."""
    message = email.message_from_bytes(data, policy=email.policy.default)
    return of_message(message), defects(message)


def defects(message):
    found = []
    for part in message.walk():
        found += [type(d).__name__ for d in part.defects]
        for name, value in part.items():
            found += [f"{name}: {type(d).__name__}" for d in getattr(value, "defects", ())]
    return found


def bodies_and_files(message):
    text = html = None
    files = []
    pending = [message]
    while pending:
        part = pending.pop(0)
        if part.get_content_type() in ("message/rfc822", "message/external-body"):
            files.append(part)
        elif part.is_multipart():
            pending = list(part.iter_parts()) + pending
        elif part.get_content_disposition() is None and part.get_content_type() == "text/plain" and text is None:
            text = part
        elif part.get_content_disposition() is None and part.get_content_type() == "text/html" and html is None:
            html = part
        elif part.get_content_disposition() is None and part.get_content_type() in ("text/rtf", "text/calendar"):
            pass
        else:
            files.append(part)
    return text, html, files


def of_message(message):
    text, html, files = bodies_and_files(message)
    attachments = []
    for part in files:
        kind = part.get_content_type()
        one = {"name": clean(part.get_filename()), "sha256": None, "embedded": None}
        if kind == "message/rfc822":
            inner = part.get_payload()
            one["embedded"] = of_message(inner[0]) if isinstance(inner, list) and inner else None
        elif kind != "message/external-body":
            one["sha256"] = hashlib.sha256(part.get_payload(decode=True) or b"").hexdigest()
        attachments.append(one)
    date = message["date"]
    try:
        sent = date.datetime if date is not None else None
    except AttributeError:
        sent = None
    return {
        "subject": clean(str(message["subject"])) if message["subject"] is not None else "",
        "sender": (people(message, "from") or [("", "")])[0],
        "recipients": [p for name in ("to", "cc", "bcc") for p in people(message, name)],
        "sent": sent,
        "text": text_of(text),
        "html": html.get_payload(decode=True) if html is not None else None,
        "attachments": attachments,
    }


def text_of(part):
    if part is None:
        return None
    data = part.get_payload(decode=True) or b""
    return data.decode(part.get_content_charset() or "ascii", "replace")


# --- comparison -------------------------------------------------------------------------------------------------------


def lines(text):
    """Bodies are compared without the ends of their lines and without what is blank at the very end."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else (text or b"")
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").rstrip(b"\n\0")


def moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None


def same_body(ours, theirs):
    """`theirs` is the reader's {length, sha256, variants}, or its text."""
    if not theirs or not theirs.get("length"):
        return True  # the reader has none: text may still be derived from another body
    if ours is None:
        return False
    mine = ours if isinstance(ours, str) else None
    data = (mine.encode("utf-8", "surrogatepass") if mine is not None else ours).rstrip(b"\0")
    unix = data.replace(b"\r\n", b"\n")
    forms = set()
    for one in (data, unix, unix.replace(b"\n", b"\r\n"), unix.rstrip(b"\n"), unix.rstrip(b"\n").replace(b"\n", b"\r\n"), unix.rstrip()):
        for end in (b"", b"\n", b"\r\n", b"\0"):
            forms.add(hashlib.sha256(one + end).hexdigest())
    return bool(forms & {theirs["sha256"], *theirs.get("variants", [])})


def names_of(item, *keys):
    return Counter(clean(p.get("name") or p.get("email") or "").strip("'\"") for k in keys for p in item.get(k) or [] if p.get("type") != "originator")


def compare(ours, theirs):
    """Field by field: (field, ours, theirs, equal). A field that the reader does not give is left out."""
    if "subject" in theirs:
        yield "subject", ours["subject"], clean(theirs["subject"]), ours["subject"] == clean(theirs["subject"])
    who = theirs.get("from")
    if who and (who.get("name") or who.get("email")):
        name, address = ours["sender"]
        wanted = {clean(who.get("name")).strip("'\""), clean(who.get("email")), clean(who.get("name"))} - {""}
        yield "sender", ours["sender"], who, bool({name.strip("'\""), address} & wanted)
    if "to" in theirs:
        wanted = names_of(theirs, "to", "cc", "bcc")
        have = Counter()
        for name, address in ours["recipients"]:
            have[name.strip("'\"") or address] += 1
        addresses = Counter(a for _, a in ours["recipients"])
        short = wanted - have
        if short:  # some readers give an address where there is no name
            short = short - addresses
        yield "recipients", sorted(have.elements()), sorted(wanted.elements()), not short and sum(have.values()) >= sum(wanted.values())
    if theirs.get("sent"):
        want = moment(theirs["sent"])
        have = ours["sent"]
        if have is not None and have.tzinfo is None:
            have = have.replace(tzinfo=timezone.utc)
        yield "sent", have, want, have is not None and abs(have - want) < timedelta(seconds=2)
    bodies = theirs.get("bodies") or {}
    for name in ("text", "html"):
        if bodies.get(name):
            yield name, ours[name] and f"{len(ours[name])} long", bodies[name].get("length"), same_body(ours[name], bodies[name])
    if "attachments" in theirs:
        yield from compare_attachments(ours["attachments"], theirs["attachments"])


def compare_attachments(ours, theirs):
    have = Counter(a["sha256"] for a in ours if a["sha256"])
    want = Counter(a["sha256"] for a in theirs if a.get("sha256"))
    yield "attachments", len(ours), len(theirs), len(ours) == len(theirs) and not want - have
    inner_ours = [a["embedded"] for a in ours if a["embedded"]]
    inner_theirs = [a["embedded"] for a in theirs if a.get("embedded")]
    for mine, other in zip(inner_ours, inner_theirs):
        for field, a, b, same in compare(mine, other):
            yield field, a, b, same


# --- one file ---------------------------------------------------------------------------------------------------------


def export(binary, source, target, form):
    manifest = target.with_suffix(f".{form}.jsonl")
    done = run(binary, "export", source, "-o", target, "--to", form, "--manifest", manifest, "--quiet")
    if not manifest.exists():
        return None, done
    return [json.loads(line) for line in manifest.read_text().splitlines()], done


def second_parser(data):
    """What mail-parser reads; None where it is not installed."""
    try:
        import mailparser
    except ImportError:
        return None
    return mailparser.parse_from_bytes(data)


def check_file(binary, source, work, peers, table):
    listed = run(binary, "items", "--jsonl", source)
    items = {i["nid"]: i for i in map(json.loads, listed.stdout.decode().splitlines()) if i["kind"] == "message"}
    if not items:
        return
    name = source.relative_to(CORPUS).as_posix() if source.is_relative_to(CORPUS) else source.name
    records, done = export(binary, source, work / "eml", "eml")
    if records is None:
        table.fail(name, "pstkit", None, "export", done.stderr.decode()[:200], "")
        return
    headers = {}
    for peer, lines_ in peers(source).items():
        for one in lines_:
            if one.get("kind") == "message" and one.get("nid") in items:
                headers.setdefault(peer, {})[one["nid"]] = one
    messages = {}
    for record in records:
        data = (work / "eml" / record["file"]).read_bytes()
        if hashlib.sha256(data).hexdigest() != record["sha256"]:
            table.fail(name, "manifest", record["nid"], "sha256", "differs", "")
        ours, wrong = parsed(data)
        messages[record["nid"]] = ours
        head = data.split(b"\r\n\r\n", 1)[0]
        if len(max(data.split(b"\r\n"), key=len)) > 998:
            table.fail(name, "lines", record["nid"], "length", "longer than 998", "")
        for defect in wrong:
            table.defect(name, record["nid"], defect)
        for reader, all_items in {"pstkit": items, **headers}.items():
            if record["nid"] in all_items:
                for field, a, b, same in compare(ours, all_items[record["nid"]]):
                    table.field(name, reader, record["nid"], field, a, b, same, b"\nReceived:" in b"\n" + head or b"\nX-" in head)
        second = second_parser(data)
        if second is not None:
            mine = clean(second.subject)
            table.field(name, "mail-parser", record["nid"], "subject", mine, ours["subject"], re.sub(r"\s", "", mine) == re.sub(r"\s", "", ours["subject"]), False)
            count = sum(1 for a in ours["attachments"] if a["sha256"])
            table.field(name, "mail-parser", record["nid"], "attachments", len(second.attachments), count, len(second.attachments) >= count, False)
            for d in second.defects or []:
                table.defect(name, record["nid"], f"mail-parser: {d}")
    missing = set(items) - set(messages)
    for nid in missing:
        table.fail(name, "pstkit", nid, "message", "not exported", "")
    check_mbox(binary, source, work, name, messages, table)
    readpst(source, work, name, items, table)


def check_mbox(binary, source, work, name, messages, table):
    records, _ = export(binary, source, work / "mbox", "mbox")
    total = 0
    wanted = sorted(m["subject"] for m in messages.values())
    got = []
    for path in sorted((work / "mbox").rglob("*.mbox")):
        box = mailbox.mbox(path, factory=None)
        for key in box.keys():
            ours, _ = parsed(box.get_bytes(key))
            got.append(ours["subject"])
            total += 1
        box.close()
    table.field(name, "mbox", None, "subjects", len(got), len(wanted), sorted(got) == wanted, False)


def readpst(source, work, name, items, table):
    if not shutil.which("readpst"):
        return
    target = work / "readpst"
    target.mkdir()
    try:
        run("readpst", "-D", "-e", "-q", "-8", "-o", target, source, timeout=60)
    except subprocess.TimeoutExpired:
        pass
    left = [parsed(p.read_bytes())[0] for p in sorted(target.rglob("*.eml"))]
    for item in items.values():
        def score(one):
            return sum(same for *_, same in compare(one, item))
        best = max(left, key=score, default=None)
        if best is not None and score(best) >= 2:
            left.remove(best)
            for field, *_, same in compare(best, item):
                table.theirs[field][0 if same else 1] += 1
        else:
            for field, *_ in compare(of_message(email.message_from_bytes(b"", policy=email.policy.default)), item):
                table.theirs[field][1] += 1


class Table:
    def __init__(self, explained):
        self.explained = explained
        self.ours = {}
        self.theirs = {f: [0, 0] for f in FIELDS}
        self.truth = {f: [0, 0] for f in FIELDS}
        self.bad, self.known, self.defects = [], Counter(), Counter()

    def reason(self, file, reader, nid, field):
        for pattern, want_reader, want_field, reason in self.explained:
            if re.search(pattern, f"{file} {nid:#x}" if nid else file) and want_reader in ("*", reader) and want_field in ("*", field):
                return reason
        return None

    def field(self, file, reader, nid, field, a, b, same, _has_header):
        count = self.ours.setdefault((reader, field), [0, 0])
        count[0 if same else 1] += 1
        if reader == "pstkit":
            self.truth[field][0 if same else 1] += 1
        if not same:
            self.fail(file, reader, nid, field, a, b)

    def fail(self, file, reader, nid, field, a, b):
        reason = self.reason(file, reader, nid, field)
        if reason:
            self.known[reason] += 1
        else:
            self.bad.append(f"{file}: {reader} {f'{nid:#x}' if nid else ''} {field}: {str(a)[:160]!r} but {str(b)[:160]!r}")

    def defect(self, file, nid, what):
        self.defects[(file, nid, what)] += 1


def explanations():
    rows = []
    if EXPLAINED.exists():
        for line in EXPLAINED.read_text().splitlines():
            if line.strip() and not line.startswith("#"):
                rows.append([c.strip() for c in line.split(" | ", 3)])
    return rows


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--bin", type=Path)
    arguments.add_argument("--json", type=Path)
    arguments.add_argument("--no-peers", action="store_true")
    arguments.add_argument("files", nargs="*", type=Path)
    args = arguments.parse_args()
    binary = args.bin or default_binary()
    if binary is None or not Path(binary).exists():
        print("exported.py SKIPPED: no program (cargo build --release --features cli)")
        return 0
    files = args.files or sorted(p for p in CORPUS.rglob("*") if p.suffix in (".pst", ".ost"))
    if not files:
        print("exported.py SKIPPED: no files (../shared/corpus)")
        return 0
    installed = {} if args.no_peers else available()
    wanted = {name: installed[name] for name in ("pypff", "pst-extractor") if name in installed}
    for name in sorted({"pypff", "pst-extractor"} - set(wanted)):
        print(f"{name} SKIPPED")

    def peers(source):
        return {name: peer.read(source).messages for name, peer in wanted.items()}

    table = Table(explanations())
    for source in files:
        with tempfile.TemporaryDirectory() as folder:
            check_file(binary, source, Path(folder), peers, table)
    report(table)
    if args.json:
        args.json.write_text(json.dumps({"ours": {" ".join(k): v for k, v in table.ours.items()}, "readpst": table.theirs, "truth": table.truth}, indent=1))
    return 1 if table.bad else 0


def report(table):
    for line in table.bad:
        print(line)
    print(f"\n{'field':14} {'pstkit':>14} {'readpst':>14}     fields that are as `pstkit items` reads them")
    for field in FIELDS:
        (a, b), (c, d) = table.truth[field], table.theirs[field]
        ratio = lambda x, y: f"{x}/{x + y} {100 * x / (x + y):5.1f} %" if x + y else "-"
        print(f"{field:14} {ratio(a, b):>16} {ratio(c, d):>16}")
    print("\nreader and field: equal, different")
    for (reader, field), (same, different) in sorted(table.ours.items()):
        print(f"  {reader:14} {field:12} {same:6} {different:6}")
    print(f"\ndefects that the parsers name: {sum(table.defects.values())}")
    for (file, nid, what), n in sorted(table.defects.items(), key=str)[:60]:
        print(f"  {file} {nid:#x}: {what} x{n}")
    for reason, n in table.known.items():
        print(f"explained {n}: {reason}")
    print(f"{sum(v[0] for v in table.ours.values())} passed, {len(table.bad)} failed")


if __name__ == "__main__":
    sys.exit(main())
