#!/usr/bin/env python3
"""Puts the bytes of another mailbox behind a healthy file, or into its free space, and looks whether its own mail stays: pairs.py.

    python3 tests/peers/pairs.py [--files GLOB] [--others GLOB] [--where behind,free] [--how recover,repair] [--sample N] [--seed N]
                                 [--bin PATH] [--most BYTES] [--jobs N] [--json OUT] [-v]

Every ordered pair of the readable files of ../shared/corpus is tried. The bytes are those of the other file from byte 65,536 on, so that
they have no header. `behind` appends them; `free` writes them over the stretches that the allocation maps mark as free, which no tree may
use. The messages of the result of `recover` and of `repair -y` are compared with those of the healthy file as `items --jsonl` prints
them: each has to be there with the same `content_sha256`, in the same folder, with a state that is not worse, and as often as before.
Messages of the other file may be there as well, but not in a folder of the healthy file, and not as its deleted mail (`strangers`).
Exit status 1: a message changed. `--sample N` takes N pairs at random; `--seed` makes another choice.
"""
import argparse, fnmatch, json, os, random, struct, subprocess, sys, tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from readers import HERE, SHARED, corpus_files
CUT = 65536
APART = "Another mailbox"


def call(args: list, limit: int = 300) -> tuple:
    try:
        done = subprocess.run([str(a) for a in args], capture_output=True, timeout=limit)
        return done.returncode, done.stdout, done.stderr.decode(errors="replace")
    except subprocess.TimeoutExpired:
        return "timeout", b"", ""


def items(binary: Path, path: Path) -> list | None:
    status, out, _ = call([binary, "items", "--jsonl", path])
    if status not in (0, 4):
        return None
    return [json.loads(line) for line in out.decode().splitlines() if line.strip()]


