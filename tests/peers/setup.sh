#!/usr/bin/env bash
# Installs the independent readers that the comparison runs against. Each of them is optional: what cannot be
# installed here is named as skipped, and the scripts beside this one go on without it.
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
skipped=0

have() { command -v "$1" >/dev/null 2>&1; }
ready() { printf '%-14s ready\n' "$1"; }
skip() { printf '%-14s SKIPPED: %s\n' "$1" "$2"; skipped=$((skipped + 1)); }

apt_get() {
  if [ "$(id -u)" = 0 ]; then apt-get "$@"; elif have sudo; then sudo -n apt-get "$@"; else return 1; fi
}

# debian PEER PROGRAM PACKAGE
debian() {
  have "$2" || { have apt-get && { apt_get install -qq -y "$3" || { apt_get update -qq && apt_get install -qq -y "$3"; }; }; } >/dev/null 2>&1
  if have "$2"; then ready "$1"; else skip "$1" "no $2 (Debian package $3)"; fi
}

debian readpst readpst pst-utils
debian pffexport pffexport pff-tools

python=${PYTHON:-python3}
"$python" -c 'import pypff' 2>/dev/null || "$python" -m pip install --quiet libpff-python >/dev/null 2>&1
if "$python" -c 'import pypff' 2>/dev/null; then ready pypff; else skip pypff "no pypff (PyPI package libpff-python)"; fi

# both in one run: npm takes out what a run does not name
if have npm && have node; then
  { [ -d "$here/node_modules/pst-extractor" ] && [ -d "$here/node_modules/@kenjiuno/msgreader" ]; } ||
    (cd "$here" && npm install --silent --no-save --no-package-lock --no-audit --no-fund --prefix . pst-extractor @kenjiuno/msgreader) >/dev/null 2>&1
fi
if have node && [ -d "$here/node_modules/pst-extractor" ]; then ready pst-extractor; else skip pst-extractor "no node, or npm could not install it"; fi

# readers of MSG, for messages.py
"$python" -c 'import extract_msg' 2>/dev/null || "$python" -m pip install --quiet extract-msg olefile >/dev/null 2>&1
if "$python" -c 'import extract_msg' 2>/dev/null; then ready extract-msg; else skip extract-msg "PyPI package extract-msg"; fi
debian msgconvert msgconvert libemail-outlook-message-perl
if [ -d "$here/node_modules/@kenjiuno/msgreader" ]; then ready msgreader; else skip msgreader "no node, or npm could not install it"; fi

if have cargo && cargo build --quiet --release --manifest-path "$top/benches/peers/Cargo.toml"; then
  ready outlook-pst
else
  skip outlook-pst "benches/peers did not build"
fi

echo "$skipped peers skipped"
