#!/usr/bin/env python3
"""Deletes messages, overwrites some of what was freed, and compares what comes back with what was there: deleted.py.

    python3 tests/peers/deleted.py [--files GLOB] [--modes LIST] [--seeds FROM-TO] [--bin PATH] [--how items,recover] [--jobs N] [-v]

The deletions are those of ../shared/damage/delete.py, which shares no code with the project. Every message that comes back with state
`ok` has to have the contents (`content_sha256`) of a message of the source, or of one that is found in the undamaged source; no live
message may change; and of the deleted messages whose blocks are all as they were, nearly all have to come back. Failures are printed;
the exit status is 1 where there are any. `--json OUT` writes the figures of every run.
"""
import argparse, fnmatch, json, os, subprocess, sys, tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, asdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
SHARED = HERE.parent.parent.parent / "shared"
MODES = "plain,gen,part,gen+part,chim"
EVERY = ["--origin", "normal", "--origin", "orphan", "--origin", "deleted", "--origin", "carved"]
TOP_LEVEL = (0x04, 0x08)


@dataclass
class Run:
    file: str
    mode: str
    seed: int
    how: str
    live: int = 0
    deleted: int = 0
    intact: int = 0
    """Deleted messages with every block as it was, without those that equal another message."""
    equal: int = 0
    """Of the intact ones, those with the contents of a live message or of another deleted one."""
    back: int = 0
    back_partial: int = 0
    finds: int = 0
    finds_ok: int = 0
    false_whole: list = field(default_factory=list)
    changed: list = field(default_factory=list)
    lost: list = field(default_factory=list)
    error: str = ""

    @property
    def failed(self) -> bool:
        return bool(self.false_whole or self.changed or self.error)


def call(args: list, limit: int = 300) -> tuple:
    try:
        done = subprocess.run([str(a) for a in args], capture_output=True, timeout=limit)
        return done.returncode, done.stdout, done.stderr.decode(errors="replace")
    except subprocess.TimeoutExpired:
        return "timeout", b"", ""


def items(binary: Path, path: Path, deleted: bool) -> list:
    status, out, err = call([binary, "items", "--jsonl", *(EVERY if deleted else []), path])
    if status not in (0, 4):
        raise RuntimeError(f"items: {status}: {err[-200:]}")
    return [json.loads(line) for line in out.splitlines()]


def messages(path: Path) -> int:
    sys.path.insert(0, str(SHARED / "damage"))
    import pstlib
    try:
        return sum(1 for nid in pstlib.Pst(str(path)).load().N if nid & 31 == 4)
    except Exception:
        return 0


def recovered(binary: Path, path: Path, out: Path) -> list:
    """What `recover` wrote, each with how it was found and its state there."""
    status, told, err = call([binary, "recover", "--json", "--force", "-o", out, path])
    if not isinstance(status, int) or status & ~(1 | 2 | 4 | 64):
        raise RuntimeError(f"recover: {status}: {err[-200:]}")
    told = json.loads(told)
    found = {f["nid"]: f for f in told["found"]}
    doubted = set(told["account"].get("partial", []))
    all_ = items(binary, out, False)
    for i in all_:
        f = found.get(i["nid"])
        i["origin"] = f["origin"] if f else "normal"
        if i["nid"] in doubted or (f and f.get("state", "ok") != "ok"):
            i["state"] = "partial"
    return all_


def contents(items_: list) -> set:
    """Digests of messages and of those inside their attachments, which come back alone where what was around them is gone."""
    out, todo = set(), list(items_)
    while todo:
        item = todo.pop()
        out.add(item["content_sha256"])
        todo += [a["embedded"] for a in item["attachments"] if a.get("embedded")]
    return out


def judge(run: Run, truth: dict, source: list, before: list, after: list) -> None:
    mine = {i["nid"]: i for i in source}
    deleted, live = set(truth["deleted"]), [i for i in source if i["nid"] not in set(truth["deleted"])]
    known = contents(source) | contents(before)
    normal, finds = [i for i in after if i["origin"] == "normal"], [i for i in after if i["origin"] != "normal"]
    run.live, run.deleted, run.finds = len(live), len(deleted), len(finds)
    run.finds_ok = sum(i["state"] == "ok" for i in finds)
    run.false_whole = [f"{i['nid']:#x} {i['origin']}" for i in finds if i["state"] == "ok" and i["content_sha256"] not in known]
    left = Counter(i["content_sha256"] for i in normal)
    for i in live:
        if not left[i["content_sha256"]]:
            run.changed.append(f"{i['nid']:#x}")
        left[i["content_sha256"]] -= 1
    wanted = Counter(i["content_sha256"] for i in live)
    ok = Counter(i["content_sha256"] for i in finds if i["state"] == "ok")
    partial = Counter(i["content_sha256"] for i in finds if i["state"] != "ok")
    for nid in truth["intact"]:
        digest = mine[nid]["content_sha256"]
        run.intact += 1
        if ok[digest]:
            ok[digest] -= 1
            run.back += 1
        elif partial[digest]:
            partial[digest] -= 1
            run.back_partial += 1
        elif wanted[digest] or sum(mine[n]["content_sha256"] == digest for n in deleted) > 1:
            run.equal += 1
        else:
            run.lost.append(f"{nid:#x}")


