"""Make `.venv` from requirements.lock, using nothing but the standard library.

This module runs before anything is installed, and on a Python that may be too old
to be of use, so it stays free of newer syntax and of other packages.
"""

from __future__ import annotations

import ast
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
OLDEST, NEWEST = (3, 11), (3, 14)

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

# Half of the work would be for the packages' own tests, and for what mlflow brings: the
# SDK asks for it, and imports it only when it is told to track experiments.
NOT_COMPILED = re.compile("/(tests?|mlflow|databricks|hive_metastore)/")
# A file that is not for this Python is skipped, as by an import that never happens.
COMPILE_BYTECODE = """
import compileall, re, sys, sysconfig
folder = sysconfig.get_path("purelib")
compileall.compile_dir(folder, quiet=2, workers=0, rx=re.compile(sys.argv[1]))
"""


class SetupError(Exception):
    """Something about this machine stops the set-up; the text says what to do."""


def venv_python(venv: Path = VENV) -> Path:
    """Return the path of the virtual environment's Python."""
    return venv / "bin" / "python"


def check_version(version: tuple[int, int]) -> None:
    """Refuse a Python that the course does not run on.

    Raises SetupError, naming a suitable Python of this machine if there is one.
    """
    if OLDEST <= version <= NEWEST:
        return
    names = [f"python3.{minor}" for minor in range(NEWEST[1], OLDEST[1] - 1, -1)]
    found = [name for name in names if shutil.which(name)]
    advice = (
        f"This machine has {found[0]}: add PYTHON={found[0]} to the make command, "
        f"or start the same command with {found[0]}."
        if found
        else "Install one of them, then add PYTHON=python3.N to the make command."
    )
    raise SetupError(
        f"The course needs Python {_dotted(OLDEST)} to {_dotted(NEWEST)}; "
        f"this is {_dotted(version)}. {advice}"
    )


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
    config = (venv / "pyvenv.cfg").read_text() if venv.exists() else ""
    version = [line for line in config.splitlines() if line.startswith("version")]
    return hashlib.sha256(lock.read_bytes() + "".join(version).encode()).hexdigest()


def install(root: Path = ROOT) -> None:
    """Make the virtual environment and bring it to what the lock says.

    A package that is not in the lock (any more) is removed; pip and uv stay.
    Takes a fraction of a second when everything is in place already.
    Raises SetupError.
    """
    venv, lock = root / ".venv", root / "requirements.lock"
    stamp = venv / "installed-lock.txt"
    if stamp.exists() and _works(venv) and stamp.read_text() == fingerprint(lock, venv):
        make_importable(root)
        return
    if venv.exists() and not _works(venv):
        print("The .venv here does not start any more: making it again.")
        shutil.rmtree(venv)
    if not venv.exists():
        check_version(sys.version_info[:2])
        print(f"Making .venv with Python {_dotted(sys.version_info[:3])}")
        _make_venv(venv)
    make_importable(root)
    python = str(venv_python(venv))
    stamp.unlink(missing_ok=True)
    settings = _pip_settings(python)
    environment = {**os.environ, **settings}
    environment.pop("VIRTUAL_ENV", None)
    _run(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        + ["uv>=0.5,<1"],
        dict(os.environ),
        "Installing uv",
    )
    count = sum(1 for line in lock.read_text().splitlines() if "==" in line)
    _run(
        [python, "-m", "uv", "pip", "sync", "--quiet", "--python", python]
        + ["--require-hashes", str(lock)],
        environment,
        f"Installing {count} locked packages (about 1.3 GB, a minute or so)",
    )
    # Here, once and on all cores: otherwise every first import would do it, and each
    # one where PYTHONDONTWRITEBYTECODE is set.
    _run(
        [python, "-c", COMPILE_BYTECODE, NOT_COMPILED.pattern],
        dict(os.environ),
        "Compiling what they are made of",
    )
    # matplotlib lists the fonts of a machine once and warns while it does; a lesson's
    # first figure is not the place for that warning.
    _run(
        [python, "-c", "import matplotlib.font_manager"],
        dict(os.environ),
        "Preparing fonts for figures",
    )
    stamp.write_text(fingerprint(lock, venv))


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
    """Resolve requirements.txt again into requirements.lock.

    Pins that still fit are kept unless `upgrade`. Raises SetupError.
    """
    python = str(venv_python(root / ".venv"))
    command = [python, "-m", "uv", "pip", "compile", "--quiet", "--universal"]
    command += ["--python-version", _dotted(OLDEST), "--generate-hashes"]
    command += ["--no-emit-index-url", "requirements.txt", "-o", "requirements.lock"]
    environment = {**os.environ, **_pip_settings(python)}
    # The command that the lock's first lines show: ours, not this machine's.
    environment["UV_CUSTOM_COMPILE_COMMAND"] = "make lock"
    if upgrade:
        command.append("--upgrade")
    _run(command, environment, "Resolving requirements.txt", cwd=root)


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
    ]:
        for pattern in ("__pycache__", ".ipynb_checkpoints"):
            found += (root / folder).rglob(pattern)
    for path in found:
        if path.exists():
            shutil.rmtree(path)
            print(f"deleted {path.relative_to(root)}")


def _dotted(version: Sequence[object]) -> str:
    return ".".join(str(part) for part in version)


def _works(venv: Path) -> bool:
    python = venv_python(venv)
    if not python.exists():
        return False
    check = [str(python), "-c", "import sys; print(sys.prefix)"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    # A .venv that was copied or moved still points at the place it came from.
    return done.returncode == 0 and Path(done.stdout.strip()) == venv


def _make_venv(venv: Path) -> None:
    command = [sys.executable, "-m", "venv", str(venv)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        shutil.rmtree(venv, ignore_errors=True)
        name = "python" + _dotted(sys.version_info[:2])
        raise SetupError(
            (done.stdout + done.stderr).strip()
            + f"\n{sys.executable} could not make a virtual environment. On Debian and "
            f"Ubuntu: sudo apt install {name}-venv, then give the command again."
        )


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
        raise SetupError(
            f"{output.strip()}\n\n{title} failed. The lines above say why. Most often "
            "the package index was out of reach: check the network, or the index and "
            "proxy in pip's configuration (pip config list), and give the command "
            "again: what is already downloaded is kept. If a file did not match its "
            "hash, the index serves something else than what was locked. Without uv "
            "the same set installs by:\n"
            f"  {VENV.name}/bin/python -m pip install --no-deps "
            f"--require-hashes -r {LOCK.name}"
        )
