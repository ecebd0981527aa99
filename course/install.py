"""Make the course's environments from its locks, using only the standard library.

This module runs before anything is installed. A Python that is too old to read it is
refused before that, by the package (`course/__init__.py`).

There are three sets of packages. `.venv` gets what a learner needs, and what tests,
benchmarks and linters need when a command asks for it; once there, that stays. What
makes the pages is in an environment of its own, `.venv-docs`.
"""

from __future__ import annotations

import ast
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from course.pythons import OLDEST, dotted, refusal

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
DOCS_VENV = ROOT / ".venv-docs"
LOCK = ROOT / "requirements.lock"
DEV_LOCK = ROOT / "requirements-dev.lock"
DOCS_LOCK = ROOT / "docs" / "requirements.lock"
# In an environment while packages come and go there. If that was stopped, the next
# command finds this file, and makes the environment again.
UNFINISHED = "unfinished.txt"
# Four packages of the SDK bring sagemaker/__init__.py, and one of them another text.
# uv installs all at the same time, and leaves to chance which text stays. pip installs
# this package after the one with the other text, which it needs.
LAST = "sagemaker-train"
# The locks that an environment fulfils, each with its fingerprint; and what was in its
# folder of packages then.
STAMP = "installed-lock.txt"
CONTENTS = "installed-names.txt"

# pip's setting -> uv's environment variable. uv does not read pip's configuration;
# a machine whose index, mirror or certificate is set there must work all the same.
# Nothing of it is ever written to a file.
PIP_TO_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "no-index": "UV_NO_INDEX",
    "cert": "SSL_CERT_FILE",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "timeout": "UV_HTTP_TIMEOUT",
    "proxy": "HTTPS_PROXY",
}

# A quarter of the work would be for what nobody here imports: the packages' own tests,
# moto's other services, formats of fonts, what a feature store on AWS needs.
NOT_COMPILED = re.compile(
    "/(tests?|hive_metastore|pyiceberg|strictyaml)/"
    "|/fontTools/(?!misc)[a-zA-Z]+/"
    "|/moto/(?!budgets|cloudwatch|core|events|iam|logs|moto_|s3|sts|utilities)[a-z0-9]+/"
)
# A file that is not for this Python is skipped, as by an import that never happens.
COMPILE_BYTECODE = """
import compileall, re, sys, sysconfig
folder = sysconfig.get_path("purelib")
compileall.compile_dir(folder, quiet=2, workers=0, rx=re.compile(sys.argv[1]))
"""


class SetupError(Exception):
    """Something about this machine stops the set-up; the text says what to do."""


@dataclass(frozen=True)
class Interpreter:
    """What a Python says of itself."""

    version: tuple[int, ...]
    base_prefix: str
    program: str


def venv_python(venv: Path = VENV) -> Path:
    """Return the path of a virtual environment's Python."""
    return venv / "bin" / "python"


def check_version(version: Sequence[int]) -> None:
    """Refuse a Python that the course does not run on.

    Raises SetupError, naming a suitable Python of this machine if there is one.
    """
    reason = refusal(version)
    if reason:
        raise SetupError(reason)


