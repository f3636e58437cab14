#!/usr/bin/env python3
"""Mutation testing: does a test fail when the code is wrong in one place?

    mutants.py draw --seed N --count N    draw mutants from the sources, beside those that are listed by hand, into drawn.jsonl
    mutants.py check                      each mutant's old text is in its file exactly once
    mutants.py run [--hours 2] [--only GLOB] [--part I/N]
                                          apply each in a copy of the repository, run the fast tests, and name the survivors

A mutant is a file, an old text that is in it once, and a new text. by_hand.jsonl has those that somebody thought of, drawn.jsonl those that a seed
drew. survivors.jsonl has a reason for each survivor that is none to worry about; a run ends with 1 where there is another one.
Not part of .ci/run: .ci/slow calls it.
"""

import argparse
import fnmatch
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LISTS = ("by_hand.jsonl", "drawn.jsonl")
AREAS = ("src/ndb/", "src/ltp/", "src/check/", "src/recover/", "src/repair/undo/", "src/io/", "src/write/", "src/format/")
# Tests that take a minute at most together, by area: those that should see a mutant there.
TESTS = {
    "src/repair/undo/": ["--test", "it", "undo::", "crash::a_file", "crash::a_repair", "crash::each_time"],
    "src/io/": ["--test", "it", "undo::", "crash::a_file", "crash::each_time"],
    "src/recover/": ["--test", "it", "salvage::", "recover::", "places::", "exchanged::"],
    "src/check/": ["--test", "it", "check_damage::", "invariants::", "damage::"],
    "src/ltp/": ["--test", "it", "ltp::", "read::", "invariants::"],
    "src/ndb/": ["--test", "it", "ndb::", "read::", "salvage::"],
    "src/write/": ["--test", "it", "write::", "recipes::"],
    "src/format/": ["--test", "it", "invariants::", "read::"],
}
CHANGES = [
    (r" < ", " <= "), (r" <= ", " < "), (r" > ", " >= "), (r" >= ", " > "), (r" == ", " != "), (r" != ", " == "),
    (r" && ", " || "), (r" \|\| ", " && "), (r"\.any\(", ".all("), (r"\.all\(", ".any("),
    (r"saturating_add\(1\)", "saturating_add(2)"), (r"saturating_sub\(1\)", "saturating_sub(0)"),
    (r"\.max\(", ".min("), (r"\.min\(", ".max("), (r"is_some\(\)", "is_none()"), (r"is_none\(\)", "is_some()"),
    (r"\.is_empty\(\)", ".is_empty().eq(&false)"), (r"\btrue\b", "false"), (r"\bfalse\b", "true"), (r"is_ok_and", "is_err_and"),
    (r"\.skip\(1\)", ".skip(0)"), (r"\.rev\(\)", ""),
]


