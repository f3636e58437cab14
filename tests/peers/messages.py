#!/usr/bin/env python3
"""Exports every message as MSG, reads the result with three independent readers, and compares it with `pstkit items`.

Readers: Python's extract-msg (and olefile beneath it, which also compares each value's size with its entry), npm's @kenjiuno/msgreader,
and Debian's msgconvert, which makes mail of it. What is compared: subject, sender, recipients, both times, text, HTML, attachments' digests, and
the subjects of embedded messages. Readers that cannot be installed are named as skipped.

usage: messages.py [--bin PATH] [FILE...]        default: the corpus in ../shared
"""

import argparse
import email
import email.policy
import hashlib
import json
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from readers import HERE, SHARED, default_binary

NODE = """
const fs = require('fs');
const Reader = require('@kenjiuno/msgreader').default;
const crypto = require('crypto');
const sha = (b) => crypto.createHash('sha256').update(b).digest('hex');
for (const path of process.argv.slice(1)) {
  const reader = new Reader(fs.readFileSync(path));
  const d = reader.getFileData();
  const out = {path, error: d.error, subject: d.subject, sender: d.senderName, body: d.body, recipients: (d.recipients || []).map((r) => [r.recipType, r.name]), attachments: []};
  (d.attachments || []).forEach((a) => {
    if (a.innerMsgContent) out.attachments.push(['message', a.innerMsgContentFields ? a.innerMsgContentFields.subject : null]);
    else { const got = reader.getAttachment(a); out.attachments.push(['data', sha(got.content)]); }
  });
  console.log(JSON.stringify(out));
}
"""


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def plain(text) -> str:
    return re.sub(r"\s+", " ", (text or "").replace("\0", "")).strip()


def without_ole(found: list, want: list) -> tuple[list, list]:
    """Both lists without OLE objects, as far as there are any."""
    ole = {digest for kind, digest in want if kind == "ole"}
    extra = [a for a in found if a not in want]
    kept = [a for a in found if a[1] not in ole and not (ole and a in extra)]
    return sorted(kept), sorted(a for a in want if a[0] != "ole")


class Count:
    def __init__(self):
        self.compared, self.wrong = Counter(), []

    def same(self, field: str, where: str, a, b) -> None:
        self.compared[field] += 1
        if a != b:
            self.wrong.append(f"{where}: {field}: {a!r} and {b!r}")


def wanted(item: dict) -> dict:
    attachments = []
    for a in item["attachments"]:
        if a.get("embedded"):
            attachments.append(("message", plain(a["embedded"].get("subject"))))
        elif a.get("sha256"):
            # an OLE object is a storage in both files, of which readers make bytes of their own; one that is no storage stays as it is
            attachments.append(("ole" if a["method"] == 6 else "data", a["sha256"]))
    return {
        "subject": plain(item.get("subject")),
        "recipients": sorted((r["type"], plain(r.get("name"))) for r in item["to"]),
        "attachments": sorted(attachments),
        "text": item["bodies"]["text"],
        "html": item["bodies"]["html"],
        "from": plain((item.get("from") or {}).get("name")),
    }


def sizes(path: Path, count: Count, where: str) -> None:
    """Each entry of each properties stream: the value of no fixed size is there, and of that size."""
    import olefile

    with olefile.OleFileIO(str(path)) as ole:
        streams = {tuple(s) for s in ole.listdir(streams=True, storages=False)}
        for stream in streams:
            if stream[-1] != "__properties_version1.0":
                continue
            data = ole.openstream(list(stream)).read()
            head = 32 if len(stream) == 1 else 24 if stream[-2].startswith("__substg1.0_") else 8
            for at in range(head, len(data), 16):
                tag, _, size, kind = struct.unpack_from("<IIII", data, at)
                low = tag & 0xFFFF
                name = (*stream[:-1], f"__substg1.0_{tag:08X}")
                if low == 0x0D:
                    count.same("object", where, any(s[: len(name)] == name for s in streams), True)
                elif low in (0x1F, 0x1E, 0x102, 0x48) or low & 0x1000:
                    end = 2 if low == 0x1F else 0
                    stored = ole.get_size(list(name)) + end if name in streams else None
                    count.same("size", f"{where} {tag:08X}", stored, size)


