#!/bin/bash
# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
#
# Makes sure that everything Switchyard is built from is there:
#
#   launch/install_dependencies.sh [--with-corpus] [--with-ccache]
#
# On Debian and Ubuntu, as root or where sudo asks for no password, what is
# missing is installed with apt-get. Elsewhere nothing is attempted, and what
# could not be installed may be there all the same: one list says what was not
# found and how it is got. CMake's own variables (CMAKE_PREFIX_PATH, MPI_HOME,
# ...) are read from the environment as always.
set -euo pipefail

unset CDPATH
HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
CORPUS=/usr/share/dictd/gcide.dict.dz

# ocl-icd-opencl-dev: the CMake package of Debian's oneDNN asks for OpenCL.
# libprotobuf-dev: so does pkg-config's file of Debian 13's SentencePiece.
# make: what CMake generates for unless it is told otherwise, as in a project
# that uses the installed package.
PACKAGES=(g++ cmake ninja-build make pkg-config libopenmpi-dev openmpi-bin
  libabsl-dev libdnnl-dev ocl-icd-opencl-dev libhwy-dev nlohmann-json3-dev
  libxxhash-dev libpcre2-dev libsentencepiece-dev libprotobuf-dev libutf8proc-dev
  libgtest-dev libgmock-dev libboost-context-dev)
WITH_CORPUS=0

usage() {
  echo "Usage: launch/install_dependencies.sh [--with-corpus] [--with-ccache]"
  echo "Installs what Switchyard is built from, where apt-get and root can, and"
  echo "lists what is not there. --with-corpus: the text that quickstart.sh"
  echo "trains on too (Debian's dict-gcide). --with-ccache: a compiler cache, for"
  echo "several builds; nothing is missing without it."
}

for option in "$@"; do
  case $option in
    --with-corpus)
      WITH_CORPUS=1
      PACKAGES+=(dict-gcide)
      ;;
    --with-ccache) PACKAGES+=(ccache) ;;
    -h | --help)
      usage
      exit 0
      ;;
    *)
      echo "install_dependencies.sh: expected --with-corpus or --with-ccache," \
        "found '$option'; correct it" >&2
      usage >&2
      exit 2
      ;;
  esac
done

# What | apt | dnf | Spack | conda-forge | variable that tells CMake the place.
sources_of() {
  local prefix=CMAKE_PREFIX_PATH
  case $1 in
    "C++20 compiler") echo "g++|gcc-c++|gcc|gxx|CXX" ;;
    "CMake 3.25") echo "cmake|cmake|cmake|cmake|PATH" ;;
    Ninja) echo "ninja-build|ninja-build|ninja|ninja|PATH" ;;
    pkg-config) echo "pkg-config|pkgconf-pkg-config|pkgconf|pkg-config|PATH" ;;
    MPI) echo "libopenmpi-dev|openmpi-devel|openmpi|openmpi|MPI_HOME" ;;
    mpirun) echo "openmpi-bin|openmpi|openmpi|openmpi|SWITCHYARD_MPIRUN" ;;
    OpenMP) echo "g++|gcc-c++|gcc|gxx|CXX" ;;
    Abseil)
      echo "libabsl-dev|abseil-cpp-devel|abseil-cpp|libabseil|$prefix"
      ;;
    oneDNN)
      echo "libdnnl-dev,ocl-icd-opencl-dev|onednn-devel|onednn|onednn|$prefix"
      ;;
    Highway) echo "libhwy-dev|highway-devel|highway|libhwy|PKG_CONFIG_PATH" ;;
    PCRE2) echo "libpcre2-dev|pcre2-devel|pcre2|pcre2|PKG_CONFIG_PATH" ;;
    SentencePiece)
      printf "%s|%s\n" "libsentencepiece-dev,libprotobuf-dev|sentencepiece-devel" \
        "sentencepiece|sentencepiece|PKG_CONFIG_PATH"
      ;;
    utf8proc)
      printf "%s|%s\n" "libutf8proc-dev|utf8proc-devel|utf8proc" \
        "libutf8proc|PKG_CONFIG_PATH"
      ;;
    nlohmann-json)
      echo "nlohmann-json3-dev|json-devel|nlohmann-json|nlohmann_json|$prefix"
      ;;
    xxHash) echo "libxxhash-dev|xxhash-devel|xxhash|xxhash|PKG_CONFIG_PATH" ;;
    GoogleTest)
      printf "%s|%s\n" "libgtest-dev,libgmock-dev|gtest-devel,gmock-devel" \
        "googletest|gtest|$prefix"
      ;;
    Boost.Context)
      echo "libboost-context-dev|boost-devel|boost|libboost-devel|$prefix"
      ;;
    *) echo "-|-|-|-|-" ;;
  esac
}

