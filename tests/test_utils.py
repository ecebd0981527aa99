"""The lessons' helper: where a lesson runs, as whom, what it costs, what is left."""

import ast
import contextlib
import io
import json
import logging
import os
import re
import subprocess
import sys
import venv
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path
from unittest.mock import MagicMock

import boto3
import matplotlib.image
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from botocore.exceptions import ClientError
from botocore.validate import validate_parameters
from conftest import session_of
from IPython.core.formatters import DisplayFormatter
from IPython.core.pylabtools import print_figure
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import utils
from course import exercises, lessons
from utils import cleanup, connect, cost, plots, training

CHECKOUT = Path(__file__).resolve().parent.parent
NOTEBOOKS = [*lessons.find_lessons(), *exercises.find_sources()]
NAMES_OF_NOTEBOOKS = [f"{p.relative_to(CHECKOUT).parts[0]}-{p.stem}" for p in NOTEBOOKS]
UTILS = sorted((CHECKOUT / "utils").glob("*.py"))
ROLE = "arn:aws:iam::123456789012:role/service-role/SageMakerCourse"
# What a notebook instance gets: requirements of the lessons, and what they bring (the
# SageMaker SDK: google.protobuf, requests, scipy and tqdm).
ON_AWS = {
    "boto3",
    "botocore",
    "google",
    "matplotlib",
    "numpy",
    "pandas",
    "requests",
    "rich",
    "sagemaker",
    "scipy",
    "tqdm",
    "utils",
}


def course_of(
    session: boto3.Session | None = None, **changes: object
) -> connect.Course:
    """A course as `connect` gives it, in a Region and with a run id of the test's."""
    values = {
        "where": "local",
        "region": "us-east-1",
        "role": ROLE,
        "bucket": "sagemaker-us-east-1-123456789012",
        "prefix": "sagemaker-course/lesson01/abc123",
        "run_id": "abc123",
        "folder": Path("nowhere"),
        "lesson": "01",
        "boto_session": session,
    }
    return connect.Course(**(values | changes))


def run_connect(
    environment: dict[str, str],
    *,
    runs_on: str = "auto",
    run_id: str | None = None,
    keep: bool = False,
) -> dict:
    """Call connect in a process of its own, as a kernel does; return what it found.

    keep: do not delete the run's local folder.
    """
    program = f"""
import json, os, shutil, sys
sys.path.insert(0, {str(CHECKOUT)!r})
from utils.connect import connect
course = connect(lesson="98", runs_on={runs_on!r}, run_id={run_id!r})
files = sorted(path.name for path in course.folder.iterdir())
(course.folder / "train.csv").write_text("1,2")
if not {keep!r}:
    shutil.rmtree(course.folder)
found = dict(
    where=course.where, region=course.region, role=course.role, bucket=course.bucket,
    prefix=course.prefix, run_id=course.run_id, shown=repr(course),
    name=course.name("model"), folder=str(course.folder), files=files,
    stand_in="local_aws" in sys.modules,
    aws=sorted(name for name in os.environ if name.startswith(("AWS_", "SAGEMAKER_"))),
)
print("FOUND", json.dumps(found))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    text, _, found = done.stdout.partition("FOUND ")
    return json.loads(found) | {"printed": text}


def on_aws(stand_in, tmp_path: Path, metadata: dict | None = None) -> dict[str, str]:
    """The environment of a machine on AWS whose endpoints are the stand-in's."""
    environment = stand_in.environment
    for name in [name for name in environment if name.startswith("SAGEMAKER_")]:
        del environment[name]
    del environment["LOCAL_AWS_HOME"]  # which says that the environment is sealed
    if metadata is not None:
        file = tmp_path / "resource-metadata.json"
        file.write_text(json.dumps(metadata))
        environment["SAGEMAKER_COURSE_METADATA_FILE"] = str(file)
    return environment


# --- where a lesson runs --------------------------------------------------------------


@pytest.fixture
def no_metadata(monkeypatch, tmp_path):
    monkeypatch.setenv("SAGEMAKER_COURSE_METADATA_FILE", str(tmp_path / "none.json"))
    monkeypatch.delenv("SAGEMAKER_COURSE_RUNS_ON", raising=False)


@pytest.fixture
def metadata(monkeypatch, tmp_path):
    file = tmp_path / "resource-metadata.json"
    file.write_text('{"ResourceName": "x"}')
    monkeypatch.setenv("SAGEMAKER_COURSE_METADATA_FILE", str(file))
    monkeypatch.delenv("SAGEMAKER_COURSE_RUNS_ON", raising=False)


@pytest.mark.usefixtures("no_metadata")
def test_local_is_the_default():
    assert connect.where_to_run() == "local"


@pytest.mark.usefixtures("metadata")
def test_a_notebook_instance_means_aws():
    assert connect.where_to_run() == "AWS"


