"""The repository as a whole: form, lock, workflow, what must not be in it."""

import ast
import csv
import functools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import pytest
from exercise_fixture import write_exercises
from locking import LOCKS, conditions, direct, holes, lock_text, locked, overrides
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from course import lessons
from course.install import DEV_LOCK, DOCS_LOCK, LOCK, ROOT
from course.linter import registry_accounts
from course.pythons import NEWEST, OLDEST
from utils.bank_marketing_file import DOWNLOADS
from utils.synthetic_bank_marketing import make_synthetic_bank_marketing

MAX_BYTES = 1_000_000
SUFFIXES_OF_TEXT = {
    ".cfg",
    ".css",
    ".csv",
    ".ipynb",
    ".json",
    ".lock",
    ".md",
    ".py",
    ".toml",
    ".txt",
    ".yml",
    "",
}
# The account of AWS's own examples, and of the stand-in.
EXAMPLE_ACCOUNT = "123456789012"
MARK_OF_A_PATH = re.compile(r"(?<![\w.<>:])/(?:work|root|home/(?!ec2-user)\w+|Users)/")


def tracked() -> list[Path]:
    """Return the files of the repository, those not yet committed included."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    paths = [ROOT / name for name in done.stdout.split("\0") if name]
    return [path for path in paths if path.exists()]


def texts() -> list[tuple[Path, str]]:
    return [
        (path, path.read_text(encoding="utf-8"))
        for path in tracked()
        if path.suffix in SUFFIXES_OF_TEXT
    ]


def run(*command: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


# --- code -----------------------------------------------------------------------------


def test_ruff_has_nothing_to_say() -> None:
    done = run("ruff", "check", ".")
    assert done.returncode == 0, done.stdout


def test_code_is_formatted() -> None:
    done = run("ruff", "format", "--check", ".")
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_looks_into_notebooks(tmp_path: Path) -> None:
    from lesson_fixture import small_notebook, write

    path = write(small_notebook("import os"), tmp_path / "01_a.ipynb")
    done = run("ruff", "check", "--config", str(ROOT / "pyproject.toml"), str(path))
    assert done.returncode == 1
    assert "F401" in done.stdout


# --- what is in the tree --------------------------------------------------------------


def test_files_are_small_and_have_plain_names() -> None:
    for path in tracked():
        name = str(path.relative_to(ROOT))
        assert path.stat().st_size < MAX_BYTES, name
        assert re.fullmatch(r"[\w./-]+", name, re.ASCII), name


def forbidden_numbers(text: str) -> list[str]:
    """Return 12-digit numbers that may be somebody's account."""
    found = []
    for match in re.finditer(r"(?<![\w.])\d{12}(?![\w])", text):
        allowed = match[0] == EXAMPLE_ACCOUNT or match[0] in registry_accounts()
        if not allowed and len(set(match[0])) > 2:  # 000000000000 is nobody's
            found.append(match[0])
    return found


def test_no_account_number_is_in_the_tree() -> None:
    for path, text in texts():
        if path.suffix != ".lock" and path.suffix != ".csv":
            assert not forbidden_numbers(_without_pictures(path, text)), path


@pytest.mark.parametrize("text", ["arn:aws:iam::{}:role/x", "account {}.", "{}"])
def test_an_account_number_is_found(text: str) -> None:
    number = "41527" + "3648192"
    assert forbidden_numbers(text.format(number)) == [number]
    assert forbidden_numbers(text.format(EXAMPLE_ACCOUNT)) == []


def test_no_path_of_a_machine_is_in_the_tree() -> None:
    mine = str(ROOT) + "/"
    for path, text in texts():
        if path == Path(__file__) or path.suffix == ".lock":
            continue
        assert mine not in text, path
        if path.suffix == ".ipynb" or path.parent.name in ("course", "utils"):
            found = MARK_OF_A_PATH.search(_without_pictures(path, text))
            assert not found, f"{path}: {found}"