def uv_settings(pip_config: str, environment: dict[str, str]) -> dict[str, str]:
    """Translate pip's configuration into uv's environment variables.

    `pip_config` is what `pip config list` prints, one `section.name='value'` a line;
    PIP_* variables are in it as section `:env:`. Variables that are already set in
    `environment` win.
    """
    values: dict[str, str] = {}
    for section in ("global", "install", ":env:"):  # pip's precedence, lowest first
        for line in pip_config.splitlines():
            key, _, quoted = line.partition("=")
            prefix, _, name = key.rpartition(".")
            if prefix == section and name in PIP_TO_UV:
                values[PIP_TO_UV[name]] = " ".join(ast.literal_eval(quoted).split())
    if "UV_FIND_LINKS" in values:
        values["UV_FIND_LINKS"] = values["UV_FIND_LINKS"].replace(" ", ",")
    if "UV_INDEX" in values or "UV_DEFAULT_INDEX" in values:
        # pip looks in all indexes and takes the best version; so must uv. The lock's
        # hashes say which file is the right one, wherever it comes from.
        values["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return {name: text for name, text in values.items() if name not in environment}


def fingerprint(lock: Path = LOCK, venv: Path = VENV) -> str:
    """Return what an installation depends on: the lock's bytes and the Python."""
    version = _version(_configuration(venv))
    return hashlib.sha256(lock.read_bytes() + version.encode()).hexdigest()


def install(
    root: Path = ROOT, *, dev: bool = False, docs: bool = False, python: str = ""
) -> None:
    """Make the virtual environments that are wanted, and bring them to their locks.

    `dev` adds what tests, benchmarks and linters need; `docs` adds the environment that
    makes pages. `python`: the Python that .venv must have; without it, it keeps the one
    that it was made with. A package that is not in the lock (any more) is removed; pip
    and uv stay. Takes a fraction of a second when everything is in place already.
    Raises SetupError.
    """
    asked = _asked(python)
    if not _is_in_place(root, dev, docs, asked):
        with _alone(root):
            _install(root, dev, docs, asked)
    make_importable(root)
    if not asked and "MAKELEVEL" not in os.environ:
        _say_which_python_stays(root / VENV.name)


def reason_to_remake(venv: Path, asked: Interpreter | None = None) -> str:
    """Say why an environment that is there can't be used as it is; "" if it can.

    Asks only what can be found out in a moment. `asked`: the Python it must have.
    """
    python, configuration = venv_python(venv), _configuration(venv)
    if (venv / UNFINISHED).exists() or (venv.exists() and not configuration):
        return f"The last set-up of {venv.name} was stopped half-way"
    if not python.exists():
        home = configuration.get("home", "")
        return f"The Python that {venv.name} was made with is gone ({home})"
    found = _interpreter(str(python))
    if found is None:
        return f"The Python of {venv.name} does not start any more"
    made_in = _made_in(configuration)
    if made_in and Path(made_in).resolve() != venv.resolve():
        return f"{venv.name} was made in another folder ({made_in})"
    version = _version(configuration)
    if version.split(".")[:2] != [str(part) for part in found.version[:2]]:
        now = dotted(found.version)
        return f"{venv.name} was made with Python {version}, which is now {now}"
    if refusal(found.version):
        return f"{venv.name} has Python {dotted(found.version)}, which will not do"
    if asked and asked.base_prefix != found.base_prefix:
        return (
            f"{venv.name} has Python {dotted(found.version)} from {found.base_prefix}, "
            f"and you ask for {dotted(asked.version)} from {asked.base_prefix}"
        )
    missing = set(_lines(venv / CONTENTS)) - set(os.listdir(_packages(venv)))
    if missing:
        return f"{min(missing)} is missing in {venv.name}"
    return ""


def make_importable(root: Path = ROOT) -> None:
    """Let the virtual environment import `utils` from any folder.

    By a .pth file, written again when the folder was moved. It puts the folder last, so
    that a notebook's own `sys.path.insert(0, "..")` still comes first, and is a line of
    code with the path's bytes: how Python decodes a bare path depends on the locale.
    """
    line = f"import os, sys; sys.path.append(os.fsdecode({os.fsencode(root)!r}))\n"
    for packages in (root / ".venv").glob("lib/python3*/site-packages"):
        file = packages / "sagemaker_course.pth"
        if not file.exists() or file.read_text(encoding="ascii") != line:
            file.write_text(line, encoding="ascii")


def lock(upgrade: bool = False, root: Path = ROOT) -> None:
    """Resolve the three requirements files again into their locks.

    Pins that still fit are kept unless `upgrade`. What is in several locks has the same
    version in all of them; the largest is resolved first. Raises SetupError.
    """
    _resolve(root, "requirements-dev.txt", DEV_LOCK, upgrade=upgrade)
    pins = (root / DEV_LOCK.name).read_text(encoding="utf-8").splitlines()
    _resolve(root, "requirements.txt", LOCK, pins, upgrade=upgrade)
    # Sphinx needs a newer docutils than awscli allows.
    shared = [line for line in pins if not line.startswith("docutils==")]
    _resolve(root, "docs/requirements.txt", DOCS_LOCK, shared, upgrade=upgrade)


def _resolve(
    root: Path, source: str, lock: Path, pins: Sequence[str] = (), *, upgrade: bool
) -> None:
    python = str(venv_python(root / ".venv"))
    command = [python, "-m", "uv", "pip", "compile", "--quiet", "--universal"]
    command += ["--python-version", dotted(OLDEST), "--generate-hashes"]
    command += [
        "--no-annotate",
        "--no-emit-index-url",
        source,
        "-o",
        str(lock.relative_to(ROOT)),
    ]
    if upgrade:
        command.append("--upgrade")
    settings = _pip_settings(python)
    # An additional index may have only some of a package's files; the lock needs the
    # hashes of all.
    for name in ("UV_INDEX", "UV_FIND_LINKS"):
        settings.pop(name, None)
    environment = {**os.environ, **settings}
    # The command that the lock's first lines show: ours, not this machine's.
    environment["UV_CUSTOM_COMPILE_COMMAND"] = "make lock"
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        lines = [line.rstrip(" \\") for line in pins if re.match(r"\w.*==", line)]
        constraints.write_text("\n".join(lines), encoding="utf-8")
        command += ["--constraints", str(constraints)]
        _run(command, environment, f"Resolving {source}", cwd=root)


def clean(root: Path = ROOT) -> None:
    """Delete what the commands here made, except .venv and the stand-in's state."""
    caches = [".pytest_cache", ".ruff_cache", "build", "notebooks/scratch"]
    found = [root / name for name in caches]
    for folder in [
        "benchmarks",
        "course",
        "data",
        "exercises",
        "local_aws",
        "notebooks",
        "tests",
        "utils",
        "webapp",
    ]:
        for pattern in ("__pycache__", ".ipynb_checkpoints"):
            found += (root / folder).rglob(pattern)
    for path in found:
        if path.exists():
            shutil.rmtree(path)
            print(f"deleted {path.relative_to(root)}")


def _asked(python: str) -> Interpreter | None:
    """Look at the Python that is asked for; None if none is. Raises SetupError."""
    if not python:
        return None
    found = _interpreter(python)
    if found is None:
        raise SetupError(f"{python} does not start, or is not on this machine.")
    check_version(found.version)
    return found


def _is_in_place(
    root: Path, dev: bool, docs: bool, asked: Interpreter | None = None
) -> bool:
    wanted = [(root / VENV.name, root / (DEV_LOCK if dev else LOCK).name)]
    if docs:
        wanted.append((root / DOCS_VENV.name, root / DOCS_LOCK.relative_to(ROOT)))
    for venv, lock in wanted:
        if f"{lock.name} {fingerprint(lock, venv)}" not in _lines(venv / STAMP):
            return False
        if reason_to_remake(venv, asked):
            return False
    return True


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Wait until no other command sets up the same folder."""
    with open(root / ".venv.lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another command is setting up .venv: waiting for it.", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _install(root: Path, dev: bool, docs: bool, asked: Interpreter | None) -> None:
    venv = root / VENV.name
    locks = [root / LOCK.name, *([root / DEV_LOCK.name] if dev else [])]
    if not _is_in_place(root, dev, docs=False, asked=asked):
        former = _usable(venv_python(venv))
        _remove_if_unusable(venv, asked)
        if not venv.exists():
            _make_venv(venv, asked or former)
            if asked:
                print("Later commands keep this Python, also without PYTHON=.")
        python = str(venv_python(venv))
        with _finishing(venv, locks):
            if not (_packages(venv) / "pip").exists():
                _run([python, "-m", "ensurepip"], dict(os.environ), "Adding pip")
            if not (venv / "bin" / "uv").exists():
                command = [python, "-m", "pip", "install", "--quiet"]
                command += ["--disable-pip-version-check", "uv>=0.5,<1"]
                _run(command, dict(os.environ), "Installing uv")
            _synchronise(python, venv, locks[-1], "packages")
            if any(_packages(venv).glob(f"{LAST.replace('-', '_')}-*.dist-info")):
                _synchronise(python, venv, locks[-1], "packages", last=LAST)
            # Here, once and on all cores: otherwise every first import would do it, and
            # each one where PYTHONDONTWRITEBYTECODE is set.
            _run(
                [python, "-c", COMPILE_BYTECODE, NOT_COMPILED.pattern],
                dict(os.environ),
                "Compiling what they are made of",
            )
            # matplotlib lists the fonts of a machine once and warns while it does; a
            # lesson's first figure is not the place for that warning.
            _run(
                [python, "-c", "import matplotlib.font_manager"],
                dict(os.environ),
                "Preparing fonts for figures",
            )
    if docs and not _is_in_place(root, dev, docs=True, asked=asked):
        _install_docs(root, str(venv_python(venv)))


def _install_docs(root: Path, python: str) -> None:
    """Make the environment of the pages, by the uv of the other one and its Python."""
    venv, lock = root / DOCS_VENV.name, root / DOCS_LOCK.relative_to(ROOT)
    _remove_if_unusable(venv, _interpreter(python))
    if not venv.exists():
        venv.mkdir()
        (venv / UNFINISHED).touch()
        # Nothing in it names its own folder, so it may be moved.
        command = [python, "-m", "uv", "venv", "--quiet", "--relocatable"]
        command += ["--allow-existing", "--python", python, str(venv)]
        _run(command, dict(os.environ), f"Making {venv.name} for the pages")
    with _finishing(venv, [lock]):
        _synchronise(python, venv, lock, "packages for the pages")


def _remove_if_unusable(venv: Path, asked: Interpreter | None) -> None:
    """Delete an environment that has to be made again, and say why."""
    discarded = venv.with_name(f"{venv.name}.discarded")
    if os.path.lexists(venv):
        reason = reason_to_remake(venv, asked)
        if not reason:
            return
        print(f"{reason}: making it again.", flush=True)
        if venv.is_symlink():
            venv.unlink()
        else:
            # Under another name first: half of it might look like a whole one.
            shutil.rmtree(discarded, ignore_errors=True)
            venv.rename(discarded)
    if discarded.exists():
        shutil.rmtree(discarded)


def _make_venv(venv: Path, wanted: Interpreter | None) -> None:
    """Make an empty environment with the Python that is wanted, or this one."""
    found = wanted or Interpreter(sys.version_info[:3], sys.base_prefix, sys.executable)
    check_version(found.version)
    print(f"Making {venv.name} with Python {dotted(found.version)}", flush=True)
    program = _program(found)
    venv.mkdir()
    (venv / UNFINISHED).touch()
    command = [program, "-m", "venv", str(venv)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        shutil.rmtree(venv, ignore_errors=True)
        name = "python" + dotted(found.version[:2])
        raise SetupError(
            (done.stdout + done.stderr).strip()
            + f"\n{program} could not make a virtual environment. On Debian and "
            f"Ubuntu: sudo apt install {name}-venv, then give the command again."
        )


@contextmanager
def _finishing(venv: Path, locks: Sequence[Path]) -> Iterator[None]:
    """Mark an environment as unfinished while packages come and go there."""
    (venv / UNFINISHED).touch()
    (venv / STAMP).unlink(missing_ok=True)
    yield
    names = {path.name for path in _packages(venv).iterdir() if not _may_go(path)}
    (venv / CONTENTS).write_text("\n".join(sorted(names)), encoding="utf-8")
    lines = [f"{lock.name} {fingerprint(lock, venv)}\n" for lock in locks]
    (venv / STAMP).write_text("".join(lines))
    (venv / UNFINISHED).unlink()


def _may_go(path: Path) -> bool:
    """Say whether a learner may have taken this away: a cache, or an older version."""
    return path.name == "__pycache__" or path.suffix == ".dist-info"


def _synchronise(
    python: str, venv: Path, lock: Path, what: str, last: str = ""
) -> None:
    """Bring an environment to a lock, by the uv of `python`.

    last: a package that is installed again, for its files to be what others overwrote.
    """
    environment = {**os.environ, **_pip_settings(python)}
    environment.pop("VIRTUAL_ENV", None)
    count = sum(1 for line in lock.read_text().splitlines() if "==" in line)
    _run(
        [python, "-m", "uv", "pip", "sync", "--quiet"]
        + (["--reinstall-package", last] if last else [])
        + ["--python", str(venv_python(venv)), "--require-hashes", str(lock)],
        environment,
        f"Installing {last} once more" if last else f"Installing {count} {what}",
    )


def _configuration(venv: Path) -> dict[str, str]:
    """Read pyvenv.cfg; empty where there is none."""
    try:
        text = (venv / "pyvenv.cfg").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    pairs = (line.partition("=") for line in text.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _version(configuration: Mapping[str, str]) -> str:
    """Return the version that an environment was made with: by venv, or by uv."""
    return configuration.get("version") or configuration.get("version_info", "")


def _packages(venv: Path) -> Path:
    """Return the folder of an environment's packages."""
    return next(venv.glob("lib/python3*/site-packages"), venv / "lib")


def _say_which_python_stays(venv: Path) -> None:
    """Tell whoever starts this by another Python that .venv keeps its own."""
    version, this = _version(_configuration(venv)), dotted(sys.version_info[:2])
    if version.split(".")[:2] != this.split("."):
        print(
            f"{venv.name} has Python {version} and keeps it. To make it again with "
            f"this one: python{this} -m course install --python python{this}"
        )


def _made_in(configuration: Mapping[str, str]) -> str:
    """Return the folder that an environment was made in, if its making is noted."""
    arguments = configuration.get("command", "").partition(" -m venv ")[2]
    return re.sub(r"^(--\S+ )+", "", arguments)


def _interpreter(python: str) -> Interpreter | None:
    """Ask a Python about itself; None if it does not start."""
    code = (
        "import sys; print(repr((tuple(sys.version_info[:3]), "
        "getattr(sys, 'base_prefix', ''), sys.executable))"
        ".encode('ascii', 'backslashreplace').decode('ascii'))"
    )
    try:
        done = subprocess.run(
            [python, "-c", code], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return Interpreter(*ast.literal_eval(done.stdout)) if done.returncode == 0 else None


def _usable(python: Path) -> Interpreter | None:
    """Ask a Python about itself; None if the course does not run on it."""
    found = _interpreter(str(python))
    return None if found is None or refusal(found.version) else found


def _program(interpreter: Interpreter) -> str:
    """Return the program of a Python itself, not of an environment made with it."""
    name = "python" + dotted(interpreter.version[:2])
    base = Path(interpreter.base_prefix) / "bin" / name
    return str(base) if base.exists() else interpreter.program


def _pip_settings(python: str) -> dict[str, str]:
    command = [python, "-m", "pip", "config", "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return uv_settings(done.stdout, dict(os.environ))


def _run(
    command: list[str], environment: Mapping[str, str], title: str, cwd: Path = ROOT
) -> None:
    """Run a quiet command with a line that shows how long it has been at it."""
    started = time.monotonic()
    live = sys.stdout.isatty()
    if not live:
        print(title)
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        while True:
            try:
                output = process.communicate(timeout=1)[0]
                break
            except subprocess.TimeoutExpired:
                if live:
                    seconds = time.monotonic() - started
                    print(f"\r{title}: {seconds:.0f} s ", end="", flush=True)
    if live:
        print(f"\r{title}: {time.monotonic() - started:.0f} s ", flush=True)
    if process.returncode:
        lock = Path(command[-1] if command[-1].endswith(".lock") else LOCK)
        without_uv = (
            " Without uv the same set installs by:\n"
            f"  {VENV.name}/bin/python -m pip install --no-deps "
            f"--require-hashes -r {lock.name}"
        )
        raise SetupError(
            f"{output.strip()}\n\n{title} failed. The lines above say why. Most often "
            "the package index was out of reach: check the network, or the index and "
            "proxy in pip's configuration (pip config list), and give the command "
            "again: what is already downloaded is kept. If a file did not match its "
            "hash, the index serves something else than what was locked."
            + (without_uv if lock.parent.name != "docs" else "")
        )