def free_stretches(data: bytes) -> list:
    """What the allocation maps mark as free, by offset and length. No map, or maps that are marked as not valid: nothing."""
    import pstlib
    ansi = struct.unpack_from("<H", data, 10)[0] < 20
    pages_4k = struct.unpack_from("<H", data, 10)[0] >= 36
    if data[200 if ansi else 248] == 0:
        return []
    first, size, slot, bits_at, bits = (0x22000, 4096, 512, 0, 4072) if pages_4k else (0x4400, 512, 64, 4 if ansi else 0, 496)
    out, at = [], first
    while at + size <= len(data):
        page = data[at:at + size]
        if page[-12 if ansi else (-24 if pages_4k else -16)] != 0x84:
            break
        start = None
        for n in range(bits * 8 + 1):
            is_free = n < bits * 8 and not page[bits_at + n // 8] & (0x80 >> n % 8)
            place = at + n * slot
            if is_free and place + slot <= len(data):
                start = place if start is None else start
            elif start is not None:
                out.append((start, min(place, len(data)) - start))
                start = None
        at += bits * 8 * slot
    assert pstlib.crc is not None
    return out


def check_free(path: Path, stretches: list) -> None:
    """The maps are believed only if they agree with the trees, as another reader reads these."""
    import pstlib
    p = pstlib.Pst(str(path)).load()
    used = [(ib, p.bsize(cb)) for ib, cb, *_ in p.B.values()] + [(page[0], p.psz) for page in p.nbtpages + p.bbtpages]
    for at, n in stretches:
        for ib, size in used:
            if ib < at + n and at < ib + size:
                raise ValueError(f"the maps mark {at:#x} as free, where {ib:#x} is used")


def mixed(path: Path, other: bytes, where: str) -> bytes | None:
    data = path.read_bytes()
    if where == "behind":
        return data + other[CUT:]
    stretches = free_stretches(data)
    check_free(path, stretches)
    out, rest = bytearray(data), other[CUT:]
    for at, n in stretches:
        out[at:at + min(n, len(rest))] = rest[:n]
        rest = rest[n:]
    return bytes(out) if out != data else None


def key(item: dict) -> tuple:
    return item["folder"], item["content_sha256"], item["state"]


def compare(source: list, result: list, foreign: set) -> dict:
    before, after = Counter(map(key, source)), Counter(map(key, result))
    # a message that was partial may be whole
    missing = list((before - after).elements())
    better = Counter((f, c) for f, c, s in (after - before).elements() if s == "ok")
    changed = []
    for folder, content, state in missing:
        if state != "ok" and better[(folder, content)] > 0:
            better[(folder, content)] -= 1
        else:
            changed.append([folder, content])
    own = {item["content_sha256"] for item in source}
    folders = {item["folder"] for item in source}
    strangers = [[i["folder"], i["subject"]] for i in result
                 if i["content_sha256"] in foreign - own and (i["folder"] in folders or APART not in (i["folder"] or ""))]
    return {"changed": changed, "strangers": strangers}


def run(binary: Path, path: Path, other: Path, where: str, hows: list, known: dict) -> list:
    out = []
    name = f"{path.parent.name}/{path.name} + {other.parent.name}/{other.name}"
    try:
        data = mixed(path, other.read_bytes(), where)
    except ValueError as why:
        return [{"pair": name, "where": where, "skipped": str(why)}]
    if data is None:
        return [{"pair": name, "where": where, "skipped": "no free space"}]
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory) / f"mixed{path.suffix}"
        source.write_bytes(data)
        for how in hows:
            target = Path(directory) / f"{how}{path.suffix}"
            args = [binary, how, "-q", *(["-y"] if how == "repair" else []), source, "-o", target]
            status, _, err = call(args)
            one = {"pair": name, "where": where, "how": how, "status": status}
            result = items(binary, target) if target.exists() else None
            if status == "timeout" or result is None:
                one["error"] = err[-300:] or "no result"
            else:
                one |= compare(known[path], result, {i["content_sha256"] for i in known[other]})
            out.append(one)
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", default="*")
    parser.add_argument("--others", default="*")
    parser.add_argument("--where", default="behind,free")
    parser.add_argument("--how", default="recover,repair")
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--most", type=int, default=64 << 20, help="files that are larger are left out")
    parser.add_argument("--bin", type=Path, default=HERE.parent.parent / "target/release/pstkit")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("-v", "--verbose", action="store_true")
    args = parser.parse_args()
    if not (SHARED / "corpus").is_dir():
        print("skipped: ../shared/corpus is not there")
        return 0
    sys.path.insert(0, str(SHARED / "damage"))
    files = corpus_files(args.most)
    known = {}
    for path in files:
        status, *_ = call([args.bin, "check", "-q", "--quick", path])
        found = items(args.bin, path) if status in (0, 4) else None
        if found:
            known[path] = found
    print(f"{len(known)} of {len(files)} files can be read and have messages")
    match = lambda p, glob: fnmatch.fnmatch(f"{p.parent.name}/{p.name}", glob) or fnmatch.fnmatch(p.name, glob)
    pairs = [(a, b, w) for a in known for b in known for w in args.where.split(",")
             if a != b and b.stat().st_size > CUT and match(a, args.files) and match(b, args.others)]
    if args.sample:
        pairs = random.Random(args.seed).sample(pairs, min(args.sample, len(pairs)))
    hows = args.how.split(",")
    done, totals = [], Counter()
    with ThreadPoolExecutor(args.jobs) as pool:
        for results in pool.map(lambda p: run(args.bin, p[0], p[1], p[2], hows, known), pairs):
            for one in results:
                done.append(one)
                state = "skipped" if "skipped" in one else "error" if "error" in one else "changed" if one["changed"] else "unchanged"
                totals[(one.get("how", "-"), one["where"], state)] += 1
                totals[(one.get("how", "-"), one["where"], "with strangers")] += bool(one.get("strangers"))
                if state in ("error", "changed") or (args.verbose and one.get("strangers")):
                    what = one.get("error") or f'{len(one["changed"])} changed, {len(one["strangers"])} strangers'
                    print(f'{state}: {one["how"]} {one["where"]} {one["pair"]}: exit {one["status"]}, {what}', flush=True)
    if args.json:
        args.json.write_text(json.dumps(done, indent=1))
    for (how, where, state), n in sorted(totals.items()):
        if n:
            print(f"{how:8} {where:7} {state}: {n}")
    failed = sum(n for (_, _, state), n in totals.items() if state in ("error", "changed"))
    print(f"{len(done) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
