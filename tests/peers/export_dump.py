#!/usr/bin/env python3
"""Lists a file through a program that only exports (readpst, pffexport), as JSON Lines (see items.py).

They write files and directories: what can be told from those is how many items and attachments there are, and, for
readpst's messages, subjects and what was attached. Neither gives node ids.
"""

import email
import email.policy
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from items import emit, emit_error, sha256

# pffexport names an item Appointment00001; a second folder of one name becomes Folder00001.
PFF_ITEM = re.compile(r"(?!Folder)[A-Z]\w*?\d{5}")


def run(*command) -> None:
    result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if result.returncode:
        emit_error(f"exit {result.returncode}: {result.stderr.decode(errors='replace').strip()[-200:]}")


def eml_parts(message) -> list[dict]:
    """Attachments of a message file; what is embedded counts once, whatever is in it."""
    found = []
    for part in message.iter_attachments():
        if part.get_content_type() == "message/rfc822":
            found.append({})
            continue
        data = part.get_payload(decode=True)
        name = part.get_filename()
        one = {"names": [name] if name else []}
        # readpst converts the line ends of parts it takes for text.
        if data is not None and part.get_content_maintype() not in ("text", "message"):
            one |= {"size": len(data), "sha256": sha256(data)}
        found.append(one)
    return found


def readpst(file: str, scratch: Path) -> None:
    # More than one job loses files now and then.
    run("readpst", "-q", "-j", "0", "-r", "-e", "-8", "-b", "-D", "-o", str(scratch), file)
    for path in sorted(scratch.rglob("*")):
        if path.is_dir():
            continue
        folder = "/" + str(path.parent.relative_to(scratch))
        if path.suffix == ".eml":
            try:
                message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
                emit(kind="message", folder=folder, attachments=eml_parts(message))
            except Exception as error:  # the standard library's parser gives up in many ways
                emit_error(f"{path.name}: {error!r}")
                emit(kind="message", folder=folder)
        else:
            emit(kind="message", folder=folder)


def pffexport(file: str, scratch: Path) -> None:
    run("pffexport", "-q", "-m", "items", "-t", str(scratch / "out"), file)
    pending = [(root, "") for root in scratch.glob("out.export")]
    while pending:
        directory, folder = pending.pop()
        emit(kind="folder", folder=folder)
        for child in sorted(directory.iterdir()):
            if not child.is_dir():
                continue
            if PFF_ITEM.fullmatch(child.name):
                attached = child / "Attachments"
                count = len(list(attached.iterdir())) if attached.is_dir() else 0
                emit(kind="message", folder=folder, attachments=[{}] * count)
            else:
                pending.append((child, f"{folder}/{child.name}"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        {"readpst": readpst, "pffexport": pffexport}[sys.argv[1]](sys.argv[2], Path(scratch))
