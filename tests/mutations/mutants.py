# SPDX-FileCopyrightText: The Switchyard authors
# SPDX-License-Identifier: Apache-2.0
#
# Programs with a changed source file, built beside an existing build folder
# (preset emulated). The sources stay as they are: a folder with the changed
# file goes before them on the include path, the objects that depend on it are
# compiled again, and the program is linked with these before its archives.
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
TIMEOUT = 300  # seconds a run, unless a test has its own
TRAINING = ('train --device cuda --model {source}/examples/models/tiny/config.json '
            '--data {source}/CONTRIBUTING.md --out {folder}/out --steps 1 '
            '--global_batch {ranks} --micro_batch 1 --seq_len 16 --seed 3 '
            '--threads 1 --eval_every 0 ')
ENVIRONMENT = {
    'SWITCHYARD_TEST_DEVICE': 'cuda',
    'SWITCHYARD_EMULATION_RACES': '1',
}


class Refused(Exception):
    """The compiler or the linker did not take a mutant; its output."""


class Result:
    """What a run wrote and how it ended."""

    def __init__(self, code, output, seconds):
        self.code = code
        self.output = output
        self.seconds = seconds


def edit_once(path, find, replace):
    """The text of a source file with its only `find` replaced."""
    text = (SOURCE / path).read_text()
    count = text.count(find)
    if count != 1:
        raise SystemExit(f'{path}: expected the text below once, found it '
                         f'{count} times; adapt the fault\n{find}')
    return text.replace(find, replace)


class Build:
    """An existing build folder; mutants lie in it under a name."""

    def __init__(self, folder, name):
        self.folder = pathlib.Path(folder).resolve()
        # The same place every time, which a compiler cache may rely on.
        self.mutant = self.folder / f'mutant_{name}'
        commands = self.folder / 'compile_commands.json'
        if not commands.exists():
            raise SystemExit(f'expected a build folder of the preset emulated, '
                             f'found none in {self.folder}')
        self._compile = {entry['file']: shlex.split(entry['command'])
                         for entry in json.loads(commands.read_text())}
        self._launcher = self._cached('CMAKE_CXX_COMPILER_LAUNCHER')
        self._programs = {}

    def _cached(self, name):
        for line in (self.folder / 'CMakeCache.txt').read_text().splitlines():
            if line.startswith(name + ':'):
                return [part for part in line.split('=', 1)[1].split(';')
                        if part]
        return []

    def _compiled_file(self, unit):
        # Device code is compiled through a file that includes it.
        if unit.endswith('.cu'):
            return str(self.folder / (unit + '.cc'))
        return str(SOURCE / unit)

    def _link_command(self, program):
        if program not in self._programs:
            lines = subprocess.run(
                ['ninja', '-t', 'commands', program], cwd=self.folder,
                capture_output=True, text=True, check=True).stdout
            command = lines.strip().splitlines()[-1]
            command = command.removeprefix(': && ').removesuffix(' && :')
            self._programs[program] = shlex.split(command)
        return self._programs[program]

    def path_of(self, program):
        """Where the build has a program, by the name of its target."""
        command = self._link_command(program)
        return self.folder / command[command.index('-o') + 1]

    def compile(self, unit, overlay, target):
        """Compiles a unit with the files in `overlay` before the sources'."""
        file = self._compiled_file(unit)
        if file not in self._compile:
            raise SystemExit(f'{unit} is not part of the build')
        command = list(self._compile[file])
        changed = overlay / 'switchyard' / unit
        if changed.exists() and not unit.endswith('.cu'):
            file = str(changed)
        command[command.index('-c') + 1] = file
        command[command.index('-o') + 1] = str(target)
        # A mutant may leave something unused.
        command[1:1] = [f'-I{overlay}', '-w']
        self._run(self._launcher + command)

    def link(self, program, objects, target):
        """Links a program with objects in place of those of its archives."""
        command = list(self._link_command(program))
        command[command.index('-o') + 1] = str(target)
        first = next(i for i, part in enumerate(command)
                     if part.endswith('.o'))
        command[first:first] = [str(o) for o in objects]
        self._run(command)

    def _run(self, command):
        done = subprocess.run(command, cwd=self.folder, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise Refused(done.stdout)


class Mutant:
    """A changed file and what was built of it. Use it in a with statement."""

    def __init__(self, build, path, text, units):
        self._build = build
        self._folder = build.mutant
        shutil.rmtree(self._folder, ignore_errors=True)
        self._overlay = self._folder / 'include'
        changed = self._overlay / 'switchyard' / path
        changed.parent.mkdir(parents=True)
        changed.write_text(text)
        self._units = units
        self._objects = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self._folder, ignore_errors=True)

    def program(self, name):
        """Builds a program; its path. Raises Refused."""
        if not self._objects:
            for number, unit in enumerate(self._units):
                target = self._folder / f'{number}.o'
                self._build.compile(unit, self._overlay, target)
                self._objects.append(target)
        target = self._folder / name
        if not target.exists():
            self._build.link(name, self._objects, target)
        return target


def _command(test, program, folder):
    if 'filter' in test:
        arguments = [f'--gtest_filter={test["filter"]}']
    elif test['program'] == 'switchyard':
        arguments = (TRAINING + test.get('flags', '')).format(
            source=SOURCE, folder=folder, ranks=test['ranks']).split()
    else:
        arguments = []
    command = [str(program)] + arguments
    if 'ranks' in test:
        command[:0] = [str(SOURCE / 'launch/mpirun.sh'), '-n',
                       str(test['ranks'])]
    return command


def run_test(test, program, environment=None):
    """Runs a test, whose program lies at a path."""
    begin = time.monotonic()
    seconds = test.get('timeout', TIMEOUT)
    variables = ENVIRONMENT | test.get('environment', {}) | (environment or {})
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            _command(test, program, folder), cwd=folder,
            env=os.environ | variables, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True)
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            output += f'\nended after {seconds} s\n'.encode()
    return Result(process.returncode, output.decode(errors='replace'),
                  time.monotonic() - begin)