@pytest.mark.usefixtures("no_metadata")
@pytest.mark.parametrize("named", ["aws", "AWS"])
def test_aws_elsewhere_only_by_name(monkeypatch, named):
    assert connect.where_to_run(named) == "AWS"
    monkeypatch.setenv("SAGEMAKER_COURSE_RUNS_ON", named)
    assert connect.where_to_run() == "AWS"


@pytest.mark.usefixtures("metadata")
def test_local_by_name_on_a_notebook_instance(monkeypatch):
    assert connect.where_to_run("local") == "local"
    monkeypatch.setenv("SAGEMAKER_COURSE_RUNS_ON", "local")
    assert connect.where_to_run() == "local"


@pytest.mark.usefixtures("no_metadata")
def test_the_parameter_beats_the_variable(monkeypatch):
    monkeypatch.setenv("SAGEMAKER_COURSE_RUNS_ON", "aws")
    assert connect.where_to_run("local") == "local"


@pytest.mark.usefixtures("no_metadata")
@pytest.mark.parametrize("word", ["cloud", "", "true"])
def test_other_words_are_refused(word):
    with pytest.raises(ValueError, match="runs_on"):
        connect.where_to_run(word)


# --- connecting -----------------------------------------------------------------------


def test_connect_locally(stand_in, tmp_path):
    hostile = os.environ | {
        "LOCAL_AWS_HOME": str(stand_in.home),
        "SAGEMAKER_COURSE_METADATA_FILE": str(tmp_path / "none.json"),
        "AWS_PROFILE": "production",
        "AWS_ENDPOINT_URL_S3": "https://example.com",
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
    }
    found = run_connect(hostile)
    assert found["where"] == "local"
    assert found["stand_in"]
    assert found["role"] == ROLE
    assert found["region"] == "us-east-1"
    assert found["bucket"] == "sagemaker-us-east-1-123456789012"
    assert found["prefix"] == f"sagemaker-course/lesson98/{found['run_id']}"
    assert not {"AWS_PROFILE", "AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID"} & set(
        found["aws"]
    )
    assert "locally" in found["printed"]


def test_what_is_shown_of_a_course_can_be_stored(stand_in, tmp_path):
    found = run_connect(on_aws(stand_in, tmp_path), runs_on="aws")
    assert "123456789012" not in found["printed"] + found["shown"]
    # In a terminal nothing says that this machine is on AWS, so the command does.
    command = f"    python -m course cleanup {found['run_id']} --runs-on aws"
    assert command in found["printed"].splitlines()


def test_a_restarted_kernel_takes_its_run_up_again(stand_in, tmp_path):
    environment = on_aws(stand_in, tmp_path)
    first = run_connect(environment, runs_on="aws", keep=True)
    again = run_connect(environment, runs_on="aws", run_id=first["run_id"])
    assert first.pop("files") == []
    assert again.pop("files") == ["train.csv"]
    assert again == first
    other = run_connect(environment, runs_on="aws")
    assert other["name"] != first["name"]


def test_a_run_id_never_reads_like_a_word():
    drawn = [connect.new_run_id() for _ in range(2000)]
    assert all(connect.checked_run_id(run_id) for run_id in drawn)
    assert not any(map(connect.reads_like_a_word, drawn))
    for word in ("design", "week02", "202601", "2ndrun"):
        assert connect.reads_like_a_word(word)


def test_what_is_no_run_id_is_told():
    with pytest.raises(ValueError, match="is no run id"):
        connect.connect("98", run_id="../x")


def test_connect_on_a_notebook_instance(stand_in, tmp_path):
    # A role that nothing else has, so that it can come from one place only.
    iam = stand_in.client("iam")
    trust = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "sagemaker.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                }
            ],
        }
    )
    role = iam.create_role(
        RoleName="OfTheInstance", AssumeRolePolicyDocument=trust, Path="/service-role/"
    )["Role"]["Arn"]
    stand_in.client("sagemaker").create_notebook_instance(
        NotebookInstanceName="faked", InstanceType="ml.t3.medium", RoleArn=role
    )
    arn = "arn:aws:sagemaker:us-east-1:123456789012:notebook-instance/faked"
    metadata = {"ResourceArn": arn, "ResourceName": "faked"}
    found = run_connect(on_aws(stand_in, tmp_path, metadata))
    assert found["where"] == "AWS"
    assert found["role"] == role
    assert not found["stand_in"], "on AWS, the stand-in must not be imported"
    assert "us-east-1" in found["printed"]
    assert "9012" in found["printed"]
    assert "123456789012" not in found["printed"]
    command = f"    python -m course cleanup {found['run_id']}"
    assert command in found["printed"].splitlines()


def test_a_sealed_environment_never_passes_for_aws(stand_in):
    program = "from utils.connect import connect; connect('98', runs_on='aws')"
    done = stand_in.run(sys.executable, "-c", program)
    assert done.returncode != 0
    assert "start Jupyter by itself" in done.stderr
    assert "billed" not in done.stdout


