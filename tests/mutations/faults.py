#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
#
# Puts faults into the CUDA path, one after the other, and requires that each is
# found by the check that is for it, on the emulated GPU:
#
#   faults.py BUILD [--quick] [--only TEXT] [--update]
#
# BUILD is a build folder of the preset emulated with its tests. --quick takes
# the faults marked so, --only those with TEXT in their name. docs/gpu_faults.md
# lists them all; --update rewrites it. faults/*.toml has a table a fault:
#
#   name         what is wrong
#   file         where; `find` must be in it exactly once, `replace` takes its
#                place
#   units        what is compiled again, by default the file
#   program      what must fail: a test, or switchyard
#   filter       of a test, GoogleTest's; else
#   flags        of switchyard, which trains `tiny` for a step
#   ranks        under mpirun; 0: without
#   environment  besides SWITCHYARD_TEST_DEVICE=cuda and races looked for
#   timeout      seconds after which a run counts as stuck, if not the usual
#   check        what must find it, from faults/checks.toml
#   quick        true if it is among the quick ones
import argparse
import pathlib
import re
import sys
import time
import tomllib

import mutants

HERE = pathlib.Path(__file__).resolve().parent
TABLE = mutants.SOURCE / 'docs/gpu_faults.md'

HEADING = '''<!-- SPDX-FileCopyrightText: The Switchyard authors -->
<!-- SPDX-License-Identifier: Apache-2.0 -->
# Faults that the tests of the CUDA path find

Each of these faults is put into the sources in turn
(`tests/mutations/faults.py`, which writes this table); the test must then fail
on the emulated GPU, and its output must show the check. Without a fault the
same tests pass. CTest runs some of them (`gpu_faults`), the script all.

Likewise `tests/mutations/barriers.py` takes every barrier, wait for copies,
event and wait of the host out of kernels, streams and collectives in turn, and
runs the tests of the file with races looked for. What no test misses is in
`tests/mutations/barriers_not_found.txt`, with the reason why it stays.

| Fault | Where | Found by | Check |
| --- | --- | --- | --- |
'''


def load():
    """The faults, and the checks' texts by name."""
    faults, checks = [], {}
    for file in sorted((HERE / 'faults').glob('*.toml')):
        content = tomllib.loads(file.read_text())
        faults += content.get('fault', [])
        checks |= content.get('checks', {})
    for fault in faults:
        if fault['check'] not in checks:
            raise SystemExit(f'{fault["name"]}: no check "{fault["check"]}"')
        fault.setdefault('units', [fault['file']])
    return faults, checks


def test_name(fault):
    """What the table calls the test."""
    if 'filter' in fault:
        return f'`{fault["program"]}`, `{fault["filter"]}`'
    ranks = fault.get('ranks', 1)
    flags = f', {fault["flags"]}' if 'flags' in fault else ''
    return f'training, {ranks} rank{"s" if ranks > 1 else ""}{flags}'


def table(faults):
    """The text of docs/gpu_faults.md."""
    return HEADING + ''.join(
        f'| {fault["name"]} | `{fault["file"]}` | {test_name(fault)} '
        f'| {fault["check"]} |\n' for fault in faults)


class Checker:
    """Tries faults on a build."""

    def __init__(self, build, checks):
        self._build = build
        self._checks = checks
        self._passing = {}  # what a test says without a fault, if it fails

    def _without(self, fault):
        key = test_name(fault) + str(fault.get('environment'))
        if key not in self._passing:
            result = mutants.run_test(
                fault, self._build.path_of(fault['program']))
            self._passing[key] = '' if result.code == 0 else result.output
        return self._passing[key]

    def complaint(self, fault, text):
        """Why a fault counts as not found; empty if it was."""
        without = self._without(fault)
        if without:
            return f'{without[-4000:]}\nthe test fails without the fault too'
        expected = re.compile(self._checks[fault['check']])
        try:
            with mutants.Mutant(self._build, fault['file'], text,
                                fault['units']) as mutant:
                result = mutants.run_test(fault,
                                          mutant.program(fault['program']))
        except mutants.Refused as refused:
            if expected.search(str(refused)):
                return ''
            return f'{refused}\nthe build failed'
        if result.code == 0:
            return f'{result.output[-2000:]}\nthe test passed'
        if not expected.search(result.output):
            return (f'{result.output[-4000:]}\n'
                    'the test failed, but not by the check')
        return ''


def with_fault(fault):
    """The text of the fault's file with the fault."""
    return mutants.edit_once(fault['file'], fault['find'], fault['replace'])


def check_faults(build, faults, checks):
    """Whether every fault is found by its check."""
    checker = Checker(build, checks)
    found = 0
    for fault in faults:
        begin = time.monotonic()
        problem = checker.complaint(fault, with_fault(fault))
        seconds = time.monotonic() - begin
        if problem:
            print(f'{problem}\n{seconds:6.1f} s  NOT FOUND: {fault["name"]} '
                  f'({fault["check"]})', flush=True)
            continue
        found += 1
        print(f'{seconds:6.1f} s  {fault["name"]} ({fault["check"]})',
              flush=True)
    print(f'{found} of {len(faults)} faults found')
    return found == len(faults)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('build')
    parser.add_argument('--quick', action='store_true')
    parser.add_argument('--only', default='')
    parser.add_argument('--update', action='store_true')
    arguments = parser.parse_args()
    faults, checks = load()
    if arguments.update:
        TABLE.write_text(table(faults))
    elif TABLE.read_text() != table(faults):
        sys.exit(f'{TABLE} does not list the faults; rewrite it by --update')
    # Of all, also of those that are not tried: sources change.
    for fault in faults:
        with_fault(fault)
    chosen = [fault for fault in faults if arguments.only in fault['name'] and
              (fault.get('quick', False) or not arguments.quick)]
    if not chosen:
        sys.exit('no such fault')
    build = mutants.Build(arguments.build, 'faults')
    sys.exit(0 if check_faults(build, chosen, checks) else 1)


if __name__ == '__main__':
    main()
