#!/usr/bin/env bash
# Runs each fuzz target a fixed number of times from its seeds and fails where one finds something, where its coverage, or the share of
# inputs with corrected checksums that it reports, is below the floor of floors.tsv, or where a planted bug is not found.
#   fuzz/gate.sh [TARGET...]      FUZZ_SCALE=10 runs ten times as many
set -euo pipefail
cd "$(dirname "$0")/.."
scale=${FUZZ_SCALE:-1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export work scale

# Runs one target; answers its exit status.
run_target() {
  target=$1 runs=$2
  mkdir -p "$work/$target"
  seeds=fuzz/seeds/$target
  [ -d "$seeds" ] || seeds=
  cargo fuzz run -s none "$target" "$work/$target" $seeds -- -runs="$runs" -seed=1 -len_control=0 -max_len=16384 -dict=fuzz/words.dict \
    -rss_limit_mb=1536 -malloc_limit_mb=128 -timeout=60 -print_final_stats=1 >"$work/$target.log" 2>&1
}

one() {
  target=$1 runs=$(($2 * scale)) floor=$3 share=$4
  if ! run_target "$target" "$runs"; then
    tail -n 60 "$work/$target.log"
    printf '%-14s FAILED: it found something\n' "$target"
    return 1
  fi
  covered=$(grep -o 'cov: [0-9]*' "$work/$target.log" | tail -n 1 | tr -dc 0-9)
  read -r made sealed < <(grep -o 'inputs: [0-9]* sealed: [0-9]*' "$work/$target.log" | tail -n 1 | tr -dc '0-9 ' | tr -s ' ') || true
  percent=$((100 * ${sealed:-0} / ${made:-1}))
  printf '%-14s %7d runs, coverage %6d (floor %d), %3d %% with corrected checksums (floor %d %%)\n' \
    "$target" "$runs" "${covered:-0}" "$floor" "$percent" "$share"
  if [ "${covered:-0}" -lt "$floor" ] || [ "$percent" -lt "$share" ]; then
    printf '%-14s FAILED: below its floor\n' "$target"
    return 1
  fi
}
export -f one run_target

wanted=" $* "
grep -v '^#' fuzz/floors.tsv | while read -r target rest; do
  if [ "$wanted" = "  " ] || [[ "$wanted" == *" $target "* ]]; then echo "$target $rest"; fi
done >"$work/list"
for target in $(cargo fuzz list); do
  grep -q "^$target[[:space:]]" fuzz/floors.tsv || { echo "fuzz/floors.tsv has no line for $target" >&2; exit 1; }
done
# two at a time: one for each processor
xargs -P 2 -L 1 bash -c 'set -euo pipefail; one "$@"' _ <"$work/list"

# The gate itself: a bug behind a right checksum in the middle of a store has to be found.
if [ "$wanted" = "  " ]; then
  bug_runs=$(sed -n 's/^# planted bug: //p' fuzz/floors.tsv)
  if PSTKIT_FUZZ_BUG=1 run_target check_image "$bug_runs" || ! grep -q 'the planted bug' "$work/check_image.log"; then
    echo "the planted bug was not found in $bug_runs runs" >&2
    exit 1
  fi
  echo "the planted bug was found"
  rm -rf fuzz/artifacts/check_image
fi