@pytest.mark.parametrize("first", ["local", "aws"])
def test_a_kernel_stays_where_it_has_connected(stand_in, tmp_path, first):
    program = f"""
from utils.connect import connect
places = ["local", "aws"] if {first!r} == "local" else ["aws", "local"]
connect("98", runs_on=places[0])
connect("98", runs_on=places[0])
connect("98", runs_on=places[1])
"""
    environment = on_aws(stand_in, tmp_path)
    if first == "local":
        environment["LOCAL_AWS_HOME"] = str(stand_in.home)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode != 0
    assert "Restart the kernel" in done.stderr
    assert done.stdout.count("This lesson runs") == 2


def test_connect_in_studio(stand_in, tmp_path):
    metadata = {"DomainId": "d-x", "ResourceName": "y", "ExecutionRoleArn": f"{ROLE}2"}
    found = run_connect(on_aws(stand_in, tmp_path, metadata))
    assert found["role"] == f"{ROLE}2"


def test_connect_on_aws_by_name_uses_the_assumed_role(stand_in, tmp_path):
    found = run_connect(on_aws(stand_in, tmp_path), runs_on="aws")
    assert found["where"] == "AWS"
    assert found["role"] == ROLE


def test_a_role_can_be_named(stand_in, tmp_path):
    environment = on_aws(stand_in, tmp_path) | {"SAGEMAKER_COURSE_ROLE": f"{ROLE}3"}
    assert run_connect(environment, runs_on="aws")["role"] == f"{ROLE}3"


def test_another_region_gets_a_bucket_there(stand_in, tmp_path):
    environment = on_aws(stand_in, tmp_path) | {
        "AWS_DEFAULT_REGION": "eu-west-1",
        "SAGEMAKER_COURSE_ROLE": ROLE,
    }
    for _ in range(2):  # made, then found
        found = run_connect(environment, runs_on="aws")
        assert found["bucket"] == "sagemaker-eu-west-1-123456789012"
    place = stand_in.client("s3", "eu-west-1").get_bucket_location(
        Bucket=found["bucket"]
    )
    assert place["LocationConstraint"] == "eu-west-1"


def test_the_instance_names_the_region_if_nothing_else_does(monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "x")  # so that it is put back
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(RuntimeError, match="AWS_DEFAULT_REGION"):
        connect._take_region_from({})
    arn = "arn:aws:sagemaker:eu-central-1:123456789012:notebook-instance/n"
    connect._take_region_from({"ResourceArn": arn})
    assert os.environ["AWS_DEFAULT_REGION"] == "eu-central-1"


class OneIdentity:
    """A session whose every client knows one caller and nothing else."""

    def __init__(self, arn: str) -> None:
        self.arn = arn

    def client(self, service: str) -> "OneIdentity":
        assert service == "sts", f"{service} must not be asked"
        return self

    def get_caller_identity(self) -> dict:
        return {"Arn": self.arn}


def test_a_user_is_told_to_name_a_role():
    user = OneIdentity("arn:aws:iam::123456789012:user/somebody")
    with pytest.raises(RuntimeError, match="SAGEMAKER_COURSE_ROLE"):
        connect._execution_role(user, {})


class OneRole(OneIdentity):
    """A session of an assumed role, which IAM refuses with this code."""

    def __init__(self, code: str) -> None:
        super().__init__("arn:aws:sts::123456789012:assumed-role/Mine/me")
        self.code = code

    def client(self, service: str) -> "OneRole":
        assert service in {"sts", "iam"}
        return self

    def get_role(self, RoleName: str) -> dict:
        assert RoleName == "Mine"
        error = {"Code": self.code, "Message": "is not authorized to perform"}
        raise ClientError({"Error": error}, "GetRole")


def test_a_role_that_may_not_look_itself_up_is_told_what_to_do():
    with pytest.raises(RuntimeError, match="SAGEMAKER_COURSE_ROLE to the ARN"):
        connect._execution_role(OneRole("AccessDenied"), {})
    with pytest.raises(ClientError, match="Throttling"):
        connect._execution_role(OneRole("Throttling"), {})


# --- names ----------------------------------------------------------------------------


def test_names_fit_every_kind_of_resource():
    name = course_of().name("xgboost")
    assert name == "lesson01-abc123-xgboost"
    # The strictest: a tuning job's name (botocore sagemaker service model).
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,31}", name)


# --- the first cell -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("3.27.0", True),
        ("3.99", True),
        ("3.26.9", False),
        ("4.0.0", False),
        ("2.232.2", False),
        ("3.27.0rc1", True),
    ],
)
def test_versions_within_bounds(number, expected):
    assert utils.within(number, ">=3.27,<4") is expected


def test_versions_of_this_environment(capsys):
    utils.check_versions()
    assert "sagemaker 3." in capsys.readouterr().out


