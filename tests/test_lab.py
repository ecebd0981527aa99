"""The course in JupyterLab: stored notebooks, working copies, settings, mistakes."""

import contextlib
import errno
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from lesson_fixture import good_lesson, write
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from course import exercises, lab, lab_server, lessons, metadata
from course.__main__ import main
from course.install import ROOT
from course.stand_in import start_stand_in, stop_stand_in
from course.writable import NotWritable
from local_aws.installation import HOME_VARIABLE

NOTEBOOKS = [
    *lessons.find_lessons(),
    *exercises.find_sources(),
    *map(exercises.copy_of, exercises.find_sources()),
]


# --- what is stored -------------------------------------------------------------------


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lessons.place)
def test_jupyterlab_has_nothing_to_add_to_what_is_stored(path: Path) -> None:
    """Or opening a notebook marks it as changed, and `git pull` meets a change."""
    notebook = lessons.read(path)
    assert notebook.metadata == metadata.stored()
    assert not [cell.id for cell in notebook.cells if "execution" in cell.metadata]
    assert path.read_text(encoding="utf-8") == metadata.text_of(notebook)


def test_the_description_is_that_of_the_kernel() -> None:
    from ipykernel.ipkernel import IPythonKernel
    from ipykernel.kernelspec import get_kernel_dict

    described = IPythonKernel.language_info
    assert metadata.stored(described["version"]).language_info == described
    spec = get_kernel_dict()
    assert metadata.KERNEL["display_name"] == spec["display_name"]
    assert metadata.KERNEL["language"] == spec["language"]


def test_tidying_keeps_what_nbgrader_needs_and_nothing_of_a_run() -> None:
    notebook = good_lesson()
    notebook.metadata["papermill"] = {"duration": 1}
    notebook.cells[0].metadata = {
        "execution": {"iopub.status.busy": "2026-01-01"},
        "nbgrader": {"grade_id": "a"},
        "deletable": False,
        "tags": [],
    }
    metadata.tidy(notebook, metadata.OF_EXERCISES)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    kept = {"nbgrader": {"grade_id": "a"}, "deletable": False}
    assert notebook.cells[0].metadata == kept
    metadata.tidy(notebook, metadata.OF_LESSONS)
    assert notebook.cells[0].metadata == {}


# --- working copies -------------------------------------------------------------------

ONE, OTHER = "01_rivers.ipynb", "02_rivers.ipynb"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A course of two lessons with their exercises, nothing copied yet."""
    for kind in lab.KINDS:
        (tmp_path / kind).mkdir()
        for name in (ONE, OTHER):
            write(good_lesson(), tmp_path / kind / name)
    for name in ("data", "utils", "webapp", lab.PICTURES):
        (tmp_path / name).mkdir()
    (tmp_path / lab.PICTURES / "map.svg").write_text("<svg/>")
    return tmp_path


def copy_of(root: Path, name: str = ONE, kind: str = "notebooks") -> Path:
    return root / lab.FOLDER / kind / name


def edit(path: Path, text: str) -> bytes:
    """Add a line to a notebook's last cell; return its new content."""
    notebook = lessons.read(path)
    notebook.cells[-1].source += f"\n{text}"
    write(notebook, path)
    return path.read_bytes()


def test_copies_are_made_with_their_surroundings(root: Path) -> None:
    found = lab.bring_up_to_date(root)
    assert len(found.made) == 4
    assert found.refreshed == found.newer == found.unreadable == []
    for kind in lab.KINDS:
        original, copied = (
            lessons.read(root / kind / ONE),
            lessons.read(copy_of(root, kind=kind)),
        )
        assert copied.cells == original.cells, "outputs and counts stay"
        version = copied.metadata.language_info.pop("version")
        assert version == platform.python_version()
        assert copied.metadata == original.metadata
    assert (root / lab.FOLDER / lab.PICTURES / "map.svg").read_text() == "<svg/>"
    for name in ("data", "utils", "webapp"):
        assert (root / lab.FOLDER / name).resolve() == (root / name).resolve()


def test_a_second_start_touches_nothing(root: Path) -> None:
    lab.bring_up_to_date(root)
    before = {p: p.stat().st_mtime_ns for p in (root / lab.FOLDER).rglob("*.ipynb")}
    assert lab.bring_up_to_date(root) == lab.Copies()
    after = {p: p.stat().st_mtime_ns for p in (root / lab.FOLDER).rglob("*.ipynb")}
    assert after == before


