#!/bin/bash
# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
#
# Proves that Switchyard can be had on a fresh Debian machine:
#
#   tests/install/fresh_root.sh SUITE [FOLDER]      such as bookworm or trixie
#
# makes an empty root of that suite with debootstrap in FOLDER (default: a new
# one, removed at the end; one that exists already is used as it is), clones
# this tree's last commit into it, and does what a newcomer does:
#
#   1. as a user who is not root, launch/quickstart.sh: one list, nothing done;
#   2. launch/quickstart.sh as written, with its time;
#   3. .ci/run in a clone of its own, without stdin, with its time;
#   4. the user again, now that all is there: a short quickstart;
#   5. cmake --install elsewhere, and examples/04_custom_trainer built against
#      it outside the tree; then, with the sources moved away, both compared on
#      one and two ranks: every number and all weights (package.sh).
#
# Needs root, debootstrap, git and the network. Mounts and processes end with
# the script. STEPS=1,5 does only these.
set -euo pipefail

fail() {
  echo "fresh_root.sh: $*" >&2
  exit 1
}

[[ $# -ge 1 ]] || fail "name a Debian suite, such as bookworm"
[[ $(id -u) -eq 0 ]] || fail "needs root, to make a root and enter it"
for program in debootstrap git unshare chroot; do
  command -v "$program" >/dev/null || fail "'$program' was not found"
done

SUITE=$1
TREE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# Everything below happens in namespaces that end with this process.
if [[ -z ${FRESH_ROOT:-} ]]; then
  folder=${2:-$(mktemp -d)}
  status=0
  FRESH_ROOT=$folder unshare --mount --pid --fork --kill-child --uts \
    --mount-proc "$0" "$@" || status=$?
  [[ -n ${2:-} ]] || rm -rf "$folder"
  exit "$status"
fi

ROOT=$FRESH_ROOT
STEPS=${STEPS:-1,2,3,4,5}
TIMES=()

# inside USER COMMAND...: in the root, with nothing of our environment or stdin.
inside() {
  local user=$1 home=/root
  shift
  [[ $user == root ]] || home=/home/$user
  chroot "$ROOT" setpriv --reuid "$user" --regid "$user" --init-groups \
    env -i HOME="$home" USER="$user" TERM=dumb LANG=C.UTF-8 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    "$@" </dev/null
}

wanted() { [[ ,$STEPS, == *,$1,* ]]; }

# timed NAME COMMAND...: `set -e` ends the script if the command fails.
timed() {
  local name=$1 begin=$SECONDS
  shift
  echo "== $name"
  "$@"
  TIMES+=("$(printf '%5d s  %s' $((SECONDS - begin)) "$name")")
}

clone_to() {  # USER FOLDER
  rm -rf "${ROOT:?}$2"
  git clone -q --no-hardlinks "file://$TREE" "$ROOT$2"
  chroot "$ROOT" chown -R "$1:" "$2"
}

make_root() {
  if [[ -e $ROOT/etc/debian_version ]]; then return; fi
  debootstrap --variant=minbase "$SUITE" "$ROOT" >"$ROOT.log" 2>&1 ||
    fail "debootstrap failed: $ROOT.log"
  rm "$ROOT.log"
}

enter_root() {
  mount --make-rprivate /
  mount -t proc proc "$ROOT/proc"
  mount -t sysfs -o ro sysfs "$ROOT/sys"
  mount --rbind /dev "$ROOT/dev"
  mount -t tmpfs -o mode=1777 tmpfs "$ROOT/dev/shm"
  hostname "fresh-$SUITE"
  chroot "$ROOT" id newcomer >/dev/null 2>&1 ||
    chroot "$ROOT" useradd --create-home newcomer
}

quickstart_without_root() {
  local list="$ROOT/tmp/list" home=/home/newcomer/switchyard
  clone_to newcomer $home
  if inside newcomer sh -c "cd $home && ./launch/quickstart.sh" \
    >"$list" 2>&1; then
    fail "quickstart found everything in an empty root"
  fi
  cat "$list"
  for name in "C++20 compiler" CMake Ninja mpirun dict-gcide; do
    grep -q "$name" "$list" || fail "the list does not name $name"
  done
  [[ $(grep -c 'Not found' "$list") -eq 1 ]] || fail "expected one list"
  [[ ! -e $ROOT$home/build && ! -e $ROOT$home/runs ]] ||
    fail "something was attempted"
}

quickstart_as_written() {
  clone_to root /root/switchyard
  inside root sh -c 'cd /root/switchyard && ./launch/quickstart.sh'
}

continuous_integration() {
  clone_to root /root/ci
  inside root env CI=true sh -c 'cd /root/ci && .ci/run'
  rm -rf "$ROOT/root/ci"
}

short_quickstart() {
  inside newcomer env SWITCHYARD_QUICKSTART_STEPS=20 \
    sh -c 'cd ~/switchyard && ./launch/quickstart.sh'
}

# The package, far from where it was made; the sources are out of the way.
installed_elsewhere() {
  local package="CMAKE=cmake /root/package.sh /root/package.state"
  inside root sh -ec "cp /root/switchyard/tests/install/package.sh /root
    cd /root/switchyard
    $package install /root/switchyard/build/release
    $package build custom_trainer /root/switchyard/examples/04_custom_trainer
    mv /root/switchyard /root/out_of_the_way
    cd /
    $package compare 1 2
    mv /root/out_of_the_way /root/switchyard
    $package remove"
}

timed "an empty root of $SUITE" make_root
enter_root
if wanted 1; then timed "quickstart without root" quickstart_without_root; fi
if wanted 2; then timed "./launch/quickstart.sh" quickstart_as_written; fi
if wanted 3; then timed ".ci/run in a clone of its own" continuous_integration; fi
if wanted 4; then timed "a short quickstart without root" short_quickstart; fi
if wanted 5; then timed "the installed package" installed_elsewhere; fi
echo "== $SUITE: all passed"
printf '%s\n' "${TIMES[@]}"
