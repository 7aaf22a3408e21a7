#!/bin/bash
# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
#
# From a fresh clone to a trained model:
#
#   launch/quickstart.sh [TEXT_FILE]
#
# Installs what is missing, builds the command, prepares a corpus (the GNU
# Collaborative International Dictionary of English, or TEXT_FILE) and trains
# examples/models/small on two ranks: 8 experts, top-2, grouped-query attention.
set -euo pipefail

unset CDPATH
TEXT=${1:-}
if [[ $# -gt 0 ]]; then
  if [[ ! -f $TEXT || ! -r $TEXT ]]; then
    echo "launch/quickstart.sh: expected a text file, cannot read '$TEXT';" \
      "give another one or none" >&2
    exit 1
  fi
  # It is meant from where the caller stands.
  TEXT=$(realpath "$TEXT")
fi

cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
DICTIONARY=/usr/share/dictd/gcide.dict.dz
STEPS=${SWITCHYARD_QUICKSTART_STEPS:-200}
OUT=runs/quickstart-$(date +%Y%m%d-%H%M%S)

if [[ $# -gt 0 ]]; then
  launch/install_dependencies.sh
else
  TEXT=runs/corpus/gcide.txt
  launch/install_dependencies.sh --with-corpus
  if [[ ! -s $TEXT ]]; then
    mkdir -p runs/corpus
    gzip -dc <"$DICTIONARY" >"$TEXT.part"
    mv "$TEXT.part" "$TEXT"
  fi
fi

echo "Building build/release/switchyard"
cmake --preset release >/dev/null
cmake --build --preset release --target switchyard

launch/mpirun.sh -n 2 build/release/switchyard train \
  --model examples/models/small --data "$TEXT" --out "$OUT" \
  --steps "$STEPS" --seq_len 256 --global_batch 16 --lr 1e-3 \
  --eval_fraction 0.01 --eval_every 100 --eval_batches 16 --log_every 10