def test_what_its_owner_has_not_touched_is_brought_up_to_date(root: Path) -> None:
    lab.bring_up_to_date(root)
    edit(root / "notebooks" / ONE, "A new sentence.")
    found = lab.bring_up_to_date(root)
    assert found == lab.Copies(refreshed=[f"notebooks/{ONE}"])
    assert "A new sentence." in copy_of(root).read_text()
    assert list(lab.said(found)) == [
        "Brought up to date, as you had changed nothing there: 01."
    ]


def test_what_its_owner_has_changed_is_never_overwritten(root: Path) -> None:
    lab.bring_up_to_date(root)
    mine = edit(copy_of(root), "My note.")
    assert lab.bring_up_to_date(root) == lab.Copies()
    edit(root / "notebooks" / ONE, "A new sentence.")
    found = lab.bring_up_to_date(root)
    assert found == lab.Copies(newer=[f"notebooks/{ONE}"])
    assert copy_of(root).read_bytes() == mine
    (line,) = lab.said(found)
    assert 'make restore LESSONS="01"' in line


def test_without_its_record_every_copy_counts_as_changed(root: Path) -> None:
    lab.bring_up_to_date(root)
    (root / lab.FOLDER / lab.RECORD).unlink()
    before = copy_of(root).read_bytes()
    edit(root / "notebooks" / ONE, "A new sentence.")
    assert lab.bring_up_to_date(root) == lab.Copies(newer=[f"notebooks/{ONE}"])
    assert copy_of(root).read_bytes() == before