def _without_pictures(path: Path, text: str) -> str:
    """Return a notebook's text without base64, which may hold any digits."""
    if path.suffix != ".ipynb":
        return text
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop("image/png", None)
    return json.dumps(notebook)


def test_notebooks_name_no_folder_of_a_machine_in_outputs() -> None:
    for path in lessons.find_lessons():
        for cell in lessons.read(path).cells:
            outputs = json.dumps(cell.get("outputs", []))
            assert not re.search(r"(?<![\w.<>:])/tmp/", outputs), path


# A row of the bank-marketing data, in UCI's form or in AWS's.
BANK_ROW = re.compile(
    rb'^\d\d[;,]"?[a-z.-]+"?[;,]"?(?:married|single|divorced|unknown)"?[;,]'
    rb'"?[a-z0-9.]+"?(?:[;,]"?(?:yes|no|unknown)"?){3}[;,]',
    re.MULTILINE,
)


def has_bank_data(path: Path, content: bytes) -> bool:
    """Tell whether a file is one of the bank-marketing data, or has many rows of it."""
    rows = len(BANK_ROW.findall(content))
    return path.name.startswith("bank-additional") or rows > 20


def test_no_file_of_the_bank_marketing_data_is_in_the_tree() -> None:
    for path in tracked():
        if path.is_file():
            assert not has_bank_data(path, path.read_bytes()), path
    kept = DOWNLOADS / "bank-additional.zip"
    command = ["git", "check-ignore", "-q", str(kept)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def test_a_file_of_the_bank_marketing_data_is_found(tmp_path: Path) -> None:
    calls = make_synthetic_bank_marketing()[:100]
    for separator in ",;":
        text = calls.to_csv(sep=separator, index=False, quoting=csv.QUOTE_NONNUMERIC)
        assert has_bank_data(tmp_path / "calls.csv", text.encode())
        assert not has_bank_data(tmp_path / "calls.csv", text[:400].encode())
    assert has_bank_data(tmp_path / "bank-additional.zip", b"")


def test_only_ci_names_the_folder_that_lies_beside_the_repository() -> None:
    folder = "shared/" + "data"
    named = [path.relative_to(ROOT) for path, text in texts() if folder in text]
    assert named == [Path(".ci", "run")]
    assert f"[ -d ../{folder} ]" in (ROOT / ".ci" / "run").read_text()


# --- the lock -------------------------------------------------------------------------


def out_of_step(requirements: list[Requirement], pins: list[Requirement]) -> list[str]:
    """Return the direct requirements that the pins do not fulfil, with the reason."""
    found = []
    by_name: dict[str, list[Requirement]] = {}
    for pin in pins:
        by_name.setdefault(canonicalize_name(pin.name), []).append(pin)
    for wanted in requirements:
        same = by_name.get(canonicalize_name(wanted.name), [])
        if not same:
            found.append(f"{wanted.name} is not locked")
        for pin in same:
            (specifier,) = pin.specifier
            if not wanted.specifier.contains(specifier.version, prereleases=True):
                found.append(f"{pin.name} {specifier.version} is outside {wanted}")
    return found


EACH_LOCK = pytest.mark.parametrize(
    "lock", LOCKS, ids=[str(lock.relative_to(ROOT)) for lock in LOCKS]
)


@EACH_LOCK
def test_the_lock_is_in_step_with_the_requirements(lock: Path) -> None:
    assert out_of_step(direct(lock), locked(lock_text(lock))) == []


def disagreements(some: list[Requirement], more: list[Requirement]) -> list[str]:
    """Return the pins of `some` that `more` has not, or has in another version.

    On any Python and system of the course: `more` may pin a package for more of them.
    """
    found = set()
    for condition in conditions():
        theirs = {str(pin.name): pin.specifier for pin in _that_apply(more, condition)}
        for pin in _that_apply(some, condition):
            if pin.name not in theirs:
                found.add(f"{pin.name} is missing")
            elif theirs[pin.name] != pin.specifier:
                found.add(f"{pin.name} {pin.specifier} is also {theirs[pin.name]}")
    return sorted(found)


def _that_apply(pins: list[Requirement], condition: dict) -> list[Requirement]:
    return [p for p in pins if p.marker is None or p.marker.evaluate(condition)]


def test_the_locks_agree() -> None:
    """`make test` adds to what is there, and changes none of it."""
    dev = locked(lock_text(DEV_LOCK))
    assert disagreements(locked(lock_text(LOCK)), dev) == []
    docs = [pin for pin in locked(lock_text(DOCS_LOCK)) if pin.name != "docutils"]
    shared = {pin.name for pin in docs} & {pin.name for pin in dev}
    assert {"nbformat", "ipython", "pygments"} <= shared
    assert disagreements([pin for pin in docs if pin.name in shared], dev) == []


@pytest.mark.parametrize(
    ("pattern", "replacement", "reason"),
    [
        (r"\nboto3==\S+", "\nboto3==1.0", "is also ==1.0"),
        (r"\nrich==[^\n]*", "\n#", "rich is missing"),
        (r"\nappnope==[^\n]*", "\n#", "appnope is missing"),
        (r"(?<=\nnumpy==)\S+ ; \S+ >=", "1.0 ; python_full_version >=", "numpy =="),
    ],
)
def test_locks_that_disagree_are_found(pattern, replacement, reason) -> None:
    changed, count = re.subn(pattern, replacement, lock_text(DEV_LOCK))
    assert count
    found = disagreements(locked(lock_text(LOCK)), locked(changed))
    assert len(found) == 1
    assert reason in found[0]


@pytest.mark.parametrize(
    ("requirement", "reason"),
    [("surely-new>=1", "is not locked"), ("boto3>=99", "is outside")],
)
def test_a_lock_out_of_step_is_found(requirement: str, reason: str) -> None:
    found = out_of_step([Requirement(requirement)], locked(lock_text()))
    assert len(found) == 1
    assert reason in found[0]


# Packages that come with another one and are never there without it.
COMES_WITH = {
    "botocore": "boto3",
    "ipython": "ipykernel",
    "jupyter-server": "jupyterlab",
    "jupyterlab-server": "jupyterlab",
    "traitlets": "nbformat",
    "joblib": "scikit-learn",
    "pydantic": "sagemaker",
    "sagemaker-core": "sagemaker",
    "werkzeug": "flask",
}


@functools.cache
def packages_by_module() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()


# What only those run who work on the course: the second set of packages is there then.
FOR_WORK = re.compile(
    r"(tests|benchmarks)/|course/(exercises|screenshot)\.py|data/make_boston_housing\.py"
)


def undeclared(code: str, lock: Path = DEV_LOCK) -> list[str]:
    """Return the packages that the code imports and the requirements do not name."""
    packages, names = (
        packages_by_module(),
        {requirement.name for requirement in direct(lock)},
    )
    found = []
    for node in ast.walk(ast.parse(code)):
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            modules = [node.module]
        for module in modules:
            homes = {
                canonicalize_name(n) for n in packages.get(module.split(".")[0], [])
            }
            if homes and not names & {COMES_WITH.get(home, home) for home in homes}:
                found.append(module)
    return found


def test_every_package_that_is_imported_is_required() -> None:
    for path, text in texts():
        if path.suffix == ".py" and path.parts[-2] != "docs":
            name = str(path.relative_to(ROOT))
            assert undeclared(text, DEV_LOCK if FOR_WORK.match(name) else LOCK) == [], (
                name
            )


# Required for what they do as programs, plugins or kernels.
NOT_IMPORTED = {"awscli", "check-jsonschema", "ipykernel", "jupyterlab", "nbval"}
NOT_IMPORTED |= {"pytest-xdist", "ruff"}
# moto's server and the SDK, which are imported, import these and don't ask for them.
NOT_IMPORTED |= {"docker", "flask", "flask-cors"}
# The tests in a browser import these where they are, and are skipped elsewhere.
NOT_IMPORTED |= {"playwright", "axe-playwright-python"}


def test_every_package_that_is_required_is_used() -> None:
    modules = {
        module.split(".")[0]
        for path, text in texts()
        if path.suffix == ".py"
        for module in re.findall(r"^\s*(?:from|import) ([\w.]+)", text, re.MULTILINE)
    }
    packages = {
        name for module in modules for name in packages_by_module().get(module, [])
    }
    used = {COMES_WITH.get(name, name) for name in map(canonicalize_name, packages)}
    for requirement in direct():
        if requirement.marker is None or requirement.marker.evaluate():
            name = canonicalize_name(requirement.name)
            assert name in used | NOT_IMPORTED


def test_an_import_that_is_not_required_is_found() -> None:
    code = "import json, urllib3.util, boto3, botocore\nfrom flask import Flask"
    assert undeclared(code) == ["urllib3.util"]
    assert undeclared("import psutil, ruff, nbgrader.api") == []
    assert undeclared("import ruff, nbgrader.api", LOCK) == ["ruff", "nbgrader.api"]


@EACH_LOCK
def test_every_pin_is_exact_and_hashed(lock: Path) -> None:
    assert unhashed(lock_text(lock)) == []
    for pin in locked(lock_text(lock)):
        (specifier,) = pin.specifier
        assert specifier.operator == "==", pin
        assert Version(specifier.version), pin


def unhashed(text: str) -> list[str]:
    """Return the pins without a hash of 64 digits."""
    blocks = re.split(r"\n(?=[A-Za-z0-9])", text)
    return [
        block.splitlines()[0]
        for block in blocks
        if block[0] != "#" and not re.search(r"--hash=sha256:[0-9a-f]{64}\b", block)
    ]


def test_a_pin_without_hash_is_found() -> None:
    assert unhashed("a==1 \\\n    --hash=sha256:12\nb==2\n") == ["a==1 \\", "b==2"]


def different_hashes(some: str, others: str) -> list[str]:
    """Return the pins that both have, with other hashes.

    One of them then lacks files that another Python or system needs.
    """
    mine, theirs = _hashes(some), _hashes(others)
    return [pin for pin in mine.keys() & theirs.keys() if mine[pin] != theirs[pin]]


def _hashes(text: str) -> dict[str, set[str]]:
    blocks = re.split(r"\n(?=[A-Za-z0-9])", text)
    return {
        block.split()[0]: set(re.findall(r"sha256:[0-9a-f]{64}", block))
        for block in blocks
        if block[0] != "#"
    }


def test_the_locks_know_the_same_files_of_a_package() -> None:
    dev = lock_text(DEV_LOCK)
    for lock in (LOCK, DOCS_LOCK):
        assert different_hashes(lock_text(lock), dev) == []


def test_files_that_only_one_lock_knows_are_found() -> None:
    text = lock_text(DOCS_LOCK)
    (pin,) = re.findall(r"\n(pyyaml==\S+)", text)
    changed = re.sub(r"(\npyyaml==.*\n.*) \\(\n .*)*", r"\1", text)
    assert len(_hashes(changed)[pin]) == 1
    assert different_hashes(changed, lock_text(DEV_LOCK)) == [pin]


@EACH_LOCK
def test_the_lock_holds_no_address_and_no_path(lock: Path) -> None:
    assert not re.search(
        r"https?:|file:|--(extra-)?index-url|--find-links|(^|\s)/", lock_text(lock)
    )


@EACH_LOCK
def test_the_lock_is_for_every_python_of_the_course(lock: Path) -> None:
    pins = locked(lock_text(lock))
    for condition in conditions():
        assert holes(pins, condition, lock) == [], condition


@pytest.mark.parametrize(
    ("pattern", "replacement", "reason"),
    [
        (r"\n[\w-]+==[^\n]* ; python_full_version >= '3.12'", "\n#", "has no pin"),
        (r" ; python_full_version < '3.12'", "", "is pinned twice"),
        (r"\nappnope==.*", "\n#", "appnope"),
        (r"\njsonpointer==.*", "\n#", "jsonpointer"),
        (r"\nbotocore==\S+", "\nbotocore==1.0", "botocore 1.0 is outside"),
    ],
)
def test_a_lock_for_some_pythons_only_is_found(pattern, replacement, reason) -> None:
    changed, count = re.subn(pattern, replacement, lock_text())
    assert count
    pins = locked(changed)
    found = [hole for condition in conditions() for hole in holes(pins, condition)]
    assert [hole for hole in found if reason in hole]


WITHOUT_RFC3987_SYNTAX = """\
import sys
sys.modules["rfc3987_syntax"] = None  # its import fails, as where it is not installed

import jsonschema, pytest
formats = jsonschema.FormatChecker.checkers
assert {"uri", "uri-reference", "date-time", "idn-hostname"} <= set(formats), formats
assert "iri" not in formats

import nbformat
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
nbformat.validate(notebook)
with pytest.raises(nbformat.ValidationError):
    nbformat.validate(notebook | {"cells": [{"cell_type": "code"}]})

from jupyterlab.labapp import LabApp
options = ["--no-browser", "--ServerApp.port=0", f"--ServerApp.root_dir={sys.argv[1]}"]
app = LabApp.initialize_server(argv=options)
events = app.event_logger.schemas
(contents,) = [name for name in events.schema_ids if "contents" in name]
events.validate_event(contents, {"action": "save", "path": "a.ipynb"})
with pytest.raises(jsonschema.ValidationError, match="munch"):
    events.validate_event(contents, {"action": "munch", "path": "a.ipynb"})
with pytest.raises(jsonschema.ValidationError, match="is not a 'uri'"):
    events.register({"$id": "a b", "version": "1", "properties": {}})

from sagemaker.train import ModelTrainer
assert "lark" not in sys.modules
print("nothing is missing")
"""

# Of what moto's other services need, and of what the SDK needs for MLflow.
WITHOUT_LARGE_PACKAGES = """\
import sys
for name in (
    "aws_xray_sdk cfnlint databricks fastapi joserfc mlflow notebook "
    "openapi_spec_validator opentelemetry sagemaker_mlflow sympy"
).split():
    sys.modules[name] = None  # its import fails, as where it is not installed

from moto.server import create_backend_app
from local_aws.services import SERVICES
for service in SERVICES:
    if service.responder.startswith("moto_services"):
        create_backend_app(service.name)

import course.site
import local_aws.server.process, jupyterlab.labapp, ipykernel.kernelapp, nbconvert
import pyarrow.parquet, sklearn.linear_model, xgboost, awscli.clidriver
import nbclient, matplotlib.pyplot, sagemaker.serve, sagemaker.train
from sagemaker.train import ModelTrainer
from sagemaker.serve import ModelBuilder
import nbgrader.converters, nbgrader.server_extensions.formgrader
from course.install import NOT_COMPILED
files = [getattr(module, "__file__", None) or "" for module in sys.modules.values()]
assert len(files) > 3000, len(files)
slow = [file for file in files if NOT_COMPILED.search(file)]
assert [file for file in slow if "/jinja2/tests" not in file] == [], slow
import sagemaker.mlops.feature_store, sagemaker.mlops.workflow
print("nothing is missing")
"""


WITHOUT_IPYWIDGETS = """\
import sys
sys.modules["ipywidgets"] = None  # its import fails, as where it is not installed

from nbgrader.apps import NbGraderAPI
from nbgrader.coursedir import CourseDirectory

api = NbGraderAPI(CourseDirectory(root=sys.argv[1]))
for done in api.generate_assignment("01_rivers"), api.autograde("01_rivers", "Zoe"):
    assert done["success"], done["log"]
with api.gradebook as gradebook:
    submission = gradebook.find_submission("01_rivers", "Zoe")
    assert (submission.score, submission.max_score) == (2, 4), submission.to_dict()
import nbgrader.server_extensions.formgrader, nbgrader.server_extensions.assignment_list
print("nothing is missing")
"""


def test_nothing_misses_what_is_kept_out_of_the_lock(tmp_path: Path) -> None:
    kept_out = set(overrides())
    assert kept_out == {
        *("rfc3987-syntax", "ipywidgets", "mlflow", "sagemaker-mlflow", "notebook")
    }
    for lock in LOCKS:
        assert not kept_out & {pin.name for pin in locked(lock_text(lock))}
    folders = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_RFC3987_SYNTAX, str(tmp_path)],
        env=os.environ | {f"JUPYTER_{name}": str(tmp_path / name) for name in folders},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.endswith("nothing is missing\n"), done.stderr


