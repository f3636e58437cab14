"""Whether two documents of `pstkit items --json` hold the same items: python3 same_items.py A B. The names of the files may differ."""

import json
import sys


def items(path: str) -> list[dict]:
    with open(path, encoding="utf-8") as file:
        return json.load(file)["items"]


def main() -> int:
    a, b = (items(path) for path in sys.argv[1:3])
    if len(a) != len(b):
        print(f"{len(a)} and {len(b)} items")
        return 1
    for x, y in zip(a, b):
        for key in x.keys() | y.keys():
            if x.get(key) != y.get(key):
                print(f"item {x.get('nid')}: {key}: {x.get(key)!r} and {y.get(key)!r}")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