def test_another_python_is_told_to_the_copies(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.bring_up_to_date(root)
    mine = edit(copy_of(root), "My note.")
    monkeypatch.setattr(sys, "version", "3.99.1 (main)")
    assert len(lab.bring_up_to_date(root).refreshed) == 3
    assert copy_of(root).read_bytes() == mine
    other = lessons.read(copy_of(root, OTHER))
    assert other.metadata.language_info.version == "3.99.1"


def test_a_file_of_ones_own_stays(root: Path) -> None:
    lab.bring_up_to_date(root)
    own = copy_of(root, "mine.ipynb")
    write(good_lesson(), own)
    before = own.read_bytes()
    lab.bring_up_to_date(root)
    assert lab.restore(["01", "02"], root) == 0
    assert own.read_bytes() == before


def test_a_broken_original_is_named_and_the_others_are_copied(root: Path) -> None:
    (root / "notebooks" / ONE).write_text("<<<<<<< HEAD\n")
    found = lab.bring_up_to_date(root)
    assert len(found.made) == 3
    (line,) = found.unreadable
    assert line.startswith(f"notebooks/{ONE} holds a merge conflict")


def test_restore_keeps_what_was_changed(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.bring_up_to_date(root)
    first = copy_of(root).read_bytes()
    for note in ("My note.", "My other note."):
        mine = edit(copy_of(root), note)
        before = set(copy_of(root).parent.iterdir())
        assert lab.restore(["01"], root) == 0
        assert copy_of(root).read_bytes() == first
        (kept,) = set(copy_of(root).parent.iterdir()) - before
        assert kept.read_bytes() == mine
        assert kept.name.startswith("01_rivers-yours-")
        printed = capsys.readouterr().out
        assert kept.name in printed
        assert f"my_course/exercises/{ONE} is in its first state already" in printed
    assert lab.bring_up_to_date(root) == lab.Copies()


def test_a_full_disk_leaves_each_copy_where_it_is(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.bring_up_to_date(root)
    mine = edit(copy_of(root), "My note.")
    edit(root / "notebooks" / OTHER, "A new sentence.")

    def contents() -> dict[Path, bytes]:
        files = (root / lab.FOLDER / "notebooks").iterdir()
        return {path: path.read_bytes() for path in files if path.is_file()}

    before = contents()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("course.writable.os.replace", full)
        for name in ("01", "02"):
            with pytest.raises(NotWritable, match="No space left on device"):
                lab.restore([name], root)
        assert lab.open_lab("01", root=root) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert contents() == before
    assert before[copy_of(root)] == mine


def test_scripts_are_copied_and_stay_what_their_owner_makes_of_them(
    root: Path,
) -> None:
    for name in ("one/train.py", "one/requirements.txt", "one/__pycache__/a.pyc"):
        script = root / lab.SCRIPTS / name
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text("old")
    lab.bring_up_to_date(root)
    copies = root / lab.FOLDER / lab.SCRIPTS / "one"
    assert {path.name for path in copies.iterdir()} == {"train.py", "requirements.txt"}
    (copies / "train.py").write_text("mine")
    for name in ("train.py", "requirements.txt"):
        (root / lab.SCRIPTS / "one" / name).write_text("new")
    assert lab.bring_up_to_date(root) == lab.Copies()
    assert (copies / "train.py").read_text() == "mine"
    assert (copies / "requirements.txt").read_text() == "new"
    (copies / "train.py").unlink()
    lab.bring_up_to_date(root)
    assert (copies / "train.py").read_text() == "new"


def test_restore_takes_the_newer_version_of_several(root: Path) -> None:
    lab.bring_up_to_date(root)
    for name in (ONE, OTHER):
        edit(copy_of(root, name, "exercises"), "My answer.")
        edit(root / "exercises" / name, "A new sentence.")
    assert lab.restore(["01", "02_rivers"], root) == 0
    for name in (ONE, OTHER):
        text = copy_of(root, name, "exercises").read_text()
        assert "A new sentence." in text
        assert "My answer." not in text


@pytest.mark.parametrize("names", [["01", "09"], []])
def test_restore_of_no_lesson_does_nothing(
    root: Path, names: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    lab.bring_up_to_date(root)
    mine = edit(copy_of(root), "My note.")
    assert lab.restore(names, root) == 2
    assert copy_of(root).read_bytes() == mine
    said = capsys.readouterr().err
    assert "'09'" in said if names else "Which lesson?" in said


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no git here")
def test_git_ignores_the_copies_and_the_originals_are_what_git_has() -> None:
    ignored = subprocess.run(
        ["git", "check-ignore", "-q", f"{lab.FOLDER}/notebooks/{ONE}"], cwd=ROOT
    )
    kept = subprocess.run(["git", "check-ignore", "-q", f"notebooks/{ONE}"], cwd=ROOT)
    assert (ignored.returncode, kept.returncode) == (0, 1)


# --- JupyterLab -----------------------------------------------------------------------

NEWS = "@jupyterlab/apputils-extension:notification"
THEMES = "@jupyterlab/apputils-extension:themes"


class Lab:
    """A JupyterLab that `course lab` has started, and what it has printed."""

    def __init__(
        self, process: subprocess.Popen, printed: list[str], root: Path
    ) -> None:
        self.process, self.printed, self.root = process, printed, root
        (self.address,) = [line.strip() for line in printed if "http" in line]
        self.url = urlsplit(self.address)

    def get(self, path: str) -> tuple[int, str]:
        address = f"{self.url.scheme}://{self.url.netloc}{path}"
        token = self.url.query.partition("=")[2]
        request = Request(address, headers={"Authorization": f"token {token}"})
        try:
            with urlopen(request, timeout=60) as response:
                return response.status, response.read().decode()
        except HTTPError as error:
            return error.code, ""


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab in a folder with letters beyond ASCII, for somebody with settings."""
    base = tmp_path_factory.mktemp("lab")
    root, settings, config = (
        base / "Zoë\u2019s kurs ☁",
        base / "settings",
        base / "config",
    )
    for kind in lab.KINDS:
        (root / kind).mkdir(parents=True)
        shutil.copy(ROOT / kind / "00_start_here.ipynb", root / kind)
    shutil.copytree(ROOT / lab.PICTURES, root / lab.PICTURES)
    for name in ("data", "utils", "webapp"):
        (root / name).symlink_to(ROOT / name)
    own = settings.joinpath(*NEWS.split(":")).with_suffix(".jupyterlab-settings")
    own.parent.mkdir(parents=True)
    own.write_text('{"doNotDisturbMode": true}')
    config.mkdir()
    unknown = {"ServerApp": {"jpserver_extensions": {"no_such_extension": True}}}
    (config / "jupyter_server_config.json").write_text(json.dumps(unknown))
    program = (
        "import sys\nfrom pathlib import Path\nfrom course.lab import open_lab\n"
        "sys.exit(open_lab(None, sys.argv[2:], Path(sys.argv[1])))"
    )
    theirs = {
        n: v
        for n, v in os.environ.items()
        if n not in ("SSH_CONNECTION", "JUPYTER_TOKEN")
    }
    environment = theirs | {
        HOME_VARIABLE: str(base / "home"),
        "JUPYTERLAB_SETTINGS_DIR": str(settings),
        "JUPYTER_CONFIG_DIR": str(config),
        "JUPYTER_RUNTIME_DIR": str(base / "runtime"),
    }
    for name in ("JUPYTER_TOKEN", "SSH_CONNECTION"):
        environment.pop(name, None)
    with subprocess.Popen(
        [sys.executable, "-c", program, root, "--no-browser", "--ServerApp.port=0"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            printed = []
            for line in process.stdout:
                printed.append(line.rstrip())
                if line.startswith("To stop"):
                    break
            yield Lab(process, printed, root)
        finally:
            process.terminate()
            process.wait(timeout=60)


def test_a_learner_reads_four_lines(started: Lab) -> None:
    assert started.printed == [
        "Your own copies of lessons and exercises are in my_course/.",
        "JupyterLab is ready. Open this address in your browser:",
        f"    {started.address}",
        "To stop it, press Ctrl-C here twice.",
    ]


def test_the_address_opens_the_copy_of_lesson_00(started: Lab) -> None:
    assert started.url.path == "/lab/tree/notebooks/00_start_here.ipynb"
    assert started.get(started.url.path)[0] == 200
    _, text = started.get("/api/contents/notebooks/00_start_here.ipynb")
    language = json.loads(text)["content"]["metadata"]["language_info"]
    assert language["version"] == platform.python_version(), "the original has none"


def test_the_log_does_not_hold_the_token(started: Lab) -> None:
    """Others on the machine may be able to read it."""
    token = started.url.query.partition("=")[2]
    with pytest.raises(HTTPError):
        urlopen(f"{started.url.scheme}://{started.url.netloc}/no?token={token}")
    log = started.root / lab.FOLDER / lab.SETTINGS / "jupyterlab.log"
    deadline = time.monotonic() + 60
    while "/no?token=" not in (text := log.read_text(encoding="utf-8")):
        assert time.monotonic() < deadline, text
        time.sleep(0.02)
    assert token not in text


def test_its_pictures_and_links_are_reached(started: Lab) -> None:
    assert started.get("/files/notebooks/images/map_of_the_parts.svg")[0] == 200
    for name in ("exercises/00_start_here.ipynb", "data/README.md"):
        assert started.get(f"/api/contents/{name}?content=0")[0] == 200
    # Why pictures are copied: what lies behind a link is not shown.
    assert started.get("/files/utils/__init__.py")[0] == 403


def test_jupyterlab_is_dark_where_its_reader_has_it_dark(started: Lab) -> None:
    code, text = started.get(f"/lab/api/settings/{THEMES}")
    assert code == 200
    found = json.loads(text)["schema"]["properties"]
    assert found["adaptive-theme"]["default"] is True
    for theme in ("preferred-light-theme", "preferred-dark-theme"):
        assert theme in found, "JupyterLab has another name for it"


def test_our_settings_are_defaults_and_the_learners_own_stay(started: Lab) -> None:
    code, text = started.get(f"/lab/api/settings/{NEWS}")
    assert code == 200
    found = json.loads(text)
    assert found["schema"]["properties"]["fetchNews"]["default"] == "false"
    assert found["settings"] == {"doNotDisturbMode": True}
    shipped = Path(sys.prefix, "share/jupyter/lab/schemas", NEWS.replace(":", "/"))
    own = json.loads(shipped.with_suffix(".json").read_text())
    assert own["properties"]["fetchNews"]["default"] == "none", "which asks"


def test_the_table_of_contents_is_open(started: Lab) -> None:
    _, text = started.get("/lab/api/workspaces/default")
    layout = json.loads(text)["data"]["layout-restorer:data"]
    assert layout["right"]["current"] == "@jupyterlab/toc:plugin"
    assert not layout["right"]["collapsed"]
    _, page = started.get("/lab")
    config = re.search(r'id="jupyter-config-data"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert "@jupyter/nbgrader" in json.loads(config[1])["disabledExtensions"]


def test_a_run_in_the_copies_keeps_its_files_where_the_clean_up_looks(
    tmp_path: Path,
) -> None:
    root = tmp_path / "Zoë\u2019s kurs ☁"
    (root / "notebooks").mkdir(parents=True)
    for name in ("data", "utils", "webapp", "local_aws"):
        shutil.copytree(
            ROOT / name, root / name, ignore=shutil.ignore_patterns("*.pyc")
        )
    lab.bring_up_to_date(root)
    code = (
        "import sys; sys.path.insert(0, '..')\n"
        "from utils import cleanup, connect, data\n"
        "print(connect.SCRATCH, cleanup.SCRATCH, len(data.load_boston()), sep='\\n')"
    )
    (root / lab.FOLDER / "notebooks").mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root / lab.FOLDER / "notebooks",
        capture_output=True,
        text=True,
        timeout=60,
    )
    scratch = str(root / "notebooks" / "scratch")
    assert done.stdout.splitlines() == [scratch, scratch, "506"], done.stderr


def test_the_layout_is_left_as_it_was(tmp_path: Path) -> None:
    lab.write_settings(tmp_path)
    (file,) = (tmp_path / "workspaces").iterdir()
    file.write_text(file.read_text().replace("0.285", "0.4"))
    lab.write_settings(tmp_path)
    assert "0.4" in file.read_text()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({}, False), ({"DISPLAY": ":0"}, True), ({"BROWSER": "true"}, True)],
    ids=["no-screen", "screen", "named"],
)
def test_no_browser_is_opened_in_a_terminal(
    environment: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(webbrowser, "get", lambda *_: object())
    assert lab_server.can_open_a_browser() is expected

    def none(*_: object) -> None:
        raise webbrowser.Error("could not locate runnable browser")

    monkeypatch.setattr(webbrowser, "get", none)
    assert lab_server.can_open_a_browser() is False


def test_our_kernel_comes_before_one_of_the_same_name(tmp_path: Path) -> None:
    other = tmp_path / "kernels" / "python3"
    other.mkdir(parents=True)
    spec = {"argv": ["/none"], "display_name": "Other", "language": "python"}
    (other / "kernel.json").write_text(json.dumps(spec))
    look = (
        "from jupyter_client.kernelspec import KernelSpecManager as M\n"
        "print(M().get_kernel_spec('python3').display_name)"
    )
    ours = f"from course import lab; lab._prefer_our_kernel()\n{look}"
    for code, name in ((look, "Other"), (ours, "Python 3 (ipykernel)")):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=os.environ | {"JUPYTER_PATH": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.stdout.strip() == name, done.stderr


def test_a_lesson_that_does_not_exist_opens_nothing(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lab.open_lab("09", root=root) == 2
    assert "There is no lesson '09'" in capsys.readouterr().err
    assert not (root / lab.FOLDER).exists()


def test_what_follows_two_dashes_is_given_to_jupyter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = []
    monkeypatch.setattr(lab, "open_lab", lambda *words: given.append(words) or 0)
    assert main(["lab", "03", "--", "--no-browser", "--port=9000"]) == 0
    assert main(["lab", "--"]) == 0
    assert given == [("03", ["--no-browser", "--port=9000"]), (None, [])]


# --- mistakes -------------------------------------------------------------------------


def run_cells(home: Path, *cells: str | Callable[[], object]) -> list[NotebookNode]:
    """Run cells in a real kernel, beside the lessons; return them with their outputs.

    What is no text is called where it stands. A cell that fails does not end it.
    """
    notebook = new_notebook(
        cells=[new_code_cell(c) for c in cells if isinstance(c, str)]
    )
    client = NotebookClient(
        notebook,
        timeout=120,
        kernel_name="python3",
        resources={"metadata": {"path": str(lessons.NOTEBOOKS)}},
    )
    left = iter(enumerate(notebook.cells))
    with client.setup_kernel(env=os.environ | {HOME_VARIABLE: str(home)}):
        for cell in cells:
            if not isinstance(cell, str):
                cell()
                continue
            with contextlib.suppress(CellExecutionError):
                index, next_one = next(left)
                client.execute_cell(next_one, index)
    return notebook.cells


def error_of(cell: NotebookNode) -> NotebookNode:
    (error,) = [o for o in cell.outputs if o.output_type == "error"]
    return error


def shown(cell: NotebookNode) -> list[str]:
    """The lines that a reader sees in the place of a traceback."""
    return "\n".join(error_of(cell).traceback).splitlines()


def printed(cell: NotebookNode) -> str:
    return "".join(o.text for o in cell.outputs if o.output_type == "stream")


UTILS = "import sys; sys.path.insert(0, '..')\n"
CONNECT = f"{UTILS}from utils.connect import connect\ncourse = connect('98')"
WHO = "course.boto_session.client('sts').get_caller_identity()['Account']"


def test_a_wrong_kernel_stops_the_notebook_with_a_sentence(home: Path) -> None:
    needed = "import utils; utils.NEEDED['no-such-package'] = '>=1,<2'\n"
    (cell,) = run_cells(home, UTILS + needed + "utils.check_versions()")
    assert error_of(cell).ename == "WrongKernel"
    assert 1 < len(shown(cell)) <= 3
    # As papermill and `make course` run it: the cells below do not run.
    notebook = new_notebook(cells=[new_code_cell(cell.source), new_code_cell("1 + 1")])
    client = NotebookClient(
        notebook, resources={"metadata": {"path": str(lessons.NOTEBOOKS)}}
    )
    with pytest.raises(CellExecutionError, match="no-such-package"):
        client.execute()
    assert notebook.cells[1].execution_count is None


def test_a_stand_in_that_is_gone_is_told_in_three_lines(home: Path) -> None:
    first = start_stand_in(home)
    refused = "course.boto_session.client('s3').get_object(Bucket='none', Key='x')"
    wrapped = f"try:\n  {WHO}\nexcept Exception as error:\n  raise %s('x') from error"
    cells = run_cells(
        home,
        "int('x')",
        CONNECT,
        WHO,
        refused,
        "int('x')",
        lambda: stop_stand_in(first),
        WHO,
        "1 + 1",
        wrapped % "RuntimeError",
        wrapped % "KeyError",
        CONNECT,
        WHO,
        "course = connect('98', run_id='abc123')",
    )
    before, connected, who, refusal, value, *others = cells
    gone, after, inside, other, again, still, same = others
    run_id = re.search(r"Run id: (\w+)", printed(connected))[1]

    # Other errors look as ever, also those of botocore and those that a cell makes.
    assert error_of(refusal).ename == "NoSuchBucket"
    assert len(shown(refusal)) > 10
    number = re.compile(r"In\[\d+\]")
    as_before = [number.sub("", line) for line in shown(before)]
    assert [number.sub("", line) for line in shown(value)] == as_before
    assert error_of(other).ename == "KeyError"
    assert len(shown(other)) > 10

    assert error_of(gone).ename == "EndpointConnectionError"
    assert "127.0.0.1" in error_of(gone).evalue
    lines = shown(gone)
    assert lines[0].startswith("EndpointConnectionError: Could not connect to the")
    assert len(lines) == 3
    assert f'run_id="{run_id}"' in lines[2]
    assert error_of(inside).ename == "RuntimeError"
    assert shown(inside) == ["RuntimeError: x", *lines[1:]]
    assert after.outputs[0].data["text/plain"] == "2"

    assert f'add run_id="{run_id}" to connect(...)' in printed(again)
    assert still.outputs[0].data == who.outputs[0].data
    assert "this cell again" not in printed(same)


def test_outside_of_a_notebook_a_lost_stand_in_is_an_error_as_ever(home: Path) -> None:
    first = start_stand_in(home)
    program = f"""
import sys
{CONNECT}
print("connected", flush=True)
sys.stdin.readline()
{WHO}
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=lessons.NOTEBOOKS,
        env=os.environ | {HOME_VARIABLE: str(home)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while process.stdout.readline() != "connected\n":
            assert process.poll() is None
        stop_stand_in(first)
        _, said = process.communicate("\n", timeout=60)
    assert process.returncode == 1
    assert "Traceback" in said
    assert said.rstrip().splitlines()[-1].startswith("botocore.exceptions.EndpointConn")
