"""Setting up: which Python, when an environment is made again, what is in which set."""

import ast
import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
import yaml

from course import archive, install, pythons
from course.install import ROOT, Interpreter

ODD_NAME = "Zoë\N{RIGHT SINGLE QUOTATION MARK}s kurs ☁"

# --- old Pythons ----------------------------------------------------------------------

READ_BY_ALL = [ROOT / "course" / name for name in ("__init__.py", "pythons.py")]


def too_new(source: str) -> list[str]:
    """Return what Python 2.7 or 3.6 could not read or run in a module."""
    found = [] if source.isascii() else ["a character that is not ASCII"]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr | ast.NamedExpr | ast.AnnAssign | ast.Match):
            found.append(type(node).__name__)
        elif isinstance(node, ast.ImportFrom) and node.module == "__future__":
            found.append("__future__")
        elif isinstance(node, ast.FunctionDef):
            arguments = node.args
            if arguments.kwonlyargs or arguments.posonlyargs:
                found.append("a kind of parameter")
            if node.returns or any(argument.annotation for argument in arguments.args):
                found.append("an annotation")
        elif isinstance(node, ast.Call):
            keywords = {keyword.arg for keyword in node.keywords}
            found += keywords & {"text", "capture_output", "encoding"}
    return found


@pytest.mark.parametrize("path", READ_BY_ALL, ids=lambda path: path.name)
def test_any_python_can_read_what_refuses_it(path: Path) -> None:
    assert too_new(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "from __future__ import annotations",
        "print(f'{1}')",
        "def run(a: int): pass",
        "def run() -> int: pass",
        "def run(*, a): pass",
        "print('☁')",
        "run(text=True)",
    ],
)
def test_what_an_old_python_can_not_read_is_found(source: str) -> None:
    assert too_new(source)


def old_pythons() -> list[str]:
    names = ["python2.7", "python2", *(f"python3.{minor}" for minor in range(6, 11))]
    found = [os.environ.get("OLD_PYTHON", ""), *map(shutil.which, names)]
    return [path for path in found if path and install._interpreter(path)]