@pytest.mark.usefixtures("metadata")
def test_on_aws_a_wrong_version_is_mended_by_pip(monkeypatch):
    monkeypatch.setitem(utils.NEEDED, "boto3", ">=9.0,<10")
    monkeypatch.setitem(utils.NEEDED, "no-such-package", ">=1,<2")
    with pytest.raises(utils.WrongKernel, match="%pip install") as caught:
        utils.check_versions()
    assert "boto3 is 1." in str(caught.value)
    assert "no-such-package must be installed" in str(caught.value)
    assert "restart the kernel" in str(caught.value)
    assert "`make" not in str(caught.value)


@pytest.mark.usefixtures("metadata")
def test_on_aws_an_old_python_is_not_mended_by_pip(monkeypatch):
    monkeypatch.setattr(utils, "OLDEST_PYTHON", (99, 0))
    with pytest.raises(utils.WrongKernel, match=r"Python 99\.0 or newer") as caught:
        utils.check_versions()
    assert "Choose another kernel" in str(caught.value)
    assert "pip" not in str(caught.value)


@pytest.fixture
def another_python(monkeypatch, tmp_path):
    """A kernel that is not the course's and lacks a package; no course of its own."""
    monkeypatch.delenv("LOCAL_AWS_HOME", raising=False)
    monkeypatch.setitem(utils.NEEDED, "no-such-package", ">=1,<2")
    monkeypatch.setattr(sys, "prefix", "/somewhere/else")
    monkeypatch.setattr(utils, "VENV", tmp_path / ".venv")
    return monkeypatch


def refusal() -> str:
    with pytest.raises(utils.WrongKernel) as caught:
        utils.check_versions()
    assert "%pip" not in str(caught.value)
    (shown,) = caught.value._render_traceback_()
    assert shown == f"WrongKernel: {caught.value}"
    assert "in /somewhere/else; no-such-package must" in shown
    return shown


@pytest.mark.usefixtures("no_metadata")
def test_at_home_the_courses_own_python_is_to_be_chosen(another_python):
    first = refusal()
    assert "First make the course's own Python: `make install`" in first
    assert str(utils.VENV.parent) in first
    (utils.VENV / "bin").mkdir(parents=True)
    (utils.VENV / "bin" / "python").touch()
    said = refusal()
    assert "make install" not in said
    assert "Select Kernel > Python Environments > .venv" in said
    assert "`make lab`" in said
    another_python.setenv("LOCAL_AWS_HOME", "/x")
    assert "Kernel > Change Kernel > Python 3 (ipykernel)" in refusal()


@pytest.mark.usefixtures("no_metadata")
def test_the_courses_own_python_is_completed(another_python):
    another_python.setattr(utils, "VENV", Path("/somewhere/else"))
    assert "To complete it: `make install`" in refusal()


@pytest.mark.usefixtures("no_metadata")
def test_a_python_without_the_stand_ins_packages_is_refused(monkeypatch):
    monkeypatch.setattr(utils, "OF_THE_STAND_IN", ("json", "no_such_package"))
    with pytest.raises(utils.WrongKernel, match="without no_such_package"):
        utils.check_versions()
    with pytest.raises(utils.WrongKernel, match="without no_such_package"):
        connect.reach("local")
    monkeypatch.setenv("SAGEMAKER_COURSE_RUNS_ON", "aws")
    utils.check_versions()


def test_what_the_stand_in_imports_is_looked_for():
    code = [path.read_text() for path in (CHECKOUT / "local_aws").rglob("*.py")]
    imported = set().union(*map(imports_of, code)) - {"local_aws", "awscrt", "torch"}
    imported -= {path.name for path in (CHECKOUT / "local_aws").rglob("toolkits/*")}
    needed, homes = brought(utils.NEEDED), packages_distributions()
    beyond = {name for name in imported if needed.isdisjoint(homes.get(name, ()))}
    assert beyond <= set(utils.OF_THE_STAND_IN)
    assert set(utils.OF_THE_STAND_IN) <= imported


