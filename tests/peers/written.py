#!/usr/bin/env python3
"""Opens stores that the crate's writer made in every peer that is installed, and compares what they count.

Usage: written.py [DIR]   DIR holds the output of `cargo run --features testkit --example generate DIR all`;
                          without it, that is run first.

Every variety is made from one recipe, so all must give the same folders, messages, subjects, bodies and attachments, but for
those that hold larger attachments because their blocks are larger (4K).
"""
import hashlib
import pathlib
import shutil
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
passed = failed = 0


def say(good, what):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    if not good:
        print("FAILED:", what)


def walk(path):
    """Folders, messages and digests as libpff sees them; attachments of messages in messages too."""
    import pypff

    seen = {"folders": [], "messages": 0, "attachments": 0, "text": hashlib.sha256(), "data": 0}

    def message(m):
        seen["messages"] += 1
        for part in (getattr(m, "subject", None), getattr(m, "plain_text_body", None)):
            part = part or b""
            seen["text"].update(part.encode() if isinstance(part, str) else part)
        for i in range(getattr(m, "number_of_attachments", 0)):
            seen["attachments"] += 1
            a = m.get_attachment(i)
            try:
                size = a.get_size()
            except OSError:  # a reference to a file elsewhere has no data
                continue
            seen["data"] += len(a.read_buffer(size) or b"") if size else 0

    def folder(f, path):
        seen["folders"].append(path)
        for i in range(f.number_of_sub_messages):
            message(f.get_sub_message(i))
        for i in range(f.number_of_sub_folders):
            sub = f.get_sub_folder(i)
            folder(sub, f"{path}/{sub.name}")

    file = pypff.file()
    file.open(str(path))
    folder(file.get_root_folder(), "")
    seen["text"] = seen["text"].hexdigest()
    return seen


def exported(path, work):
    """How many files pffexport makes of the items."""
    target = work / "out"
    run = subprocess.run(["pffexport", "-q", "-m", "items", "-t", target, path], capture_output=True, text=True)
    made = sum(1 for p in (work / "out.export").rglob("*") if p.is_file()) if (work / "out.export").exists() else 0
    shutil.rmtree(work / "out.export", ignore_errors=True)
    return run.returncode, made


def mails(path, work):
    """How many mails readpst writes."""
    out = work / "readpst"
    out.mkdir()
    run = subprocess.run(["readpst", "-j", "0", "-q", "-D", "-S", "-o", out, path], capture_output=True, text=True)
    made = sum(1 for p in out.rglob("*") if p.is_file())
    shutil.rmtree(out)
    return run.returncode, made


def main():
    with tempfile.TemporaryDirectory() as temporary:
        work = pathlib.Path(temporary)
        directory = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else work / "stores"
        if len(sys.argv) < 2:
            directory.mkdir()
            command = ["cargo", "run", "--quiet", "--features", "testkit", "--example", "generate", directory, "all"]
            subprocess.run(command, cwd=TOP, check=True)
        files = sorted(directory.glob("*.pst"))
        say(len(files) == 10, f"10 varieties, not {len(files)}")
        group = lambda p: p.name.split("-")[0]
        try:
            import pypff  # noqa: F401

            first = {}
            for path in files:
                seen = walk(path)
                want = first.setdefault(group(path), seen)
                say(seen == want and seen["messages"] > 80, f"pypff {path.name}: {seen} and not {want}")
            folders = {tuple(s["folders"]) for s in first.values()}
            say(len(folders) == 1 and len({s["messages"] for s in first.values()}) == 1, "folders and messages of all layouts are the same")
        except ImportError:
            print("skipped: no pypff")
        # libpst knows neither 4K files nor, in this version, every class of item
        for name, tool, some in (("pffexport", exported, files), ("readpst", mails, [p for p in files if group(p) != "4k"])):
            if not shutil.which(name):
                print(f"skipped: no {name}")
                continue
            results = {p.name: tool(p, work) for p in some}
            for p, (code, made) in results.items():
                say(code == 0 and made > 80, f"{name} {p}: status {code}, {made} files")
            spread = [made for _, made in results.values()]
            # readpst makes one file less of an ANSI store: it does not see the subject of one item
            say(max(spread) - min(spread) <= 1, f"{name} makes as many files of each: {results}")
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
