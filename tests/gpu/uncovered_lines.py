#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
"""Which lines of the CUDA path never ran: coverage.sh calls it.

  uncovered_lines.py BUILD_FOLDER LIST

reads what the compiler counted in BUILD_FOLDER. Lines that no test executed
must stand in LIST, with the reason, and lines of LIST must be such:

  file: text of the line  # reason
"""
import collections
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("kernels/cuda/", "base/cuda/", "comm/nccl/")
FILES = ("comm/device_flights.cc", "comm/staging.cc")
SEPARATOR = "  # "


def own_name(build, path):
    """`path`, as seen by the compiler, in the tree; None if of no interest."""
    real = (build / path).resolve()
    if not real.is_relative_to(ROOT):
        return None
    name = str(real.relative_to(ROOT))
    return name if name.startswith(FOLDERS) or name in FILES else None


def read_counts(build):
    """How often each (file, line) ran. Templates have a count for each use."""
    counts = collections.Counter()
    notes = [str(path) for path in build.rglob("*.gcno")]
    if not notes:
        sys.exit(f"expected what the preset emulated-coverage made in {build}")
    with tempfile.TemporaryDirectory() as scratch:
        output = subprocess.run(
            ["gcov", "--stdout", "--json-format", *notes],
            cwd=scratch, check=True, capture_output=True, text=True).stdout
    for document in output.splitlines():
        for file in json.loads(document)["files"]:
            name = own_name(build, file["file"])
            if name is None:
                continue
            for line in file["lines"]:
                counts[name, line["line_number"]] += line["count"]
    return counts


def print_table(counts):
    lines, executed = collections.Counter(), collections.Counter()
    for (name, _), count in counts.items():
        folder = name.rpartition("/")[0]
        lines[folder] += 1
        executed[folder] += count > 0
    for folder in sorted(lines):
        print(f"{folder:14} {executed[folder]:5} of {lines[folder]:5} lines, "
              f"{100 * executed[folder] / lines[folder]:.1f} %")


def uncovered(counts):
    """Where each text of a file was not executed."""
    found = collections.defaultdict(list)
    for (name, number), count in sorted(counts.items()):
        if count == 0:
            text = (ROOT / name).read_text().splitlines()[number - 1].strip()
            found[name, text].append(number)
    return found


def read_list(path):
    """How often each text of a file may be missed."""
    listed = collections.Counter()
    for line in path.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        entry, separator, reason = line.partition(SEPARATOR)
        name, _, text = entry.partition(": ")
        if not separator or not reason.strip() or not text:
            sys.exit(f"{path}: expected 'file: text  # reason', found '{line}'")
        listed[name, text.strip()] += 1
    return listed


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    list_path = pathlib.Path(sys.argv[2])
    counts = read_counts(build)
    print_table(counts)
    missed, listed = uncovered(counts), read_list(list_path)
    surplus = sorted((name, number, text)
                     for (name, text), numbers in missed.items()
                     for number in numbers[listed[name, text]:])
    for name, number, text in surplus:
        print(f"{name}:{number}: not executed: {text}")
    stale = [(name, text) for (name, text), times in listed.items()
             if len(missed.get((name, text), ())) < times]
    for name, text in stale:
        print(f"{name}: listed, but executed or gone: {text}")
    print(f"{sum(map(len, missed.values()))} lines were not executed, "
          f"{sum(listed.values())} are listed")
    sys.exit(1 if surplus or stale else 0)


if __name__ == "__main__":
    main()
