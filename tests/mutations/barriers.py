#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
#
# Takes every barrier, every wait for copies, every event and every wait of the
# host out of the CUDA path, one at a time, and runs the tests of the file on
# the emulated GPU, with races looked for:
#
#   barriers.py BUILD [--only TEXT] [--list]
#
# BUILD is a build folder of the preset emulated with its tests. --only takes
# the files with TEXT in their path; --list says what would be taken out, and
# fails if a file has no test in barriers.toml. What no test finds must be in
# barriers_not_found.txt with the reason, and nothing else may be there. All
# files take an hour or more.
import argparse
import pathlib
import re
import sys
import time
import tomllib

import mutants

HERE = pathlib.Path(__file__).resolve().parent
FOLDERS = ['kernels/cuda', 'base/cuda', 'comm/nccl', 'comm']

# Statements that order things, each on lines of its own.
STATEMENT = re.compile(
    r'^[ ]*(?:'
    r'__sync(?:threads|warp)\(\)'
    r'|WaitForCopies<\d>\(\)'
    r'|\w[\w.]*(?:\(\))?\.Record\([^;]*\)'
    r'|\w[\w.>-]*(?:\(\))?(?:\.|->)HoldBack\([^;]*\)'
    r'|\w+(?:\.|->)Wait\(\)'
    r'|SWITCHYARD_CUDA_CHECK\(cuda(?:EventRecord|StreamWaitEvent'
    r'|StreamSynchronize)\([^;]*\)\)'
    r');[^\n]*\n', re.MULTILINE)


def sites(path):
    """(line, statement, text without it) for every statement of a file."""
    text = (mutants.SOURCE / path).read_text()
    for found in STATEMENT.finditer(text):
        line = text.count('\n', 0, found.start()) + 1
        statement = ' '.join(found.group().split('//')[0].split())
        yield line, statement, text[:found.start()] + text[found.end():]


def files():
    """All files that may have such statements."""
    for folder in FOLDERS:
        for file in sorted((mutants.SOURCE / folder).iterdir()):
            if file.suffix in ('.cu', '.cuh', '.cc', '.h'):
                yield str(file.relative_to(mutants.SOURCE))


def key_of(path, line, statement):
    """How barriers_not_found.txt names a site: the statement and its number
    among equal ones of the file, which other changes do not move."""
    number = sum(1 for other, same, _ in sites(path)
                 if same == statement and other <= line)
    return f'{path} {statement} {number}'


def known():
    """The sites that nothing finds, with the reasons."""
    result = {}
    for line in (HERE / 'barriers_not_found.txt').read_text().splitlines():
        if line and not line.startswith('#'):
            key, reason = line.split(': ', 1)
            result[key] = reason
    return result


def finder(build, path, text, test):
    """What finds a change; None if nothing does."""
    with mutants.Mutant(build, path, text,
                        test.get('units', [path])) as mutant:
        program = mutant.program(test['program'])
        for order in ('forward', 'skew'):
            result = mutants.run_test(test, program,
                                      {'SWITCHYARD_EMULATION_ORDER': order})
            if result.code != 0:
                return reason_of(result.output)
    return None


def check_without_changes(build, path, test):
    """Else everything would look found."""
    result = mutants.run_test(test, build.path_of(test['program']))
    if result.code != 0:
        raise SystemExit(f'{result.output}\n{path}: expected its test to pass, '
                         f'found exit code {result.code}')


def reason_of(output):
    """How a test showed that it failed."""
    found = re.search(r'race: |which was never written|outside of any|'
                      r'ended after \d+ s', output)
    return found.group().strip(': ') if found else 'failed'


def try_file(build, path, test, expected):
    """The sites of a file that are not as barriers_not_found.txt says."""
    check_without_changes(build, path, test)
    unexpected = []
    for line, statement, text in sites(path):
        begin = time.monotonic()
        found = finder(build, path, text, test)
        print(f'{time.monotonic() - begin:6.1f} s  {path}:{line}: {statement}  '
              f'{found or "NOT FOUND"}', flush=True)
        key = key_of(path, line, statement)
        if (found is None) != (key in expected):
            unexpected.append(f'{key}: {found or "not found"}')
    return unexpected


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('build')
    parser.add_argument('--only', default='')
    parser.add_argument('--list', action='store_true')
    arguments = parser.parse_args()
    tests = tomllib.loads((HERE / 'barriers.toml').read_text())
    build = mutants.Build(arguments.build, 'barriers')
    expected = {key: reason for key, reason in known().items()
                if arguments.only in key.split(' ')[0]}
    problems, keys = [], set()
    for path in files():
        if arguments.only not in path:
            continue
        found = [(line, statement) for line, statement, _ in sites(path)]
        keys |= {key_of(path, *site) for site in found}
        if found and path not in tests:
            problems.append(f'{path}: not in barriers.toml')
        elif arguments.list:
            for line, statement in found:
                print(f'{path}:{line}: {statement}')
        elif found:
            problems += try_file(build, path, tests[path], expected)
    problems += [f'{key}: not in the sources any more'
                 for key in expected if key not in keys]
    if problems:
        print('not as barriers_not_found.txt says:\n  ' +
              '\n  '.join(problems))
    print(f'{len(keys)} barriers and waits')
    sys.exit(1 if problems else 0)


if __name__ == '__main__':
    main()
