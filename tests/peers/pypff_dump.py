#!/usr/bin/env python3
"""Lists a file with libpff's Python binding, as JSON Lines (see items.py).

The values come from the record entries rather than from pypff's own accessors: those throw for distribution lists,
decode 8-bit strings with one code page for the whole file, and make a body where only RTF is stored. Eight-bit
strings that are not plain ASCII are left out. pypff lists no associated messages, and does not open embedded ones.
"""

import struct
import sys
from datetime import datetime, timedelta, timezone

import pypff
from items import body, emit, emit_error, sha256, subject

UNKNOWN = object()
EMBEDDED, OLE = 5, 6


def entries(item) -> dict:
    found = {}
    for record_set in item.record_sets:
        for entry in record_set.entries:
            found.setdefault(entry.entry_type, entry)
    return found


def text(properties: dict, tag: int):
    entry = properties.get(tag)
    if entry is None:
        return None
    data = entry.data or b""
    if entry.value_type == 0x1F:
        return data.decode("utf-16-le", "replace").rstrip("\0")
    if entry.value_type == 0x1E and data.isascii():
        return data.decode("ascii").rstrip("\0")
    return UNKNOWN


def number(properties: dict, tag: int):
    entry = properties.get(tag)
    return struct.unpack("<i", entry.data[:4])[0] if entry is not None and entry.data else None


def time(properties: dict, tag: int):
    entry = properties.get(tag)
    if entry is None or not entry.data or len(entry.data) != 8:
        return None
    ticks = struct.unpack("<Q", entry.data)[0]
    try:
        moment = datetime(1601, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=ticks // 10)
    except OverflowError:
        return UNKNOWN
    return moment.isoformat()


def known(**values) -> dict:
    return {key: value for key, value in values.items() if value is not UNKNOWN}


def attachment(item) -> dict:
    properties = entries(item)
    method = number(properties, 0x3705)
    names = [text(properties, tag) for tag in (0x3707, 0x3704, 0x3001)]
    names = [name for name in names if name and name is not UNKNOWN]
    found = {"method": method, "names": names}
    entry = properties.get(0x3701)
    if entry is not None and entry.value_type == 0x102:
        data = entry.data or b""
        found |= {"size": len(data), "sha256": sha256(data)}
    elif entry is None:
        found["sha256"] = None
    return found


def recipients(item) -> dict:
    """Names by kind; a table with a name in an 8-bit code page is left out whole."""
    found = {"to": [], "cc": [], "bcc": []}
    table = getattr(item, "recipients", None)
    for record_set in table.record_sets if table is not None else ():
        row = {entry.entry_type: entry for entry in record_set.entries}
        name = text(row, 0x3001)
        if name is UNKNOWN:
            return {}
        found[{2: "cc", 3: "bcc"}.get(number(row, 0x0C15), "to")].append({"name": name})
    return found


def message(item, folder: str) -> dict:
    properties = entries(item)
    raw = text(properties, 0x37)
    html = properties.get(0x1013)
    plain = text(properties, 0x1000)
    bodies = known(text=UNKNOWN if plain is UNKNOWN else body(plain))
    if html is None or html.value_type == 0x102:
        bodies["html"] = body(html.data or b"") if html is not None else None
    if 0x1009 not in properties:
        bodies["rtf"] = None
    elif isinstance(item, pypff.message):
        try:
            bodies["rtf"] = body(item.rtf_body)
        except OSError as error:
            emit_error(f"{item.identifier:#x}: RTF: {error}")
    found = known(
        kind="message",
        nid=item.identifier,
        folder=folder,
        subject=UNKNOWN if raw is UNKNOWN else subject(raw),
        sent=time(properties, 0x39),
        received=time(properties, 0x0E06),
        flags=number(properties, 0x0E07),
        bodies=bodies,
        attachments=[],
        **{"class": text(properties, 0x1A)},
    )
    sender = text(properties, 0x0C1A)
    if sender is not UNKNOWN:
        found["from"] = {"name": sender}
    try:
        found |= recipients(item)
    except OSError as error:
        emit_error(f"{item.identifier:#x}: recipients: {error}")
    for index in range(getattr(item, "number_of_attachments", 0)):
        try:
            found["attachments"].append(attachment(item.get_attachment(index)))
        except OSError as error:
            emit_error(f"{item.identifier:#x}: attachment {index}: {error}")
            found["attachments"].append({})
    return found


def main() -> None:
    file = pypff.file()
    file.open(sys.argv[1])
    pending = [(file.root_folder, "")]
    while pending:
        folder, path = pending.pop()
        emit(kind="folder", nid=folder.identifier, folder=path)
        for index in range(folder.number_of_sub_messages):
            try:
                emit(**message(folder.get_sub_message(index), path))
            except (OSError, struct.error) as error:
                emit_error(f"{path}: message {index}: {error}")
        for index in range(folder.number_of_sub_folders):
            try:
                child = folder.get_sub_folder(index)
                pending.append((child, f"{path}/{child.name or ''}"))
            except OSError as error:
                emit_error(f"{path}: folder {index}: {error}")


if __name__ == "__main__":
    main()
