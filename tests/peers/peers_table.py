#!/usr/bin/env python3
"""The published table of what eighteen other tools get out of damaged files, with pstkit's repair beside them.

For both corpus files of the table in ../shared/damage/README.md, each damage of damage.py with seed 1 is repaired, and the
messages of the repaired file whose subject is one of the healthy file's are counted, as that table counts them. Each cell must
have at least the best tool's figure, every message whose blocks are all undamaged, and every message whose property context is.

usage: peers_table.py [--bin PATH] [--read-only]      --read-only: counts what `pstkit items` reads without a repair
"""

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from readers import SHARED, default_binary, pstkit, run

# damage: messages with an undamaged property context, messages wholly undamaged, the most that any of the tools gets
TABLE = {
    "npm__pst-extractor/michelle_lokay_000_1_1_1_1.pst": {
        "healthy": (71, 71, 71),
        "a_hdrcrc": (71, 71, 71),
        "b_magic": (71, 71, 71),
        "c_bbtroot": (71, 71, 0),
        "d_nbtroot": (71, 71, 0),
        "e_nbtleaf": (71, 71, 71),
        "f_slots1pct": (53, 20, 41),
        "f_slots01pct": (68, 51, 64),
        "g_trunc50": (50, 50, 0),
        "g_trunc90": (61, 61, 0),
        "h_amap": (71, 71, 71),
        "i_tail4k": (71, 71, 71),
        "j_head64k": (71, 70, 0),
        "k_bbtleaf": (71, 71, 71),
        "l_bothroots": (71, 71, 0),
    },
    "npm__pst-extractor/pstextractortest@outlook.com.ost": {
        "healthy": (183, 183, 183),
        "a_hdrcrc": (183, 183, 183),
        "b_magic": (183, 183, 0),
        "c_bbtroot": (183, 183, 0),
        "d_nbtroot": (183, 183, 0),
        "e_nbtleaf": (183, 183, 101),
        "f_slots1pct": (128, 80, 1),
        "f_slots01pct": (168, 152, 169),
        "g_trunc50": (183, 183, 183),
        "g_trunc90": (183, 183, 183),
        "h_amap": (183, 183, 183),
        "i_tail4k": (183, 183, 183),
        "j_head64k": (183, 183, 0),
        "k_bbtleaf": (183, 183, 183),
        "l_bothroots": (183, 183, 0),
    },
}


def subjects(binary: Path, file: Path) -> Counter:
    return Counter(item.get("subject") or "" for item in pstkit(binary, file).messages)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path, default=default_binary())
    parser.add_argument("--read-only", action="store_true")
    args = parser.parse_args()
    script = SHARED / "damage/damage.py"
    if not args.bin.is_file() or not script.is_file():
        print(f"skipped: {args.bin} is not built, or ../shared is not here\n0 passed, 0 failed, 1 skipped")
        return 0
    passed = failed = 0
    for name, cells in TABLE.items():
        source = SHARED / "corpus" / name
        healthy = subjects(args.bin, source)
        print(f"**{name}** ({sum(healthy.values())} messages)\n\n| damage | ceiling pc/full | best tool | pstkit | extra | |\n|---|---|---|---|---|---|")
        with tempfile.TemporaryDirectory() as scratch:
            made = Path(scratch)
            subprocess.run([sys.executable, script, source, made, "1"], check=True, stdout=subprocess.DEVNULL)
            for damage, (pc, full, best) in cells.items():
                damaged = source if damage == "healthy" else made / f"{damage}{source.suffix}"
                out = made / f"out{source.suffix}"
                if not args.read_only:
                    out.unlink(missing_ok=True)
                    run([args.bin, "repair", "-y", "--allow-loss", damaged, "-o", out], 300)
                found = subjects(args.bin, damaged if args.read_only else out)
                right = (found & healthy).total()
                good = right >= max(pc, full, best)
                passed, failed = passed + good, failed + (not good)
                extra = found.total() - right
                print(f"| {damage} | {pc}/{full} | {best} | {right} | {extra or ''} | {'' if good else 'FAIL'} |")
        print()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