def mutants():
    out = []
    for name in LISTS:
        path = HERE / name
        if path.exists():
            out += [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    return out


def code_of(path):
    """The lines of a source that are code and no test."""
    text = path.read_text()
    return text, text.split("#[cfg(test)]\nmod tests")[0].splitlines()


def draw(seed, count):
    """As many from each area, so that a large one does not take all."""
    chance = random.Random(seed)
    found = {}
    for area in AREAS:
        for path in sorted((ROOT / area).rglob("*.rs")):
            text, lines = code_of(path)
            for line in lines:
                bare = line.strip()
                if bare.startswith(("//", "#", "use ", "pub use", "assert")) or len(bare) < 12 or text.count(line + "\n") != 1:
                    continue
                for old, new in CHANGES:
                    hits = list(re.finditer(old, line))
                    # types, lifetimes and arrows look like comparisons
                    if not hits or "->" in line or "=>" in line or "<'" in line or '"' in line or "where " in bare:
                        continue
                    hit = chance.choice(hits)
                    changed = line[: hit.start()] + new + line[hit.end() :]
                    found.setdefault(area, []).append({"file": str(path.relative_to(ROOT)), "old": bare, "new": changed.strip()})
    taken, files = [], {}
    for area in AREAS:
        pool = found.get(area, [])
        chance.shuffle(pool)
        quota = count // len(AREAS) + 1
        for m in pool:
            if quota == 0:
                break
            # one a line, and no more than a few a file
            if files.get(m["file"], 0) >= 4 or any(t["file"] == m["file"] and t["old"] == m["old"] for t in taken):
                continue
            if (ROOT / m["file"]).read_text().count(m["old"]) != 1:
                continue
            files[m["file"]] = files.get(m["file"], 0) + 1
            taken.append(m)
            quota -= 1
    taken = taken[: max(count, 0)]
    (HERE / "drawn.jsonl").write_text("".join(json.dumps(m) + "\n" for m in taken))
    print(f"{len(taken)} drawn with seed {seed}")


def stale(m):
    path = ROOT / m["file"]
    return not path.exists() or path.read_text().count(m["old"]) != 1


def tests_of(file):
    return next((args for area, args in TESTS.items() if file.startswith(area)), ["--test", "it"])


def cargo(args, cwd, seconds):
    try:
        done = subprocess.run(["cargo", *args], cwd=cwd, capture_output=True, text=True, timeout=seconds)
        return done.returncode, done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        return 124, "took too long"


def verdict(m, copy):
    """caught, survived, or no program (it does not compile)."""
    path = copy / m["file"]
    text = path.read_text()
    path.write_text(text.replace(m["old"], m["new"]))
    try:
        status, said = cargo(["check", "--quiet", "--all-features"], copy, 1200)
        if status != 0:
            return "no program"
        kind, target, *filters = [*tests_of(m["file"])]
        status, said = cargo(["test", "--quiet", "--all-features", kind, target, "--", *filters], copy, 1800)
        if status == 0:
            module = m["file"].removeprefix("src/").removesuffix(".rs").removesuffix("/mod").replace("/", "::")
            status, said = cargo(["test", "--quiet", "--all-features", "--lib", "--", module], copy, 1800)
        return "survived" if status == 0 else "caught"
    finally:
        path.write_text(text)


def run(hours, only, part):
    known = HERE / "survivors.jsonl"
    reasons = {(r["file"], r["old"], r["new"]): r["reason"] for r in map(json.loads, known.read_text().splitlines())} if known.exists() else {}
    todo = [m for m in mutants() if not only or fnmatch.fnmatch(m["file"], only)]
    i, n = map(int, part.split("/"))
    todo = todo[i - 1 :: n]
    end = time.monotonic() + hours * 3600
    counts, bad = {}, []
    with tempfile.TemporaryDirectory() as work:
        copy = Path(work) / "copy"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns("target", ".git", "corpus"), symlinks=True)
        for m in todo:
            if time.monotonic() > end:
                what = "not tried: the time is up"
            else:
                what = "stale" if stale(m) else verdict(m, copy)
            counts[what] = counts.get(what, 0) + 1
            print(f"{what:10} {m['file']}: {m['old']}  ->  {m['new']}", flush=True)
            if what == "survived" and (m["file"], m["old"], m["new"]) not in reasons:
                bad.append(m)
    print(", ".join(f"{n} {what}" for what, n in sorted(counts.items())))
    for m in bad:
        print("no test and no reason:", json.dumps(m))
    return 1 if bad else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    d = commands.add_parser("draw")
    d.add_argument("--seed", type=int, required=True)
    d.add_argument("--count", type=int, required=True)
    commands.add_parser("check")
    r = commands.add_parser("run")
    r.add_argument("--hours", type=float, default=2)
    r.add_argument("--only")
    r.add_argument("--part", default="1/1")
    args = parser.parse_args()
    if args.command == "draw":
        draw(args.seed, args.count)
        return 0
    if args.command == "check":
        old = [m for m in mutants() if stale(m)]
        for m in old:
            print("stale:", json.dumps(m))
        print(f"{len(mutants())} mutants, {len(old)} stale")
        return 1 if old else 0
    return run(args.hours, args.only, args.part)


if __name__ == "__main__":
    sys.exit(main())
