#!/bin/bash
# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
#
# Tests of an installed package, far from the source and build folders:
#
#   package.sh STATE install BUILD       installs a build into a new temporary
#                                        folder and moves it
#   package.sh STATE build NAME PROJECT [OPTION...]
#                                        copies a project there, then configures
#                                        and builds it against the package
#   package.sh STATE run RANKS PROGRAM [ARGUMENT...]
#                                        runs what was built, under mpirun
#   package.sh STATE compare RANKS...    runs `switchyard train` and
#                                        custom_trainer on each number of ranks
#                                        and compares every printed bit
#   package.sh STATE remove
#
# STATE is a file that remembers the temporary folder. CMake is $CMAKE.
set -euo pipefail

STATE=$1
COMMAND=$2
shift 2

die() {
  echo "package.sh: $*" >&2
  exit 1
}

if [[ $COMMAND == install ]]; then
  WORK=$(mktemp -d "${TMPDIR:-/tmp}/switchyard-install.XXXXXX")
  echo "$WORK" >"$STATE"
else
  WORK=$(cat "$STATE")
fi
PREFIX=$WORK/prefix

# The package must not depend on where it was put, nor on where it came from.
install_package() {
  "$CMAKE" --install "$1" --prefix "$WORK/first_place"
  mv "$WORK/first_place" "$PREFIX"
  if grep -rlF -e "$1" -e "$WORK" "$PREFIX"/lib*/cmake; then
    die "these files of the package name the build or the first place"
  fi
  check_scripts
}

# The installed scripts speak of themselves and find the installed command.
check_scripts() {
  local said
  said=$(SWITCHYARD_MPIRUN=none "$PREFIX/bin/switchyard-mpirun" 2>&1) &&
    die "switchyard-mpirun went on without an mpirun"
  [[ $said == "switchyard-mpirun: "* ]] || die "switchyard-mpirun said: $said"
  said=$(cd "$WORK" && PATH=$PREFIX/bin:$PATH SLURM_SUBMIT_DIR=$WORK \
    SLURM_NTASKS=2 SWITCHYARD_LAUNCHER=mpirun \
    bash "$PREFIX/share/switchyard/slurm/train.sbatch" --dry_run \
    --model "$PREFIX/share/switchyard/models/tiny")
  [[ $said == *"expert-parallel width"*" 2"* ]] ||
    die "train.sbatch did not start switchyard on two ranks: $said"
  said=$(env -u SLURM_SUBMIT_DIR \
    bash "$PREFIX/share/switchyard/slurm/train.sbatch" 2>&1) &&
    die "train.sbatch went on outside Slurm"
  [[ $said == *"start this with sbatch"* ]] || die "train.sbatch said: $said"
}

build_project() {
  local name=$1 project=$2
  shift 2
  rm -rf "${WORK:?}/$name"
  cp -r "$project" "$WORK/$name"
  "$CMAKE" -S "$WORK/$name" -B "$WORK/$name/build" \
    -DCMAKE_PREFIX_PATH="$PREFIX" -DCMAKE_BUILD_TYPE=Release "$@"
  "$CMAKE" --build "$WORK/$name/build" --parallel 2
}

run() {
  local ranks=$1
  shift
  if ((ranks == 1)); then
    "$@"
  else
    "$PREFIX/bin/switchyard-mpirun" -n "$ranks" "$@"
  fi
}

# The numbers that must agree, one a line. Trailing zeros are no bits.
numbers() {
  grep -ohE '"(step|loss|grad_norm|learning_rate|weights_checksum)": [^,}]*' \
    "$@" | sed -E 's/\.0$//'
}

compare() {
  local model=$PREFIX/share/switchyard/models/tiny
  local text=$PREFIX/share/doc/switchyard/LICENSE
  local expected=""
  for ranks in "$@"; do
    local out=$WORK/run_$ranks
    rm -rf "$out"
    run "$ranks" "$PREFIX/bin/switchyard" train \
      --flagfile "$WORK/custom_trainer/train.flags" \
      --model "$model" --data "$text" --out "$out" --threads 1
    run "$ranks" "$WORK/custom_trainer/build/custom_trainer" "$model" "$text" \
      >"$out/custom.jsonl"
    numbers "$out/metrics.jsonl" >"$out/train.numbers"
    numbers "$out/summary.json" | grep weights_checksum >>"$out/train.numbers"
    numbers "$out/custom.jsonl" >"$out/custom.numbers"
    # 20 steps of four numbers, and the checksum.
    local lines
    lines=$(wc -l <"$out/custom.numbers")
    ((lines == 81)) || die "$lines numbers were found instead of 81"
    diff "$out/train.numbers" "$out/custom.numbers" ||
      die "on $ranks ranks custom_trainer differs from switchyard train"
    if [[ -n $expected ]]; then
      diff "$expected" "$out/custom.numbers" ||
        die "$ranks ranks differ from $1"
    fi
    expected=$out/custom.numbers
  done
  tail -n 4 "$expected"
  echo "custom_trainer and switchyard train gave the same bits on $* ranks"
}

case $COMMAND in
  install) install_package "$@" ;;
  build) build_project "$@" ;;
  run) run "$1" "$WORK/$2" "${@:3}" ;;
  compare) compare "$@" ;;
  remove) rm -rf "$WORK" "$STATE" ;;
  *) die "unknown command $COMMAND" ;;
esac