def test_nbgrader_misses_no_widgets(tmp_path: Path) -> None:
    """A copy is made, a solution graded: 2 points of 4, the others by hand."""
    source = write_exercises(tmp_path)
    submitted = tmp_path / "exercises" / "submitted" / "Zoe" / "01_rivers"
    submitted.mkdir(parents=True)
    shutil.copy(source, submitted)
    programs = Path(sys.executable).parent  # nbgrader starts alembic
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_IPYWIDGETS, str(tmp_path / "exercises")],
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "PATH": f"{programs}:{os.environ['PATH']}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.endswith("nothing is missing\n"), done.stderr


def test_neither_services_nor_the_sdk_miss_what_is_large_or_not_compiled() -> None:
    """The SDK makes a client while it is imported, so it needs a Region."""
    nobody = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), "")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_LARGE_PACKAGES],
        cwd=ROOT,
        env=os.environ | nobody | {"AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.endswith("nothing is missing\n"), done.stderr


# --- commands, README, workflow -------------------------------------------------------


def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def contributing() -> str:
    return (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def make_targets() -> set[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z]+):", text, re.MULTILINE))


def test_the_make_commands_that_readers_are_given_exist() -> None:
    snippets = "\n".join(_code_of(readme() + contributing()))
    given = set(re.findall(r"^make ([a-z]+)\b", snippets, re.MULTILINE))
    assert {"course", "test"} <= given
    assert given <= make_targets()


def test_every_make_command_stands_for_a_python_command() -> None:
    """The README's table gives what each recipe runs, word by word but for options."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    given = " ".join(_code_of(readme()))
    for target in ("course", "test", "lab", "lint", "outputs"):
        recipe = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)[1]
        for module in re.findall(
            r"-m ([\w.]+(?: (?:run|outputs|lint|lab|exec))?)", recipe
        ):
            assert module in given, f"make {target}: README does not give -m {module}"


def _code_of(markdown: str) -> list[str]:
    fenced = re.findall(r"```\w*\n(.*?)```", markdown, re.DOTALL)
    return fenced + re.findall(r"`([^`\n]+)`", markdown)


def test_the_readme_lists_the_lessons() -> None:
    listed = re.findall(
        r"^\| (\w+) \| .*?\]\(notebooks/([^)]+)\)", readme(), re.MULTILINE
    )
    there = [
        (lessons.lesson_number(path), path.name) for path in lessons.find_lessons()
    ]
    assert listed == there


def test_the_readme_has_the_lessons_minutes_and_costs() -> None:
    row = re.compile(r"^\| \w+ \| .*?/([^/)]+)\) \| (\d+) \| ([\d.]+) \|", re.MULTILINE)
    rows = row.findall(readme())
    assert [name for name, *_ in rows] == [p.name for p in lessons.find_lessons()]
    for name, minutes, dollars in rows:
        head = lessons.read(ROOT / "notebooks" / name).cells[0].source
        assert re.search(r"Time:\*\*\D*(\d+) minutes", head)[1] == minutes, name
        assert re.search(r"estimated ([\d.]+) USD", head)[1] == dollars, name


def test_links_lead_to_files() -> None:
    for target in re.findall(r"\]\(([^)#]+)", readme() + contributing()):
        if "://" not in target:
            assert (ROOT / target).exists(), target


WORKFLOWS = ROOT / ".github" / "workflows"
EACH_WORKFLOW = pytest.mark.parametrize(
    "workflow", sorted(WORKFLOWS.iterdir()), ids=lambda path: path.name
)


def check_workflow(path: Path) -> subprocess.CompletedProcess:
    return run(
        "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)
    )


@EACH_WORKFLOW
def test_a_workflow_has_the_form_that_github_wants(workflow: Path) -> None:
    done = check_workflow(workflow)
    assert done.returncode == 0, done.stdout


@EACH_WORKFLOW
def test_a_workflow_of_another_form_is_found(workflow: Path, tmp_path: Path) -> None:
    broken = tmp_path / workflow.name
    broken.write_text(workflow.read_text().replace("runs-on:", "runs_on:"))
    assert check_workflow(broken).returncode == 1


def test_the_workflow_covers_what_the_course_supports() -> None:
    text = (WORKFLOWS / "tests.yml").read_text()
    pythons = re.search(r"python: \[(.*)\]", text)[1]
    expected = [f'"3.{minor}"' for minor in range(OLDEST[1], NEWEST[1] + 1)]
    assert pythons.split(", ") == expected
    assert re.search(r"os: \[ubuntu-\S+, macos-\S+\]", text)
    assert ".ci/run" in text


@EACH_WORKFLOW
def test_a_workflow_may_only_read_unless_a_job_needs_more(workflow: Path) -> None:
    text = workflow.read_text()
    everywhere = re.findall(r"^permissions:\n((?:  .*\n)+)", text, re.MULTILINE)
    assert everywhere == ["  contents: read\n"]
    more = re.findall(r"^ +([\w-]+): write$", text, re.MULTILINE)
    assert more == (["pages", "id-token"] if workflow.name == "pages.yml" else [])


def test_the_site_is_published_from_main_as_make_site_makes_it() -> None:
    text = (WORKFLOWS / "pages.yml").read_text()
    assert re.findall(r"^ +run: (.*)$", text, re.MULTILINE) == [
        "make site PYTHON=python"
    ]
    assert "  push:\n    branches: [main]\n" in text
    assert "pull_request" not in text
    assert re.findall(r"^ +path: (.*)$", text, re.MULTILINE) == ["build/site"]


@EACH_WORKFLOW
def test_actions_are_pinned(workflow: Path) -> None:
    used = re.findall(r"uses: (\S+)", workflow.read_text())
    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action), action


def test_ci_runs_make_test(tmp_path: Path) -> None:
    """.ci/run passes on the exit code and ends with pytest's closing line."""
    (tmp_path / "chromium").write_text("#!/bin/sh\n")  # or it would be installed
    (tmp_path / "chromium").chmod(0o755)
    for code, line in [
        (0, "=== 3 passed in 1.20s ==="),
        (2, "=== 1 failed in 9.1s ==="),
    ]:
        fake = tmp_path / "make"
        fake.write_text(f'#!/bin/sh\necho "$CI $*"\necho "{line}"\nexit {code}\n')
        fake.chmod(0o755)
        done = subprocess.run(
            [ROOT / ".ci" / "run", "PYTHON=python"],
            env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code
        assert done.stdout.splitlines() == ["true test PYTHON=python", line, line]


def test_tools_settings_name_the_oldest_python() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'target-version = "py{OLDEST[0]}{OLDEST[1]}"' in text