def one(binary: Path, path: Path, mode: str, seed: int, hows: list, keep: Path | None, base: dict) -> list:
    out = []
    with tempfile.TemporaryDirectory(prefix="pstkit-deleted-") as tmp:
        folder = keep or Path(tmp)
        damaged = folder / f"{path.stem.replace(' ', '_')}.{mode}.{seed}{path.suffix}"
        status, said, err = call([sys.executable, SHARED / "damage" / "delete.py", path, damaged, seed, *mode.split("+")], 600)
        if status != 0 or not damaged.exists():
            return out
        truth = json.loads(Path(f"{damaged}.json").read_text())
        for how in hows:
            run = Run(path.name, mode, seed, how)
            try:
                after = items(binary, damaged, True) if how == "items" else recovered(binary, damaged, folder / "recovered.pst")
                judge(run, truth, *base[how], after)
            except Exception as e:
                run.error = str(e)
            out.append(run)
    return out


def healthy(binary: Path, path: Path, hows: list) -> dict:
    """What each file has, and what is found in it before anything is deleted."""
    source, out = items(binary, path, False), {}
    for how in hows:
        if how == "items":
            out[how] = (source, items(binary, path, True))
        else:
            with tempfile.TemporaryDirectory() as tmp:
                out[how] = (source, recovered(binary, path, Path(tmp) / "out.pst"))
    return out


def main() -> int:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--bin", type=Path, default=HERE.parent.parent / "target" / "release" / "pstkit")
    args.add_argument("--files", default="*")
    args.add_argument("--modes", default=MODES)
    args.add_argument("--seeds", default="1-2")
    args.add_argument("--how", default="items,recover")
    args.add_argument("--jobs", type=int, default=2)
    args.add_argument("--largest", type=int, default=64 << 20)
    args.add_argument("--json", type=Path)
    args.add_argument("--keep", type=Path)
    args.add_argument("-v", action="store_true")
    a = args.parse_args()
    corpus = SHARED / "corpus"
    if not corpus.is_dir():
        print(f"skipped: {corpus} is not there")
        return 0
    first, _, last = a.seeds.partition("-")
    seeds, modes, hows = range(int(first), int(last or first) + 1), a.modes.split(","), a.how.split(",")
    files = [p for p in sorted(corpus.rglob("*")) if p.suffix.lower() in (".pst", ".ost", ".tmp") and p.stat().st_size <= a.largest]
    files = [p for p in files if fnmatch.fnmatch(p.name, a.files) and messages(p) >= 4]
    if a.keep:
        a.keep.mkdir(parents=True, exist_ok=True)
    runs: list = []
    with ThreadPoolExecutor(a.jobs) as pool:
        def whole(path: Path) -> list:
            try:
                base = healthy(a.bin, path, hows)
            except Exception as e:
                return [Run(path.name, "-", 0, "-", error=str(e))]
            return [r for mode in modes for seed in seeds for r in one(a.bin, path, mode, seed, hows, a.keep, base)]
        for found in pool.map(whole, files):
            runs += found
            for r in found:
                if r.failed or (a.v and r.lost):
                    print(f"{r.file} {r.mode} {r.seed} {r.how}: {r.error} false whole {r.false_whole[:6]} changed {r.changed[:6]} lost {r.lost[:6]}",
                          file=sys.stderr, flush=True)
    print(f"{'mode':9} {'how':8} {'runs':>5} {'intact':>7} {'ok':>6} {'partial':>7} {'equal':>6} {'lost':>5} {'finds':>6} {'whole':>6} {'false':>6} {'changed':>7}")
    for mode in modes:
        for how in hows:
            of = [r for r in runs if r.mode == mode and r.how == how]
            total = lambda get: sum(get(r) for r in of)
            print(f"{mode:9} {how:8} {len(of):5} {total(lambda r: r.intact):7} {total(lambda r: r.back):6} {total(lambda r: r.back_partial):7}"
                  f" {total(lambda r: r.equal):6} {total(lambda r: len(r.lost)):5} {total(lambda r: r.finds):6} {total(lambda r: r.finds_ok):6}"
                  f" {total(lambda r: len(r.false_whole)):6} {total(lambda r: len(r.changed)):7}")
    failed = sum(r.failed for r in runs)
    intact, lost = sum(r.intact - r.equal for r in runs), sum(len(r.lost) for r in runs)
    share = 100 * (intact - lost) / intact if intact else 100.0
    print(f"{share:.2f} % of {intact} intact deleted messages came back; {len(runs) - failed} passed, {failed} failed")
    if a.json:
        a.json.write_text(json.dumps([asdict(r) for r in runs], indent=1))
    return 1 if failed or share < 99.5 else 0


if __name__ == "__main__":
    sys.exit(main())