missing_packages() {
  local package
  for package in "${PACKAGES[@]}"; do
    if [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) != \
      installed ]]; then
      echo "$package"
    fi
  done
}

# Prints what runs a command as root; fails if nothing does.
become_root() {
  if [[ $(id -u) -eq 0 ]]; then
    echo env
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    echo "sudo -n"
  else
    return 1
  fi
}

install_with_apt() {
  local root missing
  command -v apt-get >/dev/null && command -v dpkg-query >/dev/null || return 0
  mapfile -t missing < <(missing_packages)
  [[ ${#missing[@]} -gt 0 ]] || return 0
  root=$(become_root) || return 0
  echo "Installing ${missing[*]}"
  # A list that cannot be read anew may still do, and so may what is installed:
  # not_found decides.
  $root apt-get update -qq || echo "apt-get update failed; going on" >&2
  $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
    --no-install-recommends "${missing[@]}" >/dev/null ||
    echo "apt-get could not install ${missing[*]}; going on" >&2
}

# Names of what cannot be found, one a line, and notes.
not_found() {
  local folder version
  version=$({ cmake --version 2>/dev/null || true; } |
    sed -n 's/^cmake version //p')
  if [[ -z $version ]] ||
    [[ $(printf '3.25\n%s\n' "$version" | sort -V | head -n 1) != 3.25 ]]; then
    echo "CMake 3.25"
    version=""
  fi
  command -v ninja >/dev/null || echo Ninja
  command -v pkg-config >/dev/null || echo pkg-config
  command -v "${SWITCHYARD_MPIRUN:-mpirun}" >/dev/null || echo mpirun
  folder=$(mktemp -d)
  [[ -z $version ]] || cmake -G Ninja -S "$HERE/dependency_check" \
    -B "$folder" >"$folder/log" 2>&1 || true
  if [[ -n $version ]] && grep -q '^-- check: ' "$folder/log"; then
    sed -n 's/^-- not found: //p' "$folder/log"
    if ! grep -q '^-- dependency check done' "$folder/log"; then
      # Found, but a package that it needs itself is not there.
      sed -n 's/^-- check: //p' "$folder/log" | tail -n 1
      sed -n 's/^ *\(Could NOT find .*\)/note: CMake says: \1/p' "$folder/log"
    fi
  else
    # Nothing can be looked for: all may be missing.
    if { [[ -n $version ]] && command -v ninja >/dev/null; } ||
      ! command -v "${CXX:-c++}" >/dev/null; then
      echo "C++20 compiler"
    fi
    printf '%s\n' OpenMP MPI Abseil oneDNN Highway nlohmann-json xxHash PCRE2 \
      SentencePiece utf8proc GoogleTest Boost.Context
  fi
  rm -rf "$folder"
  [[ $WITH_CORPUS -eq 0 || -r $CORPUS ]] || echo dict-gcide
}

explain() {
  local name apt dnf spack conda variable
  echo "Not found, and apt-get (as root, or with a sudo that asks for no"
  echo "password) did not install it. Libraries can only be looked for where"
  echo "CMake, Ninja and a compiler are there."
  echo
  printf '  %-14s %-30s %-23s %-14s %-14s %s\n' \
    "" apt dnf Spack conda-forge variable
  for name in "$@"; do
    if [[ $name == dict-gcide || $name == note:* ]]; then continue; fi
    IFS='|' read -r apt dnf spack conda variable < <(sources_of "$name")
    printf '  %-14s %-30s %-23s %-14s %-14s %s\n' \
      "$name" "${apt/,/ }" "${dnf/,/ }" "$spack" "$conda" "$variable"
  done
  for name in "$@"; do
    case $name in
      dict-gcide)
        echo "  the text of Debian's package dict-gcide; any text file does:"
        echo "    launch/quickstart.sh FILE"
        ;;
      note:*) echo "  ${name#note: }" ;;
    esac
  done
  echo
  echo "What is there already but in no standard place is found through the"
  echo "variable in the environment, such as CMAKE_PREFIX_PATH=/opt/onednn."
}

install_with_apt
LIST=$(not_found)
if [[ -n $LIST ]]; then
  mapfile -t MISSING <<<"$LIST"
  explain "${MISSING[@]}" >&2
  exit 1
fi
