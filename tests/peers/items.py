"""The common shape of what a reader says about a file: JSON Lines, as `pstkit items --jsonl` prints them.

A peer's key that is missing means "this reader does not say"; `null` means "it says there is none". Besides items
(`kind` message or associated) a peer prints a line for each folder (`kind` folder) and each error (`kind` error).
"""

import hashlib
import json
import sys


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def body(value: str | bytes | None) -> dict | None:
    """Length and digest of a body, with the digests of its usual variants: readers differ in line ends and NULs."""
    if value is None:
        return None
    data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    trimmed = data.rstrip(b"\0")
    variants = {data, trimmed, data.replace(b"\r\n", b"\n"), trimmed.replace(b"\r\n", b"\n"), trimmed + b"\0", trimmed.rstrip()}
    return {"length": len(data), "sha256": sha256(data), "variants": sorted(sha256(one) for one in variants)}


def subject(text: str | None) -> str | None:
    """What is shown of a subject: U+0001 and the character after it say how long the prefix is."""
    if text is None:
        return None
    text = text.rstrip("\0")
    return text[2:] if text.startswith("\x01") else text


def emit(**line) -> None:
    json.dump(line, sys.stdout, ensure_ascii=True)
    sys.stdout.write("\n")
    sys.stdout.flush()


def emit_error(text) -> None:
    emit(kind="error", text=str(text)[:300])
