"""A container's process: its environment, its output, and what it leaves behind."""

import json
import os
import signal
import subprocess
import threading
import time

import psutil
import pytest

from local_aws.runtime import left_behind
from local_aws.runtime.container_process import LEFT_OPEN_BYTES, ContainerProcess

SET_BY_THE_CONTRACT = ("SAGEMAKER_BASE_DIR", "HOME", "TMPDIR", "PYTHONUNBUFFERED")


class Program:
    """A container that runs some lines of Python."""

    def __init__(self, folder, lines, environment=(), on_output=None):
        name = f"program_{folder.name.replace('-', '_')}"
        (folder / name).mkdir()
        body = "".join(f"    {line}\n" for line in lines)
        (folder / name / "__main__.py").write_text(f"def main(arguments):\n{body}")
        self.output = b""
        self.exit_codes = []
        self.has_exited = threading.Event()
        self.process = ContainerProcess(
            name,
            ["train"],
            folder,
            dict(environment),
            on_output or self._read,
            self._end,
        )

    def _read(self, chunk):
        self.output += chunk

    def _end(self, code):
        self.exit_codes.append(code)
        self.has_exited.set()

    def wait(self):
        assert self.has_exited.wait(60)
        return self.output.decode().splitlines()


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A function that starts such a container."""
    monkeypatch.syspath_prepend(tmp_path)
    programs = []

    def run(*lines, **options):
        programs.append(Program(tmp_path, lines, **options))
        return programs[-1]

    yield run
    for program in programs:
        program.process.kill()


def test_what_the_contract_sets_wins(run, tmp_path):
    wanted = dict.fromkeys(SET_BY_THE_CONTRACT, "/elsewhere")
    program = run(
        "import json, os",
        "print(json.dumps([dict(os.environ), os.getcwd()]))",
        environment={**wanted, "MINE": "1", "LANG": "de", "PATH": "/bin"},
    )
    (line,) = program.wait()
    environment, folder = json.loads(line)
    shown = [environment[name] for name in SET_BY_THE_CONTRACT]
    assert [*shown, folder] == [*[str(tmp_path)] * 3, "1", str(tmp_path)]
    # What it only inherits can be set.
    assert [environment[name] for name in ("MINE", "LANG", "PATH")] == [
        "1",
        "de",
        "/bin",
    ]


LEFT_OPEN = """
import subprocess, sys, os
ready, said = os.pipe()
code = "import os, time; os.write(%d, b'x'); {}" % said
subprocess.Popen([sys.executable, "-c", code], start_new_session=True, pass_fds=[said])
os.read(ready, 1)
print("mine", flush=True)
return 3
""".strip().splitlines()

SILENT = "time.sleep(1000)"
LOUD = "exec('while True: print(os.getpid(), flush=True)')"


def processes_with(folder):
    """Ids of the processes that work in this folder."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and os.readlink(f"/proc/{entry}/cwd") == str(folder):
                found.append(int(entry))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("left", [SILENT, LOUD], ids=["silent", "loud"])
def test_what_holds_the_output_open_does_not_hold_up_the_end(run, tmp_path, left):
    program = run(*[line.replace("{}", left) for line in LEFT_OPEN])
    program.wait()
    assert b"mine" in program.output
    assert program.exit_codes == [3]
    # How much comes before the end is noticed depends on the machine.
    assert len(program.output) < 30 * LEFT_OPEN_BYTES
    if os.path.isdir("/proc"):
        deadline = time.monotonic() + 30
        while processes_with(tmp_path):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_stop_is_not_held_up_either(run):
    program = run(*LEFT_OPEN[:-1], "import time", "time.sleep(1000)")
    while b"mine" not in program.output:
        time.sleep(0.01)
    assert program.process.stop(60) == -signal.SIGTERM


def test_all_of_the_output_comes_whoever_is_slow(run):
    chunks = []

    def slowly(chunk):
        if not chunks:
            time.sleep(2)  # longer than an output that is left open is waited for
        chunks.append(chunk)

    program = run(
        "print('first', flush=True)",
        "print('x' * 60_000, flush=True)",
        on_output=slowly,
    )
    program.wait()
    assert b"".join(chunks) == b"first\n" + b"x" * 60_000 + b"\n"


def test_what_is_only_about_to_become_another_program_is_ended_too(
    tmp_path, monkeypatch
):
    """For a moment it shows no variables."""
    left = subprocess.Popen(
        ["sleep", "600"],
        env={**os.environ, "FOLDER": str(tmp_path)},
        start_new_session=True,
    )
    looked, environ = [], psutil.Process.environ

    def none_at_first(process):
        if process.pid == left.pid:
            looked.append(process)
            if len(looked) == 1:
                return {}
        return environ(process)

    monkeypatch.setattr(psutil.Process, "environ", none_at_first)
    left_behind.end("FOLDER", tmp_path)
    try:
        assert left.wait(60) == -signal.SIGKILL
    finally:
        left.kill()
