#!/usr/bin/env bash
# One record a line for every message of every data file under a folder: only files that are new or have changed, several at a time,
# with a time limit and one more try.
#
#   fleet.sh FOLDER OUT [JOBS]        OUT/items/*.jsonl.gz, OUT/done.tsv (size, time, exit status, path), OUT/log/
set -u
folder=${1:?FOLDER OUT [JOBS]} out=${2:?FOLDER OUT [JOBS]} jobs=${3:-$(nproc)}
export OUT=$out LIMIT=${LIMIT:-30m} PSTKIT=${PSTKIT:-pstkit}
mkdir -p "$out/items" "$out/log"
touch "$out/done.tsv"

one() {
  local file=$1 stamp key status try
  stamp=$(stat -c '%s	%Y' -- "$file") || return 0
  key=$(printf '%s' "$file" | sha256sum | cut -c1-32)
  # Done is what has been read to its end: 8 (no data file), 0, 4 and 64 are; a time limit (124) or a cancelled run (32) is not.
  if grep -qF "$stamp"$'\t'"$key"$'\t' "$OUT/done.tsv"; then return 0; fi
  for try in 1 2; do
    timeout "$LIMIT" "$PSTKIT" items --jsonl "$file" 2>"$OUT/log/$key.txt" | gzip >"$OUT/items/$key.part"
    status=${PIPESTATUS[0]}
    case $status in 124 | 137 | 32) ;; *) break ;; esac
  done
  mv "$OUT/items/$key.part" "$OUT/items/$key.jsonl.gz"
  case $status in
    124 | 137 | 32) printf 'not finished: %s (%s)\n' "$file" "$status" >&2 ;;
    *) printf '%s\t%s\t%s\t%s\n' "$stamp" "$key" "$status" "$file" >>"$OUT/done.tsv" ;;
  esac
}
export -f one
find "$folder" -type f \( -iname '*.pst' -o -iname '*.ost' -o -iname '*.nst' \) -print0 |
  xargs -0 -r -n 1 -P "$jobs" bash -c 'one "$1"' _