@pytest.mark.skipif(not old_pythons(), reason="no old Python is on this machine")
def test_an_old_python_gets_the_sentence(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "course", tmp_path / "course")
    for python in old_pythons():
        done = subprocess.run(
            [python, "-m", "course", "install"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2, done.stderr
        assert done.stderr.startswith("The course needs Python 3.11 to 3.14; this is ")
        assert len(done.stderr.splitlines()) == 1


def test_an_old_python_leaves_it_to_the_one_of_the_environment(
    tmp_path: Path, monkeypatch, capsys
) -> None:
    """But for a command that asks for this very Python."""
    started: list = []
    monkeypatch.setattr(pythons, "__file__", str(tmp_path / "course" / "pythons.py"))
    monkeypatch.setattr(pythons.sys, "version_info", (3, 9, 2))
    monkeypatch.setattr(pythons.os, "execv", lambda *words: started.append(words))
    with pytest.raises(SystemExit):
        pythons.leave_to_a_newer_one(["-m", "install"])
    assert "this is 3.9" in capsys.readouterr().err
    assert started == []
    newer = tmp_path / ".venv" / "bin" / "python"
    newer.parent.mkdir(parents=True)
    newer.symlink_to(sys.executable)
    with pytest.raises(SystemExit):
        pythons.leave_to_a_newer_one(["-m", "install", "--python", "python3.9"])
    assert started == []
    with pytest.raises(SystemExit):  # not reached where a process is really replaced
        pythons.leave_to_a_newer_one(["-m", "install"])
    assert started == [(str(newer), [str(newer), "-m", "course", "install"])]
    with pytest.raises(ImportError, match=r"this is 3\.9"):
        pythons.leave_to_a_newer_one(["a_program.py"])


# --- an environment that can't be used as it is ---------------------------------------


def make_venv(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "venv", "--without-pip", ".venv"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / ".venv"


def dangle(venv: Path) -> None:
    for python in (venv / "bin").glob("python*"):
        python.unlink()
        python.symlink_to("/no/such/python")


def stop_starting(venv: Path) -> None:
    python = venv / "bin" / "python"
    python.unlink()
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)


def forget_a_package(venv: Path) -> None:
    (venv / install.CONTENTS).write_text("numpy\nrich")


def change_the_version(venv: Path) -> None:
    file = venv / "pyvenv.cfg"
    file.write_text(re.sub(r"version = \S+", "version = 3.10.4", file.read_text()))


DAMAGES = [
    (lambda venv: (venv / install.UNFINISHED).touch(), "was stopped half-way"),
    (lambda venv: (venv / "pyvenv.cfg").unlink(), "was stopped half-way"),
    (dangle, "was made with is gone"),
    (stop_starting, "does not start any more"),
    (forget_a_package, "numpy is missing in .venv"),
    (change_the_version, "was made with Python 3.10.4, which is now"),
]


@pytest.mark.parametrize(
    ("damage", "reason"), DAMAGES, ids=[reason for _, reason in DAMAGES]
)
def test_what_is_wrong_with_an_environment_is_said(
    tmp_path: Path, damage, reason
) -> None:
    venv = make_venv(tmp_path)
    assert install.reason_to_remake(venv) == ""
    damage(venv)
    assert reason in install.reason_to_remake(venv)


def test_an_environment_that_was_moved_is_noticed(tmp_path: Path) -> None:
    make_venv(tmp_path / ODD_NAME)
    moved = (tmp_path / ODD_NAME).rename(tmp_path / "moved")
    reason = install.reason_to_remake(moved / ".venv")
    assert f"made in another folder ({tmp_path / ODD_NAME / '.venv'})" in reason
    link = tmp_path / "link"
    link.symlink_to(make_venv(tmp_path / "other"))
    assert install.reason_to_remake(link) == ""


def test_another_python_is_taken_if_it_is_asked_for(tmp_path: Path) -> None:
    venv = make_venv(tmp_path)
    mine = install._interpreter(sys.executable)
    assert mine.version == sys.version_info[:3]
    assert install.reason_to_remake(venv, mine) == ""
    other = Interpreter((3, 13, 1), "/opt/another", "/opt/another/bin/python3.13")
    reason = install.reason_to_remake(venv, other)
    assert "and you ask for 3.13.1 from /opt/another" in reason
    with pytest.raises(install.SetupError, match=r"python3\.99 does not start"):
        install.install(tmp_path, python="python3.99")


@pytest.mark.parametrize(
    ("words", "environment", "asked"),
    [
        (["PYTHON=python3.13"], {}, True),
        ([], {"PYTHON": "python3.13"}, True),
        ([], {}, False),
    ],
)
def test_make_asks_for_a_python_if_it_is_told_one(words, environment, asked) -> None:
    clean = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    for target in ("install", "with-dev", "with-docs"):
        done = subprocess.run(
            ["make", "-n", target, *words],
            cwd=ROOT,
            env=clean | environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert ('--python "python3.13"' in done.stdout) == asked


# --- sets of packages -----------------------------------------------------------------


class Installation:
    """A course with locks of one package, whose environment holds but their stamps."""

    def __init__(self, root: Path, monkeypatch) -> None:
        self.root, self.steps, self.stop_at = root, [], None
        (root / "docs").mkdir()
        for name in ("requirements", "requirements-dev", "docs/requirements"):
            (root / f"{name}.lock").write_text("a==1\n")
        monkeypatch.setattr(install, "_run", self.run)
        monkeypatch.setattr(install, "_make_venv", self.make_venv)

    def make_venv(self, venv: Path, wanted: Interpreter | None) -> None:
        self.steps.append("venv")
        make_venv(venv.parent)
        (next(venv.glob("lib/python3*/site-packages")) / "pip").mkdir()

    def run(self, command: list[str], environment: dict, title: str, **more) -> None:
        if title == self.stop_at:
            raise KeyboardInterrupt
        self.steps.append(" ".join(Path(command[-1]).parts[-2:]))
        if "venv" in command:
            subprocess.run(
                [sys.executable, "-m", "venv", "--without-pip", command[-1]], check=True
            )

    def install(self, **sets: bool) -> list[str]:
        """Install; return which locks were installed, and whether .venv was made."""
        self.steps = []
        install.install(self.root, **sets)
        return [
            step.rpartition(" ")[2] if ".lock" in step else step
            for step in self.steps
            if ".lock" in step or step == "venv"
        ]


@pytest.fixture
def course(tmp_path: Path, monkeypatch) -> Installation:
    root = tmp_path / ODD_NAME
    root.mkdir()
    return Installation(root, monkeypatch)


def test_a_set_that_was_added_stays_until_a_lock_changes(course: Installation) -> None:
    assert course.install() == ["venv", "requirements.lock"]
    assert course.install() == []
    assert course.install(dev=True) == ["requirements-dev.lock"]
    assert course.install() == []
    assert course.install(dev=True) == []
    (course.root / "requirements-dev.lock").write_text("a==1\nb==1\n")
    assert course.install() == []
    assert course.install(dev=True) == ["requirements-dev.lock"]
    (course.root / "requirements.lock").write_text("a==2\n")
    assert course.install() == ["requirements.lock"]
    assert course.install(dev=True) == ["requirements-dev.lock"]


def test_the_pages_environment_is_made_when_it_is_wanted(course: Installation) -> None:
    assert course.install() == ["venv", "requirements.lock"]
    assert not (course.root / ".venv-docs").exists()
    assert course.install(docs=True) == ["requirements.lock"]
    assert (course.root / ".venv-docs" / install.STAMP).exists()
    assert course.install(docs=True) == course.install(dev=False) == []
    (course.root / "docs" / "requirements.lock").write_text("a==2\n")
    assert course.install() == []
    assert course.install(docs=True) == ["requirements.lock"]


def test_chance_does_not_decide_what_several_packages_bring() -> None:
    (record,) = (
        file
        for file in distribution(install.LAST).files
        if file.name == "__init__.py" and len(file.parts) == 2
    )
    found = hashlib.sha256(record.locate().read_bytes()).digest()
    assert base64.urlsafe_b64encode(found).decode().rstrip("=") == record.hash.value


@pytest.mark.parametrize(
    "step",
    [
        "Installing uv",
        "Installing 1 packages",
        "Compiling what they are made of",
        "Preparing fonts for figures",
    ],
)
def test_what_was_stopped_is_made_again(course: Installation, capsys, step) -> None:
    course.stop_at = step
    with pytest.raises(KeyboardInterrupt):
        course.install()
    course.stop_at = None
    assert course.install() == ["venv", "requirements.lock"]
    said = capsys.readouterr().out.splitlines()
    assert said == ["The last set-up of .venv was stopped half-way: making it again."]
    assert course.install() == []
    assert not (course.root / ".venv.discarded").exists()


def test_a_link_to_nothing_is_no_environment(course: Installation, capsys) -> None:
    (course.root / ".venv").symlink_to("/no/such/folder")
    assert course.install() == ["venv", "requirements.lock"]
    assert "making it again" in capsys.readouterr().out


# --- the course as one file -----------------------------------------------------------


def names_in(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as packed:
        assert packed.testzip() is None
        return set(packed.namelist())


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory) -> Path:
    """The course as it comes out of the archive: no git, another folder."""
    folder = tmp_path_factory.mktemp("zip") / ODD_NAME
    checkout = folder.parent / "checkout"
    checkout.mkdir()
    for path in archive.files(ROOT):
        (checkout / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, checkout / path.relative_to(ROOT))
    with zipfile.ZipFile(archive.make_zip(checkout)) as packed:
        packed.extractall(folder)
    return folder / archive.NAME


def test_the_archive_holds_the_tracked_files(unpacked: Path) -> None:
    there = {p.relative_to(unpacked) for p in unpacked.rglob("*") if p.is_file()}
    assert there == {path.relative_to(ROOT) for path in archive.files(ROOT)}
    assert {Path("Makefile"), Path(".ci/run"), Path("requirements.lock")} <= there


def test_the_archive_holds_nothing_of_runs(unpacked: Path) -> None:
    """Also where no git says which files are the course's."""
    before = set(archive.files(unpacked))
    for name in (
        ".venv/bin/python",
        ".git/HEAD",
        ".local_aws/state.db",
        "build/index.html",
        "utils/__pycache__/a.pyc",
        "notebooks/scratch/a.txt",
        "exercises/gradebook.db",
    ):
        (unpacked / name).parent.mkdir(parents=True, exist_ok=True)
        (unpacked / name).write_text("x")
    shutil.rmtree(unpacked / ".git")
    (unpacked / "notebooks" / "mine.ipynb").write_text("{}")
    assert set(archive.files(unpacked)) - before == {unpacked / "notebooks/mine.ipynb"}
    (unpacked / "notebooks" / "mine.ipynb").unlink()
    names = names_in(archive.make_zip(unpacked))
    assert names == {f"{archive.NAME}/{path.relative_to(unpacked)}" for path in before}
    text = archive.tell(archive.make_zip(unpacked), unpacked)
    assert f"build/{archive.NAME}.zip: {len(before)} files, " in text
    assert f"  unzip {archive.NAME}.zip\n  cd {archive.NAME} && make lab\n" in text


@pytest.fixture
def two_files(tmp_path: Path) -> Path:
    """A folder with a file, and one that is not for git."""
    for name in (".gitignore", "a.txt", "build/b.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("build/\n")
    return tmp_path


def test_where_git_does_not_answer_its_ignored_files_are_told_without_it(
    two_files: Path,
) -> None:
    """In a folder of another account, for one, it refuses to."""
    (two_files / ".git").write_text("nowhere")
    assert [path.name for path in archive.files(two_files)] == [".gitignore", "a.txt"]


def test_an_archive_is_there_as_a_whole_or_not_at_all(
    two_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = archive.make_zip(two_files).read_bytes()

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(archive, "_add", stopped)
    with pytest.raises(KeyboardInterrupt):
        archive.make_zip(two_files)
    assert (two_files / "build" / f"{archive.NAME}.zip").read_bytes() == before


def test_a_lesson_finds_its_course_where_it_was_unpacked(unpacked: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, '..'); import utils, data, local_aws, os\n"
        "print(ascii([os.path.realpath(m.__file__) for m in (utils, data, local_aws)]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=unpacked / "notebooks",
        capture_output=True,
        text=True,
        check=True,
    )
    for file in ast.literal_eval(done.stdout):
        assert Path(file).is_relative_to(unpacked.resolve()), file


# --- elsewhere ------------------------------------------------------------------------

DEV_CONTAINER = ROOT / ".devcontainer" / "devcontainer.json"


def wrong_with_container(text: str) -> list[str]:
    """Return what VS Code or Codespaces would stumble over.

    By what the specification says of the properties that are used. JSON with comments
    is not used, so that any tool can read it.
    """
    settings = json.loads(text)
    found = []
    known = {"name", "image", "hostRequirements", "postCreateCommand"}
    known |= {"otherPortsAttributes", "customizations"}
    found += set(settings) - known
    image = settings.get("image", "")
    tag = re.fullmatch(
        r"mcr\.microsoft\.com/devcontainers/python:\d+-3\.(\d+)-[a-z]+", image
    )
    if not tag or not pythons.OLDEST <= (3, int(tag[1])) <= pythons.NEWEST:
        found.append(f"image {image}")
    for name in ("memory", "storage"):
        if not re.fullmatch(r"\d+[tgmk]b", settings["hostRequirements"][name]):
            found.append(name)
    targets = re.findall(
        r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )
    command = settings.get("postCreateCommand", "").split()
    if command[:1] != ["make"] or command[1] not in targets:
        found.append("postCreateCommand")
    code = settings["customizations"]["vscode"]
    python = code["settings"].get("python.defaultInterpreterPath", "")
    if Path(python.replace("${containerWorkspaceFolder}", str(ROOT))) != (
        install.venv_python()
    ):
        found.append(f"interpreter {python}")
    if not {"ms-python.python", "ms-toolsai.jupyter"} <= set(code["extensions"]):
        found.append("extensions")
    return found


def test_the_development_container_is_in_form() -> None:
    assert wrong_with_container(DEV_CONTAINER.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("python:1-3.11", "python:1-3.9", "image"),
        ("python:1-3.11-bookworm", "python:latest", "image"),
        ("make install", "make everything", "postCreateCommand"),
        ("/.venv/bin/python", "/venv/bin/python", "interpreter"),
        ('"ms-toolsai.jupyter"', '"some.other"', "extensions"),
        ('"4gb"', '"4 GB"', "memory"),
        ('"image"', '"images"', "images"),
    ],
)
def test_a_development_container_out_of_form_is_found(old, new, reason) -> None:
    text = DEV_CONTAINER.read_text(encoding="utf-8")
    assert old in text
    assert reason in " ".join(wrong_with_container(text.replace(old, new)))


def test_binder_s_kernel_is_the_course_s_python(tmp_path: Path) -> None:
    """The second half of .binder/postBuild, with the environment that is here."""
    script = ROOT / ".binder" / "postBuild"
    assert os.access(script, os.X_OK)
    version = (ROOT / ".binder" / "runtime.txt").read_text().strip()
    assert (version, version.partition("-")[0]) == ("python-3.11", "python")
    fake = tmp_path / "bin" / "python3"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\necho "$@" > "$NB_PYTHON_PREFIX/set-up.txt"\n')
    fake.chmod(0o755)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    subprocess.run(
        [script],
        cwd=tmp_path,
        env=os.environ
        | {
            "NB_PYTHON_PREFIX": str(tmp_path),
            "PATH": f"{fake.parent}:{os.environ['PATH']}",
        },
        check=True,
        capture_output=True,
    )
    assert (tmp_path / "set-up.txt").read_text() == "-m course install\n"
    spec = tmp_path / "share" / "jupyter" / "kernels" / "python3" / "kernel.json"
    python = Path(json.loads(spec.read_text())["argv"][0])
    assert python.parent.parent in (tmp_path / ".venv", Path(sys.prefix))


def test_conda_gets_the_locked_packages() -> None:
    settings = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    python, pip, packages = settings["dependencies"]
    version = tuple(map(int, python.removeprefix("python=").split(".")))
    assert pythons.refusal(version) is None
    assert (pip, packages) == ("pip", {"pip": [f"-r {install.LOCK.name}"]})
