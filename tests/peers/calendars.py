#!/usr/bin/env python3
"""Exports appointments, tasks and contacts, reads them with icalendar and vobject, and expands each recurrence with
recurring-ical-events: number, first and last instance, deleted and changed ones are compared with the blob (PidLidAppointmentRecur),
which this script decodes itself.

usage: calendars.py [--bin PATH] [FILE...]        default: the corpus in ../shared
"""

import argparse
import struct
import sys
import tempfile
from datetime import date, datetime, timedelta
from pathlib import Path
import json
import subprocess

from readers import SHARED, default_binary

CORPUS = SHARED / "corpus"
EPOCH = datetime(1601, 1, 1)


def moment(minutes):
    return EPOCH + timedelta(minutes=minutes)


def blob(data):
    """Count, first and last day, deleted days, and (original, start) of changed instances, by [MS-OXOCAL] 2.2.1.44."""
    _, _, frequency, pattern, _, _, period, _ = struct.unpack_from("<HHHHHIII", data)
    at = 22 + {0: 0, 1: 4, 2: 4, 3: 8, 4: 4, 10: 4, 11: 8, 12: 4}[pattern]
    end, count, _, deleted = struct.unpack_from("<IIII", data, at)
    at += 16
    gone = [moment(m) for m in struct.unpack_from(f"<{deleted}I", data, at)]
    at += 4 * deleted
    (modified,) = struct.unpack_from("<I", data, at)
    at += 4 + 4 * modified
    start, last, _, _, offset, _, exceptions = struct.unpack_from("<IIIIIIH", data, at)
    at += 26
    changed = []
    for _ in range(exceptions):
        new, _, original, flags = struct.unpack_from("<IIIH", data, at)
        at += 14
        changed.append((moment(original), moment(new)))
        for bit in (0x1, 0x2, 0x4, 0x8, 0x10, 0x20, 0x40, 0x80, 0x100):
            if flags & bit:
                if bit in (0x1, 0x10):
                    at += 4 + struct.unpack_from("<H", data, at + 2)[0]
                else:
                    at += 4
    return {"end": end, "count": count, "first": moment(start + offset), "last": moment(last), "gone": gone, "changed": changed, "offset": offset}


def blobs(source):
    """The blobs of a file by node id, as pypff reads them."""
    import pypff

    file = pypff.file()
    file.open(str(source))
    found = {}

    def walk(folder):
        for i in range(folder.number_of_sub_messages):
            message = folder.get_sub_message(i)
            for records in message.record_sets:
                for entry in records.entries:
                    data = entry.data if entry.value_type == 0x102 and entry.entry_type >= 0x8000 else None
                    if data and data[:4] == b"\x04\x30\x04\x30":
                        found.setdefault(message.identifier, data)
        for i in range(folder.number_of_sub_folders):
            walk(folder.get_sub_folder(i))

    walk(file.get_root_folder())
    return found


def check_series(text, data, say):
    import icalendar
    import recurring_ical_events

    wanted = blob(data)
    calendar = icalendar.Calendar.from_ical(text)
    to = wanted["last"] + timedelta(days=1) if wanted["last"].year < 2100 else wanted["first"] + timedelta(days=3650)
    events = recurring_ical_events.of(calendar).between(EPOCH.replace(year=1900).date(), (to + timedelta(days=2)).date())

    def local(event):
        start = event["DTSTART"].dt
        return datetime(start.year, start.month, start.day) if not isinstance(start, datetime) else start.replace(tzinfo=None)

    starts = sorted(map(local, events))
    changed = {original for original, _ in wanted["changed"]}
    cancelled = {g.date() for g in wanted["gone"]} - {o.date() for o in changed}
    if wanted["end"] != 0x2023 and len(starts) != wanted["count"] - len(cancelled):
        say(f"{len(starts)} instances, the blob says {wanted['count']} less {len(cancelled)} deleted")
    news = {new.date() for _, new in wanted["changed"]}
    if any(s.date() in cancelled and s.date() not in news for s in starts):
        say("a deleted instance takes place")
    for original, new in wanted["changed"]:
        if new not in starts and datetime(new.year, new.month, new.day) not in starts:
            say(f"the instance of {original} that was moved to {new} is not there")
    if starts and wanted["first"].date() not in cancelled | {o.date() for o in changed} and starts[0].date() > wanted["first"].date():
        say(f"begins on {starts[0]}, not on {wanted['first']}")
    return len(starts)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--bin", type=Path, default=default_binary())
    arguments.add_argument("files", nargs="*", type=Path)
    args = arguments.parse_args()
    try:
        import icalendar
        import pypff  # noqa: F401
        import recurring_ical_events  # noqa: F401
        import vobject
    except ImportError as e:
        print(f"calendars.py SKIPPED: {e} (PyPI: icalendar vobject recurring-ical-events libpff-python)")
        return 0
    if not args.bin.exists():
        print("calendars.py SKIPPED: no program")
        return 0
    passed = failed = series = 0
    for source in args.files or sorted(p for p in CORPUS.rglob("*") if p.suffix in (".pst", ".ost")):
        with tempfile.TemporaryDirectory() as folder:
            manifest = Path(folder, "list.jsonl")
            target = Path(folder, "out")
            subprocess.run([args.bin, "export", source, "-o", target, "--manifest", manifest, "-q"], capture_output=True, timeout=120, check=False)
            if not manifest.exists():
                continue
            try:
                recurrences = blobs(source)
            except OSError:
                recurrences = {}
            for record in map(json.loads, manifest.read_text().splitlines()):
                path = record["file"] or ""
                problems = []
                try:
                    if path.endswith(".ics"):
                        text = (target / path).read_bytes()
                        calendar = icalendar.Calendar.from_ical(text)
                        problems += [f"{c.name}: {e}" for c in calendar.walk() for e in c.errors]
                        vobject.readOne(text.decode())
                        if record["nid"] in recurrences and b"BEGIN:VEVENT" in text:
                            series += 1
                            check_series(text, recurrences[record["nid"]], problems.append)
                    elif path.endswith(".vcf"):
                        vobject.readOne((target / path).read_bytes().decode()).validate()
                    else:
                        continue
                except Exception as e:  # any failure of a reader is a finding
                    problems.append(f"{type(e).__name__}: {e}")
                passed, failed = passed + (not problems), failed + bool(problems)
                for problem in problems:
                    print(f"{source.name} {record['nid']:#x}: {problem}")
    print(f"{series} recurrences\n{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
