#!/bin/bash
# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
#
# What each kernel takes on each architecture, as ptxas said when it was built
# (preset cuda), against the committed table:
#
#   tests/gpu/kernel_resources.sh BUILD_FOLDER            compares
#   tests/gpu/kernel_resources.sh BUILD_FOLDER --update   rewrites the table
#
# A kernel that takes more registers than the table says, or spills where it did
# not, is an error; so is one that is new or gone: update the table and say why.
# Attention may not spill at all.
set -euo pipefail

unset CDPATH
HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
TABLE=$HERE/kernel_resources.txt
[[ $# -ge 1 && -d $1 ]] || {
  echo "Usage: tests/gpu/kernel_resources.sh BUILD_FOLDER [--update]" >&2
  exit 2
}

# One line a kernel and architecture: sm_80 registers spilled_bytes name.
measured() {
  find "$1" -name '*.cu.o.ptxas' -print0 | xargs -0 cat | awk '
    /Compiling entry function/ {
      split($0, part, "\047")
      name = part[2]; architecture = part[4]
    }
    /bytes stack frame/ { spilled = $5 + $9 }
    /Used [0-9]+ registers/ {
      for (i = 1; i < NF; ++i) if ($i == "Used") registers = $(i + 1)
      print architecture, registers, spilled, name
    }' | c++filt | sed -E 's/\(anonymous namespace\):://g
      s/switchyard::kernels::cuda:://g; s/^([^ ]+ [^ ]+ [^ ]+) void /\1 /
      s/\([^()]*(\([^()]*\)[^()]*)*\)$//' | LC_ALL=C sort -k4 -k1,1 | uniq
}

found=$(mktemp)
trap 'rm -f "$found"' EXIT
measured "$1" >"$found"
[[ -s $found ]] || {
  echo "expected kernels under $1, found none; build the preset cuda" >&2
  exit 1
}
if [[ ${2:-} == --update ]]; then
  {
    echo "# Architecture, registers of a thread, bytes spilled, kernel:"
    echo "# tests/gpu/kernel_resources.sh writes and checks it."
    cat "$found"
  } >"$TABLE"
  echo "$(wc -l <"$found") kernels in $TABLE"
  exit 0
fi
awk '
  /^#/ { next }
  {
    key = $1; for (i = 4; i <= NF; ++i) key = key " " $i
  }
  NR == FNR { registers[key] = $2; spilled[key] = $3; next }
  !(key in registers) {
    print "not in the table: " $0; bad = 1; next
  }
  {
    seen[key] = 1
    if ($2 > registers[key]) {
      print "more registers than " registers[key] ": " $0; bad = 1
    }
    if ($3 > spilled[key]) {
      print "spills more than " spilled[key] " bytes: " $0; bad = 1
    }
    if ($3 > 0 && key ~ /[Aa]ttention|Gradients|ForwardKernel/) {
      print "attention spills: " $0; bad = 1
    }
  }
  END {
    for (key in registers) {
      if (!(key in seen)) { print "not built any more: " key; bad = 1 }
    }
    exit bad
  }' "$TABLE" "$found"
echo "$(wc -l <"$found") kernels take what the table says"