def test_an_old_python_can_read_what_speaks_first():
    tree = ast.parse(Path(utils.__file__).read_text(), feature_version=(3, 7))
    for node in ast.walk(tree):
        for part in ("annotation", "returns"):
            # list[str] was no type before Python 3.9.
            assert not isinstance(getattr(node, part, None), ast.Subscript | ast.BinOp)
        if isinstance(node, ast.Import | ast.ImportFrom):
            # There was no importlib.metadata before Python 3.8.
            assert "metadata" not in ast.unparse(node) or node.col_offset > 0


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES_OF_NOTEBOOKS)
def test_a_bare_python_is_told_in_one_sentence(tmp_path, path):
    bare = tmp_path / "bare"
    venv.create(bare, with_pip=False, symlinks=True)
    code = lessons.read(path).cells
    first = next(cell.source for cell in code if cell.cell_type == "code")
    done = subprocess.run(
        [bare / "bin" / "python", "-c", first],
        cwd=CHECKOUT / "notebooks",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    error = done.stderr.partition("WrongKernel: ")[2]
    assert re.match(
        r"this kernel is Python \d\.\d+\.\d+ in \S*bare; sagemaker, ", error
    )
    assert len(error.splitlines()) == 2


def test_the_bounds_are_those_of_the_requirements():
    requirements = (CHECKOUT / "requirements.txt").read_text().splitlines()
    for package, bounds in utils.NEEDED.items():
        assert f"{package}{bounds}" in requirements


def imports_of(source: str) -> set[str]:
    """The packages that a program imports, but for the standard library's."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module)
    return {name.split(".")[0] for name in names} - sys.stdlib_module_names


def code_of(path: Path) -> str:
    """A notebook's code, without the lines that are for the shell or for IPython."""
    cells = [c for c in lessons.read(path).cells if c.cell_type == "code"]
    lines = [line for cell in cells for line in cell.source.splitlines()]
    return "\n".join(
        f"{' ' * (len(line) - len(line.lstrip()))}pass" if is_magic(line) else line
        for line in lines
    )


def is_magic(line: str) -> bool:
    return line.lstrip().startswith(("!", "%"))


def brought(distributions: Iterable[str]) -> set[str]:
    """These distributions and all that they bring with them, without extras."""
    found, todo = set(), list(distributions)
    while todo:
        name = canonicalize_name(todo.pop())
        if name in found:
            continue
        found.add(name)
        with contextlib.suppress(PackageNotFoundError):  # for another system
            for requirement in map(Requirement, requires(name) or ()):
                if not requirement.marker or requirement.marker.evaluate({"extra": ""}):
                    todo.append(requirement.name)
    return found


# sagemaker-train asks for mlflow, which asks for scikit-learn; this environment is made
# without mlflow (pyproject.toml).
BY_MLFLOW = {"scikit-learn"}
# What lessons bring themselves: the function of lesson 11, the scripts of lesson 12.
OWN_MODULES = {
    path.stem
    for folder in ("webapp", "notebooks/scripts")
    for path in (CHECKOUT / folder).rglob("*.py")
}


def not_brought(source: str) -> set[str]:
    """What a lesson's code imports and the %pip cell of lesson 00 does not bring."""
    needed = brought(utils.NEEDED) | BY_MLFLOW
    distributions = packages_distributions()
    # IPython is the kernel itself, the others the course's own.
    others = imports_of(source) - {"IPython", "utils"} - OWN_MODULES
    return {p for p in others if needed.isdisjoint(distributions.get(p, ()))}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES_OF_NOTEBOOKS)
def test_on_aws_a_notebook_has_all_that_it_imports(path):
    assert not_brought(code_of(path)) == set()


def test_what_a_notebook_would_lack_on_aws_is_found():
    source = "import nbformat.v4\nfrom scipy import stats\nimport json, moto, boto3"
    assert not_brought(source) == {"nbformat", "moto"}


def test_utils_needs_nothing_that_aws_does_not_have():
    for path in UTILS:
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module]
            for name in names:
                package = name.split(".")[0]
                if package == "local_aws":
                    # Inside a function: only when the lesson runs locally.
                    assert path.name == "connect.py"
                    assert node.col_offset > 0
                else:
                    assert package in ON_AWS | sys.stdlib_module_names, path.name


# --- job logs -------------------------------------------------------------------------


def test_job_logs_are_plain_lines(capsys):
    connect.show_job_logs(every=10)
    log = logging.getLogger("sagemaker.core.resources")
    stream = "lesson01-abc123-xgboost/algo-1-1700000000"
    log.info("Creating training_job resource.")
    log.info(f"{stream}:\nTrain matrix has 227 rows and 12 columns")
    log.info(f"{stream}:\ncreating symlink between Path a and destination b")
    log.info(f"{stream}:\nCALLBACK_SKIPPING save_model_on_termination=false")
    for number in range(25):
        log.info(f"{stream}:\n[{number}]#011train-rmse:1.00000")
    log.info("Final Resource Status: [bold]Completed")
    assert capsys.readouterr().out.splitlines() == [
        "Train matrix has 227 rows and 12 columns",
        "[0]#011train-rmse:1.00000",
        "[10]#011train-rmse:1.00000",
        "[20]#011train-rmse:1.00000",
        "Final Resource Status: Completed",
    ]


def test_job_logs_are_shown_once_if_asked_twice(capsys):
    connect.show_job_logs()
    connect.show_job_logs()
    logging.getLogger("sagemaker.core.resources").info("job/algo-1:\nhello")
    assert capsys.readouterr().out == "hello\n"


# --- cost -----------------------------------------------------------------------------


def test_every_price_has_a_source_and_a_date():
    prices = cost.load_prices()
    assert len({(price.type, price.component) for price in prices}) == len(prices)
    for price in [*prices, cost.load_spot_saving()]:
        assert price.source
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", price.read_on)
    assert all(price.usd_per_hour > 0 for price in prices)
    assert 0 < cost.load_spot_saving().saving < 1