def by_python(path: Path, want: dict, count: Count, where: str) -> None:
    import extract_msg

    with extract_msg.openMsg(str(path), strict=False) as m:
        count.same("subject", where, plain(m.getStringStream("__substg1.0_0037")), want["subject"])
        if not hasattr(m, "subject"):
            return  # a class that it does not know, such as distribution lists
        kinds = {0: "originator", 1: "to", 2: "cc", 3: "bcc"}
        people = sorted((kinds.get(int(r.type) & 15, "other"), plain(r.name)) for r in m.recipients)
        count.same("recipients", where, people, want["recipients"])
        found = []
        for a in m.attachments:
            data = a.data
            if isinstance(data, bytes):
                found.append(("data", sha(data)))
            elif hasattr(data, "subject"):
                found.append(("message", plain(data.subject)))
        count.same("attachments", where, *without_ole(found, want["attachments"]))
        text = m.getStringStream("__substg1.0_1000")
        if want["text"] is not None:
            count.same("text", where, sha((text or "").rstrip("\0").encode("utf-8", "surrogatepass")), want["text"]["sha256"])
        if want["html"] is not None:
            count.same("html", where, sha(m.getStream("__substg1.0_10130102") or b""), want["html"]["sha256"])
        if want["from"]:
            names = {plain(m.getStringStream("__substg1.0_0C1A")), plain(m.getStringStream("__substg1.0_0042"))}
            count.same("sender", where, want["from"] in names, True)


def by_node(paths: list[Path], wants: dict[str, dict], count: Count) -> bool:
    if not shutil.which("node") or not (HERE / "node_modules/@kenjiuno/msgreader").is_dir():
        return False
    done = subprocess.run(["node", "-e", NODE, "--", *map(str, paths)], capture_output=True, cwd=HERE, timeout=300, check=False)
    lines = [json.loads(line) for line in done.stdout.decode().splitlines()]
    count.same("node", "files read", len(lines), len(paths))
    kinds = {"to": "to", "cc": "cc", "bcc": "bcc"}
    for got in lines:
        want, where = wants[got["path"]], f"msgreader {got['path']}"
        count.same("node subject", where, plain(got.get("subject")), want["subject"])
        people = [r for r in want["recipients"] if r[0] in kinds]
        mine = sorted((k, plain(n)) for k, n in got["recipients"] if k)
        count.same("node recipients", where, mine, people)
        attachments = [(k, plain(v) if k == "message" else v) for k, v in got["attachments"]]
        count.same("node attachments", where, *without_ole(attachments, want["attachments"]))
    return True


def by_perl(path: Path, want: dict, count: Count, where: str) -> None:
    out = path.with_suffix(".converted")
    done = subprocess.run(["msgconvert", "--outfile", str(out), str(path)], capture_output=True, timeout=60, check=False)
    count.same("msgconvert", where, done.returncode, 0)
    if done.returncode == 0:
        mail = email.message_from_bytes(out.read_bytes(), policy=email.policy.default)
        if want["subject"].isascii() and want["subject"] != "0":  # its language takes "0" for nothing
            count.same("msgconvert subject", where, plain(str(mail.get("Subject", ""))), want["subject"])
        out.unlink()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=Path, default=default_binary())
    parser.add_argument("files", nargs="*", type=Path)
    args = parser.parse_args()
    try:
        import extract_msg  # noqa: F401
        import olefile  # noqa: F401
    except ImportError:
        print("skipped: extract-msg is not installed (PyPI)")
        return 0
    files = args.files or sorted(p for p in (SHARED / "corpus").rglob("*") if p.suffix.lower() in (".pst", ".ost"))
    if not files:
        print("skipped: ../shared is not here")
        return 0
    count, messages, node, perl = Count(), 0, False, shutil.which("msgconvert")
    for file in files:
        listed = subprocess.run([args.bin, "items", "--json", file], capture_output=True, timeout=300, check=False)
        if not listed.stdout.startswith(b"{"):
            continue
        items = {i["nid"]: i for i in json.loads(listed.stdout)["items"]}
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([args.bin, "export", file, "-o", folder, "--to", "msg"], capture_output=True, timeout=600, check=False)
            found = {int(re.search(r"\[([0-9a-f]+)\]\.msg$", p.name)[1], 16): p for p in Path(folder).rglob("*.msg")}
            mail = {n for n, i in items.items() if i["kind"] == "message" and i["state"] != "lost" and i["origin"] == "normal"}
            count.same("files", file.name, mail - found.keys(), set())
            wants = {}
            for n, path in found.items():
                where = f"{file.name} {n:#x}"
                want = wants[str(path)] = wanted(items[n])
                messages += 1
                sizes(path, count, where)
                try:
                    by_python(path, want, count, where)
                except Exception as e:  # a reader that gives up is a finding
                    count.wrong.append(f"{where}: extract-msg: {type(e).__name__}: {e}")
                if perl:
                    by_perl(path, want, count, where)
            if found:
                node = by_node(list(found.values()), wants, count)
    for line in count.wrong[:100]:
        print(line)
    print(f"{messages} messages of {len(files)} files;", ", ".join(f"{k} {v}" for k, v in sorted(count.compared.items())))
    for name, there in (("@kenjiuno/msgreader", node), ("msgconvert", perl)):
        if not there:
            print(f"skipped: {name} is not installed")
    print(f"{len(count.wrong)} differences")
    return 1 if count.wrong or not messages else 0


if __name__ == "__main__":
    sys.exit(main())