def test_the_price_table_has_a_header_and_a_line_for_each_price(capsys):
    cost.show_prices()
    header, *rows, source = capsys.readouterr().out.splitlines()
    names = ["instance type", "used for", "USD per hour", "read on"]
    assert re.split(r"\s{2,}", header) == names
    found = [re.split(r"\s{2,}", row) for row in rows]
    wanted = [
        [
            price.type,
            cost.USED_FOR[price.component],
            f"{price.usd_per_hour:.3f}",
            price.read_on,
        ]
        for price in cost.load_prices()
    ]
    assert found == wanted
    assert len({len(line) for line in (header, *rows)}) == 1, "a ragged table"
    assert source == "(us-east-1; check the AWS price page)"


def test_cost_is_seconds_times_price_rounded_up(capsys):
    xlarge = cost.price_of("ml.m5.xlarge", "training").usd_per_hour
    used = [("ml.m5.xlarge", "training", 3600), ("ml.m5.xlarge", "training", 1)]
    cost.show_cost(used)
    printed = capsys.readouterr().out
    assert f"{xlarge + 0.01:.2f} USD" in printed
    assert "check the AWS price page" in printed


def test_storage_costs_by_its_size():
    assert cost.storage_usd_per_day("objects", 0) == 0
    month = 30 * cost.storage_usd_per_day("objects", 10 * 2**30)
    assert month == pytest.approx(10 * 0.023)
    assert cost.storage_usd_per_day("logs", 2**30) < month


def test_an_unknown_price_is_no_price(capsys):
    with pytest.raises(LookupError, match=r"ml\.none"):
        cost.price_of("ml.none", "training")
    cost.show_cost([("ml.none", "training", 5)])
    printed = capsys.readouterr().out
    assert "ml.none" in printed
    assert "USD" not in printed


# --- plots ----------------------------------------------------------------------------


def drawn(figure: Figure) -> np.ndarray:
    """The figure's pixels, as a notebook shows them: height x width x 4."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    file.seek(0)
    return matplotlib.image.imread(file)


TESTS = pd.DataFrame({"difference": [-1, -0.5], "low": [-1.5, -1], "high": [-0.4, 0]})
FIGURES = {
    "predicted": lambda: plots.predicted_against_actual([5, 20, 50], [6, 18, 44], 3.8),
    "rounds": lambda: plots.error_by_round([8, 4, 2, 1], [9, 6, 5.5, 5], 3),
    "target": lambda: plots.target_values([5, 20, 21, 48.8, 50, 50, 50]),
    "latency": lambda: plots.latency({1: [4, 5, 9], 50: [5, 6, 7]}),
    "calls": lambda: plots.calls_and_bytes([1, 50, 167], [167, 4, 1], [0.1, 3, 9]),
    "errors": lambda: plots.errors_by_price(
        [10, 30, 50], pd.DataFrame({"old": [1, -2, -20], "new": [2, 0, -4]}), cap=50
    ),
    "shares": lambda: plots.shares_over_calls(
        {"75/25": [*"aaab" * 5], "updated": [*"b" * 25]}, per=10
    ),
    "customers": lambda: plots.interval_by_customers(
        {"half": pd.Series([2, 1, 0.5], [100, 400, 1600])}, {"half": 900}, matters=0.5
    ),
    "reassigned": lambda: plots.reassignments(
        {"half": TESTS, "10 %": 1.5 * TESTS}, difference=-0.8, yours=-0.6
    ),
    "intervals": lambda: plots.intervals({"live": (-1, -1.6, -0.2)}, matters=0.5),
    "variants": lambda: plots.latency_of_variants(
        {"A": [1, 2, 9], "B": [2, 3, 4]}, {"A": 1, "B": 2}
    ),
    "replies": lambda: plots.reply_times(
        pd.DataFrame(
            {"average (ms)": [18.2, 11.5], "slowest (ms)": [28.2, 136.0]},
            index=["old", "new"],
        )
    ),
    "confusion": lambda: plots.confusion_matrix(
        pd.Series([1, 1, 0, 0, 0], index=[5, 3, 9, 1, 0]), [1, 0, 1, 0, 0], "Called: 2"
    ),
    "profit": lambda: plots.profit_over_threshold(
        pd.Series([-40.0, 35.0, 0.0], index=[0.01, 0.5, 0.99]), {"chosen": 0.5}
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_not_blank_and_always_the_same(name):
    first, second = drawn(FIGURES[name]()), drawn(FIGURES[name]())
    assert len(np.unique(first.reshape(-1, 4), axis=0)) > 10
    assert (first == second).all()


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_the_same_in_a_dark_theme(name):
    light = drawn(FIGURES[name]())
    assert (light[[0, 0, -1, -1], [0, -1, 0, -1]] == 1).all()
    with plt.style.context("dark_background"):
        assert (drawn(FIGURES[name]()) == light).all()


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_of_a_figure_is_below_ten_pixels_on_a_phone(name):
    figure = FIGURES[name]()
    drawn(figure)
    width, phone = figure.get_figwidth() * 72, 380
    texts = [text for text in figure.findobj(Text) if text.get_text()]
    assert len(texts) > 4
    assert min(text.get_fontsize() for text in texts) * phone / width >= 10


def shown(figure: Figure) -> tuple[dict, dict]:
    """What a notebook stores of a figure, and what it says of it."""
    formatter = DisplayFormatter()
    # As matplotlib's inline backend does it.
    formatter.formatters["image/png"].for_type(
        Figure, lambda drawing: print_figure(drawing, base64=True)
    )
    return formatter.format(figure)


@pytest.mark.parametrize("name", FIGURES)
def test_a_notebook_stores_what_a_figure_shows(name):
    data, described = shown(FIGURES[name]())
    alt = described["image/png"]["alt"]
    assert len(data["image/png"]) > 5000
    assert data["text/plain"] == alt
    assert len(alt.split()) >= 12


def test_of_a_plain_figure_a_notebook_stores_no_text():
    _, described = shown(Figure())
    assert described == {}


# The numbers are those of FIGURES.
WHAT_FIGURES_SAY = {
    "predicted": ["3 tracts", "2.0 thousand dollars or less"],
    "rounds": [
        "8.00 and 1.00 on the train",
        "9.00 and 5.00 on the",
        "saved the model of round 2",
    ],
    "target": ["of 7 tracts", "between 20 and 50", "the 3 tracts at 50"],
    "latency": ["of 1 and 50 rows"],
    "calls": ["from 1 to 167", "from 167 to 1", "from 0.1 to 9.0 kB"],
    "errors": ["7.67 for old and 2.00 for new", "the cap at 50"],
    "shares": ["75/25 (a and b), updated (b)"],
    "customers": ["0.50 USD", "900 customers for half"],
    "reassigned": ["2 tests", "-0.80 USD", "50 % at half and 50 % at 10 %", "-0.60"],
    "intervals": ["-1.00 (-1.60 to -0.20) for live", "0.50 USD"],
    "variants": ["A and B", "99th percentile"],
    "replies": ["of old and new"],
    "confusion": [
        "where the customer buys, 1 of 2 are called (50.0%)",
        "where the customer doesn't buy, 1 of 3 are called (33.3%)",
    ],
    "profit": [
        "-40 USD at 0.01",
        "the most, 35, at 0.5",
        "0 at 0.99; lines mark 0.5 (chosen)",
    ],
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_says_its_numbers(name):
    alt = FIGURES[name]().alt
    assert [part for part in WHAT_FIGURES_SAY[name] if part not in alt] == []


@pytest.mark.parametrize("name", ["predicted", "rounds"])
def test_axes_are_labelled_with_units(name):
    (axes,) = FIGURES[name]().axes
    assert "thousand dollars" in axes.get_ylabel()
    assert axes.get_xlabel()
    assert axes.get_title()


def test_no_group_of_calls_lies_across_a_change():
    (axes,) = FIGURES["shares"]().axes
    drawn_lines = [line for line in axes.get_lines() if line.get_marker() == "."]
    points = [tuple(map(list, line.get_data())) for line in drawn_lines]
    assert points == [
        ([5, 15], [80, 70]),
        ([5, 15], [20, 30]),
        ([25, 35], [0, 0]),
        ([25, 35], [100, 100]),
    ]


def test_a_model_has_one_colour_in_all_figures():
    (shares,) = FIGURES["shares"]().axes
    of_shares = [line.get_color() for line in shares.get_lines()[:2]]
    panels = FIGURES["errors"]().axes
    of_errors = [to_hex(panel.collections[0].get_facecolor()[0]) for panel in panels]
    (replies,) = FIGURES["replies"]().axes
    of_replies = [to_hex(bar.get_facecolor()) for bar in replies.patches]
    assert of_shares == [color.upper() for color in of_errors]
    assert of_replies == [of_errors[0]] * 2 + [of_errors[1]] * 2


def test_the_saved_round_is_the_best_of_those_before_the_stop():
    (axes,) = FIGURES["rounds"]().axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels[2:] == [
        "early stopping: ended after 3 rounds",
        "early stopping: saved the model of round 2",
    ]
    marks = {line.get_label(): list(line.get_xdata()) for line in axes.lines}
    assert set(marks[labels[2]]) == {2}
    assert marks[labels[3]] == [2]


def test_the_target_at_the_cap_is_counted_apart():
    (axes,) = FIGURES["target"]().axes
    assert [text.get_text() for text in axes.texts] == ["3 tracts at 50:\n50 or more"]
    bars = {bar.get_x(): bar.get_height() for bar in axes.patches if bar.get_height()}
    assert bars == {4: 1, 20: 2, 48: 1, 50: 3}


# --- clean-up -------------------------------------------------------------------------


@pytest.fixture
def lived_in(stand_in, tmp_path):
    """A course with an object, a local file, a notebook instance, and a neighbour."""
    session = session_of(stand_in)
    folder = tmp_path / "lesson97-run097"
    folder.mkdir()
    (folder / "train.csv").write_text("1,2\n")
    course = course_of(
        session,
        folder=folder,
        run_id="run097",
        prefix="sagemaker-course/lesson97/run097",
    )
    s3 = session.client("s3")
    s3.create_bucket(Bucket=course.bucket)
    s3.put_object(Bucket=course.bucket, Key=f"{course.prefix}/a.csv", Body=b"1")
    s3.put_object(Bucket=course.bucket, Key=f"{course.prefix}x/b.csv", Body=b"1")
    s3.create_bucket(Bucket=course.name("sagemaker"))
    session.client("sagemaker").create_notebook_instance(
        NotebookInstanceName=course.name("book"),
        InstanceType="ml.t3.medium",
        RoleArn=ROLE,
    )
    return course


def test_left_over_finds_what_is_there_and_delete_files_only_its_own(lived_in, capsys):
    course = lived_in
    assert cleanup.left_over(course) == [
        f"notebook instance: {course.name('book')}",
        f"object in S3: {course.prefix}/a.csv",
        f"bucket: {course.name('sagemaker')}",
        "local folder: lesson97-run097",
    ]
    course.boto_session.client("s3").delete_bucket(Bucket=course.name("sagemaker"))
    cleanup.delete_files(course)
    printed = capsys.readouterr().out
    assert printed == "Deleted: 1 objects in S3, 1 files on this machine.\n"
    assert cleanup.left_over(course) == [f"notebook instance: {course.name('book')}"]

    sagemaker = course.boto_session.client("sagemaker")
    sagemaker.stop_notebook_instance(NotebookInstanceName=course.name("book"))
    sagemaker.delete_notebook_instance(NotebookInstanceName=course.name("book"))
    assert cleanup.left_over(course) == []
    # The neighbour's prefix begins alike; it must be untouched.
    neighbour = f"{course.prefix}x/b.csv"
    course.boto_session.client("s3").head_object(Bucket=course.bucket, Key=neighbour)


def test_a_running_job_is_left_over_and_an_ended_one_is_not(lived_in):
    """Every list that left_over asks for is asked by run id."""
    asked = []

    class Listing:
        def get_paginator(self, operation: str) -> "Listing":
            self.operation = operation
            return self

        def paginate(self, **conditions: str) -> list[dict]:
            asked.append((self.operation, conditions))
            page = {kind.list_key: [] for kind in cleanup.KINDS}
            if self.operation == "list_training_jobs":
                page["TrainingJobSummaries"] = [
                    {
                        "TrainingJobName": f"lesson01-zzz999-{status}",
                        "TrainingJobStatus": status,
                    }
                    for status in ("InProgress", "Stopping", "Completed", "Failed")
                ]
            return [page]

    class Session:
        def client(self, service: str) -> object:
            real = lived_in.boto_session.client(service)
            return Listing() if service == "sagemaker" else real

    course = course_of(Session(), run_id="zzz999", prefix="none")
    assert cleanup.left_over(course) == [
        "training job: lesson01-zzz999-InProgress",
        "training job: lesson01-zzz999-Stopping",
    ]
    assert all(conditions == {"NameContains": "zzz999"} for _, conditions in asked)
    assert len(asked) == len(cleanup.KINDS)


@pytest.mark.parametrize("data", ["boston", "bank_marketing"])
def test_training_helpers_send_valid_requests_with_their_settings(data: str):
    """That the models are those of 01 and 08, tests/test_lesson_texts.py shows."""
    session = MagicMock()
    sm = session.client.return_value
    described = {"ModelArtifacts": {"S3ModelArtifacts": "s3://b/model.tar.gz"}}
    sm.describe_training_job.return_value = described
    uris = {"train": "s3://b/train", "validation": "s3://b/validation", "test": "s3://"}
    train = getattr(training, f"train_{data}")
    image, artifact = train(course_of(session), uris, 3, 7, "ml.c5.large")
    request = sm.create_training_job.call_args.kwargs
    model = boto3.client("sagemaker", region_name="us-east-1").meta.service_model
    validate_parameters(request, model.operation_model("CreateTrainingJob").input_shape)
    assert request["HyperParameters"].items() >= {("seed", "3"), ("num_round", "7")}
    assert request["ResourceConfig"]["InstanceType"] == "ml.c5.large"
    channels = [channel["ChannelName"] for channel in request["InputDataConfig"]]
    assert channels == ["train", "validation"]
    assert request["AlgorithmSpecification"]["TrainingImage"] == image
    assert artifact == "s3://b/model.tar.gz"
    sm.get_waiter.return_value.wait.assert_called_once()
