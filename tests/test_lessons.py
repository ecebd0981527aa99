"""The proof gates: every lesson passes each of them, a broken notebook fails it.

How the lessons are run is in lesson_runs.py.
"""

import random
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import lesson_runs
import nbformat
import permissions
import pytest
from bank_data import why_not_real
from boston import IMAGE
from conftest import StandIn
from leftovers import LISTS, snapshot
from lesson_fixture import printed, small_notebook, write
from lesson_runs import (
    LESSONS,
    NAME_OF_A_COPY,
    OTHER_PARAMETERS,
    Run,
    Runs,
    copy_of_the_course,
    delete_notebook_instance,
    no_way_out,
    run_cut_off,
    run_in_aws_mode,
    run_notebook,
    why_not_compared,
)
from nbformat.v4 import new_code_cell, new_markdown_cell
from running_again import REFUSED, FirstRunFails, is_told, what_is_wrong
from test_cleanup import REMOVED_HERE

from course import lessons
from course.execution import without_outputs
from course.install import ROOT
from course.linter import lint
from course.sanitize import SANITIZE_FILE, patterns, sanitize
from local_aws.installation import ROLE_ARN
from utils.bank_marketing import MADE_UP

# --- the gates ------------------------------------------------------------------------


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    with ExitStack() as homes:
        yield Runs(tmp_path_factory.mktemp("runs"), homes)


class Gates:
    """The gates of one lesson; a class for each is made below.

    A class, since `pytest -n 2 --dist loadscope` runs all tests of a class in the same
    process, which thereby can share the lesson's runs.
    """

    path: Path

    @property
    def number(self) -> str:
        return lessons.lesson_number(self.path)

    def test_its_form_is_that_of_a_lesson(self) -> None:
        assert [str(problem) for problem in lint(self.path, LESSONS)] == []

    def test_a_run_prints_what_is_stored(self, runs: Runs) -> None:
        if reason := why_not_compared(self.path):
            pytest.skip(reason)
        run = runs.first(self.path.name)
        assert run.error is None, run.error

    def test_it_runs_twice_on_the_same_stand_in(self, runs: Runs) -> None:
        first, second = runs.first(self.path.name), runs.second(self.path.name)
        assert first.error is None, first.error
        assert second.error is None, second.error

    def test_it_runs_in_aws_mode(self, runs: Runs) -> None:
        run = runs.second(self.path.name)
        assert run.error is None, run.error
        assert what_is_wrong_in_aws_mode(run.notebook) == ""

    def test_it_runs_with_other_parameters(self, runs: Runs) -> None:
        before = parameters_cell(lessons.read(self.path)).source
        run = runs.second(self.path.name)
        assert run.error is None, run.error
        injected = next(
            cell.source
            for cell in run.notebook.cells
            if "injected-parameters" in cell.metadata.get("tags", [])
        )
        for name, value in OTHER_PARAMETERS[self.number].items():
            assert str(value) in re.search(rf"^{name} = (.*)$", injected, re.M)[1]
            assert str(value) not in re.search(rf"^{name} = (.*)$", before, re.M)[1]

    def test_it_needs_no_way_out(self, runs: Runs) -> None:
        run = runs.first(self.path.name)
        assert run.error is None, run.error
        if not no_way_out():
            pytest.skip("no network namespaces here: only a dead proxy was in the way")
        assert not run.outside

    def test_what_it_calls_is_allowed_on_aws(self, runs: Runs) -> None:
        run = runs.second(self.path.name)
        assert run.error is None, run.error
        assert "sts:GetCallerIdentity" in called(run)
        assert permissions.not_allowed(run.calls, self.number) == []
        assert needed_by(self.number) <= called(run)
        own = {action for action, _ in actions_of_the_policy_of(self.number)}
        assert own - called(run) <= FOR_OTHERS

    def test_a_run_that_is_broken_off_anywhere_is_cleaned_up(self, runs: Runs) -> None:
        """By `course cleanup`: it finds all, and knows how to remove it.

        After each cell it would find whatever there is, seen from outside. What is
        made within a cell has a name or a key by which it is found. And
        tests/test_cleanup.py removes resources in each of these statuses.
        """
        run = runs.second(self.path.name)
        assert run.error is None, run.error
        assert run.missed == []
        assert permissions.not_of_the_run(run.calls, run.run_id) == []
        assert run.states <= REMOVED_HERE

    def test_its_cells_can_be_run_again(self, runs: Runs) -> None:
        run = runs.again(self.path.name)
        assert run.error is None, run.error
        assert run.stumbles == []
        # The cell with `connect` has made two folders, and the lesson deletes one.
        folder = re.compile(r"file: notebooks/scratch/lesson\w{1,2}-\w{6}")
        assert [item for item in run.left if not folder.fullmatch(item)] == []

    def test_it_leaves_nothing(self, runs: Runs) -> None:
        for make in (runs.first, runs.second):
            run = make(self.path.name)
            assert run.error is None, run.error
            assert run.left == []


for _path in LESSONS:
    _name = f"TestLesson{lessons.lesson_number(_path)}"
    globals()[_name] = type(_name, (Gates,), {"path": _path})


def test_there_are_lessons() -> None:
    numbers = {lessons.lesson_number(path) for path in LESSONS}
    assert len(numbers) == len(LESSONS), "two lessons of one number"
    assert {"00", "01", "02"} <= numbers
    assert set(OTHER_PARAMETERS) == numbers


# The course's own policy: for each action the lessons that surely need it.
NEEDED_BY = {
    "iam:GetRole": {"01"},
    "iam:SimulatePrincipalPolicy": {"01"},
    "logs:DeleteLogGroup": {"A", "03", "04", "07", "08", "10", "11", "12", "13"},
    "s3:DeleteBucket": {"08", "13"},
    "s3:PutBucketPolicy": {"08"},
    "s3:PutBucketPublicAccessBlock": {"08"},
}


def needed_by(number: str) -> set[str]:
    return {action for action, lessons in NEEDED_BY.items() if number in lessons}


# What only the exercises need, of a lesson's own policy.
FOR_OTHERS = {"lambda:RemovePermission"}
# By DeleteObjects, of which the tables know one action.
FOR_OTHERS |= {"s3:DeleteObjectVersion"}


def actions_of_the_policy_of(number: str) -> list[tuple[str, str]]:
    """What the lesson's own policy allows, on which resource."""
    found = []
    for policy in permissions.policy_of(number):
        for statement in policy.document["Statement"]:
            resources = statement["Resource"]
            resources = [resources] if isinstance(resources, str) else resources
            found += [(a, r) for a in statement["Action"] for r in resources]
    return found


def test_a_lessons_own_policy_holds_what_others_do_not_allow() -> None:
    assert set(permissions.OF_A_LESSON) == {"11", "13"}
    both = [*actions_of_the_policy_of("11"), *actions_of_the_policy_of("13")]
    for name, resource in both:
        assert not resource.replace("*", "").endswith(":"), "any resource at all"
        action = permissions.Action(name, resource.replace("*", "x"))
        assert not permissions.is_allowed(action, permissions.learners_policies())


def called(run: Run) -> set[str]:
    """The names of the actions that a run called."""
    return {a.name for call in run.calls for a in permissions.actions(call)}


def test_the_courses_policy_holds_what_lessons_need_and_no_more() -> None:
    policy = permissions.course_policy()
    statements = policy.document["Statement"]
    actions = [action for one in statements for action in one["Action"]]
    assert sorted(actions) == sorted(NEEDED_BY)
    for statement in statements:
        resource = statement["Resource"].replace("*", "x")
        assert resource != "x", "any resource at all"
        for name in statement["Action"]:
            action = permissions.Action(name, resource)
            assert permissions.is_allowed(action, [policy])
            assert not permissions.is_allowed(action, [permissions.managed_policy()])


def parameters_cell(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    return next(
        cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])
    )


def what_is_wrong_in_aws_mode(notebook: nbformat.NotebookNode) -> str:
    """Say what a lesson that ran in AWS mode should have printed, or ""."""
    text = "\n".join(
        output.get("text", "")
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    )
    account_end = ROLE_ARN.split(":")[4][-4:]
    if not re.search(rf"Region us-east-1.*\s.*\b{account_end}\b", text):
        return "neither Region nor the account's last four digits are shown"
    return ""


# --- the negative controls ------------------------------------------------------------


def place(notebook: nbformat.NotebookNode, folder: Path) -> Path:
    """Write a notebook where a lesson would stand, and make a folder for its output."""
    (folder / "course" / "notebooks").mkdir(parents=True)
    (folder / "out").mkdir()
    return write(notebook, folder / "course" / "notebooks" / "01_a.ipynb")


def makes_a_model(name: str, stand_in: StandIn, bucket: str) -> str:
    """Return code that makes a model and leaves it."""
    stand_in.client("s3").put_object(Bucket=bucket, Key="model.tar.gz", Body=b"")
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{bucket}/model.tar.gz"}
    return (
        "import boto3\n\nsagemaker = boto3.client('sagemaker')\n"
        f"sagemaker.create_model(ModelName={name!r}, ExecutionRoleArn={ROLE_ARN!r},\n"
        f"                       PrimaryContainer={container!r});\n"
    )


TIME = "[2026-01-31:13:05:59:INFO]"


def stored(notebook: nbformat.NotebookNode, *texts: str) -> nbformat.NotebookNode:
    """Store counts and outputs, one text for each code cell ("" for none)."""
    for count, (cell, text) in enumerate(
        zip(notebook.cells, texts, strict=True), start=1
    ):
        cell.execution_count = count
        cell.outputs = [printed(text)] if text else []
    return notebook


def a_log(rmse: str, time: str = TIME) -> str:
    return f"{time} Train matrix has 228 rows\n[7]#011train-rmse:{rmse}\n"


def printing(text: str) -> nbformat.NotebookNode:
    return small_notebook(f"print({text!r}, end='')")


def nbval(notebook: nbformat.NotebookNode, stand_in: StandIn, folder: Path) -> Run:
    path = place(notebook, folder)
    return run_notebook(path, stand_in.environment, folder / "out", compare=True)


def bank_marketing() -> nbformat.NotebookNode:
    return small_notebook(
        "import sys\nsys.path.insert(0, '..')\n"
        "from utils.bank_marketing import load_bank_marketing\n"
        "print('source:', load_bank_marketing().attrs['source'])"
    )


def test_bank_marketing_is_compared_where_the_real_data_can_be_had(
    stand_in: StandIn, tmp_path: Path, monkeypatch
) -> None:
    """And runs with the made-up data too, of which a line tells."""
    course = copy_of_the_course(tmp_path / "course")
    assert not (course / "data" / "downloads").exists()
    path = write(bank_marketing(), course / "notebooks" / "01_a.ipynb")
    sources = {True: "synthetic", False: "synthetic" if why_not_real() else "UCI"}
    for made_up, source in sources.items():
        folder = tmp_path / f"out{made_up}"
        folder.mkdir()
        run = run_notebook(path, stand_in.environment, folder, made_up=made_up)
        text = "".join(output.text for output in run.notebook.cells[-1].outputs)
        assert text.endswith(f"source: {source}\n"), text
        assert text.startswith(MADE_UP) == (source == "synthetic")
        assert run.left == []
    monkeypatch.setattr(lesson_runs, "why_not_real", lambda: "There is none.")
    assert why_not_compared(path).endswith("real data. There is none.")
    other = write(small_notebook("1"), tmp_path / "02_b.ipynb")
    assert "data" not in why_not_compared(other)


def test_nbval_accepts_what_is_stored(stand_in: StandIn, tmp_path: Path) -> None:
    later = TIME.replace("13:05", "14:25")
    notebook = stored(printing(a_log("2.31")), "", a_log("2.31", time=later))
    run = nbval(notebook, stand_in, tmp_path)
    assert run.error is None, run.error


def test_nbval_refuses_another_metric(stand_in: StandIn, tmp_path: Path) -> None:
    notebook = stored(printing(a_log("2.31")), "", a_log("2.32"))
    run = nbval(notebook, stand_in, tmp_path)
    assert "Cell outputs differ" in run.error


def test_nbval_refuses_an_error(stand_in: StandIn, tmp_path: Path) -> None:
    notebook = stored(small_notebook("1 / 0"), "", "")
    run = nbval(notebook, stand_in, tmp_path)
    assert "ZeroDivisionError" in run.error


def test_a_stripped_lesson_is_refused_by_the_linter(tmp_path: Path) -> None:
    """In a stripped notebook nbval compares nothing."""
    notebook = without_outputs(lessons.read(LESSONS[1]))
    path = write(notebook, tmp_path / LESSONS[1].name)
    assert "L301" in {problem.code for problem in lint(path, [path])}


@pytest.mark.parametrize(
    ("source", "parameters", "error"),
    [
        ("1", {"sise": 4}, "sise: not in the parameters cell"),
        ("assert size == 3, 'written for 3'", {"size": 4}, "written for 3"),
    ],
)
def test_papermill_refuses(
    source: str, parameters: dict, error: str, stand_in: StandIn, tmp_path: Path
) -> None:
    path, folder = place(small_notebook(source), tmp_path), tmp_path / "out"
    run = run_notebook(path, stand_in.environment, folder, parameters=parameters)
    assert error in run.error


@pytest.mark.parametrize("compare", [True, False], ids=["nbval", "papermill"])
def test_a_lesson_runs_where_it_stands(
    compare: bool, stand_in: StandIn, tmp_path: Path
) -> None:
    """Wherever its runner was started."""
    source = (
        "import os\nassert os.path.samefile('../notebooks/01_a.ipynb', '01_a.ipynb')"
    )
    path, folder = place(small_notebook(source), tmp_path), tmp_path / "out"
    run = run_notebook(path, stand_in.environment, folder, compare=compare)
    assert run.error is None, run.error


def test_a_lesson_imports_the_helper_beside_it(
    stand_in: StandIn, tmp_path: Path
) -> None:
    """In a copy of the course, and not that of the checkout that Python finds too."""
    course = copy_of_the_course(tmp_path / NAME_OF_A_COPY)
    first = first_cell(lessons.read(LESSONS[0]))
    source = f"{first}\nimport utils.connect\nprint(utils.connect.COURSE_HOME)"
    path = write(small_notebook(source), course / "notebooks" / "01_a.ipynb")
    (tmp_path / "out").mkdir()
    environment = stand_in.environment | {"PYTHONPATH": str(ROOT)}
    run = run_notebook(path, environment, tmp_path / "out")
    assert run.error is None, run.error
    printed = "".join(output.text for output in run.notebook.cells[-1].outputs)
    assert printed.splitlines()[-1] == str(course)


def first_cell(notebook: nbformat.NotebookNode) -> str:
    """Return the source of the first code cell."""
    return next(cell.source for cell in notebook.cells if cell.cell_type == "code")


def test_a_lesson_that_runs_only_once_is_refused(
    stand_in: StandIn, bucket: str, tmp_path: Path
) -> None:
    notebook = small_notebook(makes_a_model("runs-once", stand_in, bucket))
    path = place(notebook, tmp_path)
    first = run_notebook(path, stand_in.environment, tmp_path / "out")
    second = run_notebook(path, stand_in.environment, tmp_path / "out")
    assert first.error is None, first.error
    stand_in.client("sagemaker").delete_model(ModelName="runs-once")
    assert "Cannot create already existing model" in second.error


def test_a_lesson_that_leaves_something_is_refused(
    stand_in: StandIn, bucket: str, tmp_path: Path
) -> None:
    source = (
        makes_a_model("left-over", stand_in, bucket)
        + "s3 = boto3.client('s3')\n"
        + "s3.create_bucket(Bucket='sagemaker-left-over')\n"
        + "s3.put_object(Bucket='sagemaker-left-over', Key='left', Body=b'1')\n"
        + "sagemaker.create_notebook_instance(NotebookInstanceName='left-over',\n"
        + f"    InstanceType='ml.t3.medium', RoleArn={ROLE_ARN!r});"
    )
    path = place(small_notebook(source), tmp_path)
    run = run_notebook(path, stand_in.environment, tmp_path / "out")
    assert run.error is None, run.error
    sagemaker, s3 = stand_in.client("sagemaker"), stand_in.client("s3")
    sagemaker.delete_model(ModelName="left-over")
    s3.delete_object(Bucket="sagemaker-left-over", Key="left")
    s3.delete_bucket(Bucket="sagemaker-left-over")
    delete_notebook_instance(sagemaker, "left-over")
    assert run.left == [
        "bucket: sagemaker-left-over",
        "model: left-over",
        "notebook instance: left-over",
        "object: left",
    ]


def test_a_running_job_is_left_over_and_a_finished_one_is_not() -> None:
    class Client:
        def get_paginator(self, operation: str):
            self.operation = operation
            return self

        def paginate(self, **conditions):
            jobs = [
                {"TrainingJobName": "runs", "TrainingJobStatus": "InProgress"},
                {"TrainingJobName": "stops", "TrainingJobStatus": "Stopping"},
                {"TrainingJobName": "is-done", "TrainingJobStatus": "Completed"},
            ]
            every = {key: [] for _, key, _ in LISTS}
            every |= {"Items": [], "Functions": [], "logGroups": []}
            if self.operation == "list_training_jobs":
                every["TrainingJobSummaries"] = jobs
            return [every]

        def list_buckets(self):
            return {"Buckets": []}

        def list_roles(self):
            return {"Roles": []}

    client = Client()
    assert snapshot(lambda service: client) == {
        "training job: runs",
        "training job: stops",
    }


def counted(name: str) -> str:
    """Return code that counts how often it has run."""
    return f"{name} = 1 + globals().get({name!r}, 0)\n"


def refused_later(name: str) -> str:
    """Return code that AWS refuses from the second time on."""
    call = "boto3.client('s3').list_objects_v2(Bucket='sagemaker-not-there')"
    return f"import boto3\n{counted(name)}if {name} > 1:\n    {call}"


OTHER = "other outputs, and no text says so"


@pytest.fixture
def sealed(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in stand_in.environment.items():
        monkeypatch.setenv(name, value)


def steps(*rows: tuple[str, str]) -> nbformat.NotebookNode:
    """Return a notebook with a section for each text and cell."""
    notebook = small_notebook()
    for text, source in rows:
        notebook.cells.append(new_markdown_cell(f"## A step\n\n{text}"))
        notebook.cells.append(new_code_cell(source))
    return notebook


def test_a_cell_that_runs_only_once_is_refused_unless_that_is_told(
    sealed: None, tmp_path: Path
) -> None:
    # The text after a cell counts, too: hence the cells in between.
    between = ("", "pass", "")
    once = [
        ("", "table = 'ab'", ""),
        ("", "table = table.replace('b', '') if 'b' in table else 1 / 0", "ZeroDivi"),
        ("", "names = ['a']", ""),
        ("", "names.append('b')\nprint(names)", OTHER),
        ("Do it again.", "names.append('b')\nprint(names)", OTHER),
        between,
        ("Run it again: b is twice there.", "names.append('b')\nprint(names)", ""),
        ("", "names.append('b')\nprint('run again' if names[8:] else 5)", ""),
        ("", f"{counted('n')}print(n > 2)", "when its section is run again"),
        ("", refused_later("a"), "is refused, and no text says so"),
        ("Again: refused.", refused_later("b"), "is refused, and no"),
        between,
        ("Again: `NoSuchBucket`.", refused_later("c"), ""),
        ("", refused_later("d"), ""),
    ]
    notebook = steps(*[(text, source) for text, source, _ in once])
    stumbles = what_is_wrong(notebook, str(tmp_path))
    wanted = {2 * place + 3: told for place, (_, _, told) in enumerate(once) if told}
    assert len(stumbles) == len(wanted)
    for said, (cell, told) in zip(stumbles, wanted.items(), strict=True):
        assert said.startswith(f"cell {cell} ")
        assert told in said


def test_what_fails_at_once_is_no_matter_of_running_it_again(
    sealed: None, tmp_path: Path
) -> None:
    with pytest.raises(FirstRunFails, match="ZeroDivisionError"):
        what_is_wrong(small_notebook("1 / 0"), str(tmp_path))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Twice: `ValidationException`, *Could not\nfind model*, again.", True),
        ("The second time you get `ValidationException`: *Could not find*.", True),
        ("Again, a `ValidationException`.", False),
        ("You get `ValidationException`: *Could not find model*.", False),
        ("Again: `ValidationException`.\n\nTwice: *Could not find model*.", False),
        ("Again: ValidationException, *Could not find model*.", False),
    ],
)
def test_what_tells_of_a_refusal(text: str, told: bool) -> None:
    error = REFUSED.search(
        "ClientError: An error occurred (ValidationException) when calling the "
        'DeleteModel operation: Could not find model "a".'
    )
    assert is_told(error, [text]) == told


def test_local_files_are_left_over(stand_in: StandIn, tmp_path: Path) -> None:
    source = (
        "import pathlib\n"
        "pathlib.Path('scratch/lesson01-abc').mkdir(parents=True)\n"
        "pathlib.Path('../data.csv').write_text('1')\n"
        "open('left.csv', 'w').close()"
    )
    path = place(small_notebook(source), tmp_path)
    run = run_notebook(path, stand_in.environment, tmp_path / "out")
    assert run.error is None, run.error
    assert run.left == [
        "file: data.csv",
        "file: notebooks/left.csv",
        "file: notebooks/scratch/lesson01-abc",
    ]


@pytest.fixture
def listener() -> Iterator[int]:
    """A port of this machine, which is outside for a network namespace."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_lesson_that_goes_out_is_refused(listener: int, tmp_path: Path) -> None:
    if not no_way_out():
        pytest.skip("no network namespaces here")
    source = f"import socket\nsocket.create_connection(('127.0.0.1', {listener}), 5)"
    exec(source, {})  # without the namespace it gets through
    path = place(small_notebook(source), tmp_path)
    run = run_cut_off(path, tmp_path / "out", compare=True)
    assert "ConnectionRefusedError" in run.error


def test_a_lesson_that_downloads_is_refused(tmp_path: Path) -> None:
    source = "import urllib.request as r\nr.urlopen('http://192.0.2.1/data.csv')"
    path = place(small_notebook(source), tmp_path)
    error = run_cut_off(path, tmp_path / "out", compare=True).error
    assert "Connection refused" in error  # of the proxy, where nobody listens


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("connect('01')", ""),
        ("connect('01', 'local')", "neither Region nor the account's last four"),
        ("connect('01', 'local')\nprint('Region us-east-1')", "neither Region nor the"),
    ],
)
def test_aws_mode_refuses(
    source: str, reason: str, stand_in: StandIn, tmp_path: Path
) -> None:
    course = copy_of_the_course(tmp_path / "copy")
    lines = ["import sys", f"sys.path.insert(0, {str(course)!r})"]
    lines += ["import shutil", "from utils.connect import connect", f"c = {source}"]
    lines += ["if c: shutil.rmtree(c.folder)"]
    path = write(small_notebook("\n".join(lines)), tmp_path / "01_a.ipynb")
    (tmp_path / "out").mkdir()
    run = run_in_aws_mode(path, stand_in, tmp_path / "out")
    assert run.error is None, run.error
    assert reason in what_is_wrong_in_aws_mode(run.notebook)
    assert bool(reason) == bool(what_is_wrong_in_aws_mode(run.notebook))


def test_calls_of_boto3_the_sdk_and_the_cli_are_noted_and_judged(
    stand_in: StandIn, bucket: str, tmp_path: Path
) -> None:
    """And what is made under a name that a clean-up would not find is told."""
    course = copy_of_the_course(tmp_path / "course")
    cells = [
        "import sys\nsys.path.insert(0, '..')\n"
        "from utils.connect import connect\ncourse = connect('01')",
        "logs = course.boto_session.client('logs')\n"
        "group = '/aws/sagemaker/Endpoints/mine'\n"
        "try:\n    logs.filter_log_events(logGroupName=group)\n"
        "except logs.exceptions.ResourceNotFoundException:\n    pass",
        "from sagemaker.core.resources import Model\n"
        "list(Model.get_all(session=course.boto_session));",
        "!aws s3api get-bucket-location --bucket sagemaker-us-east-1-123456789012",
        makes_a_model("stray", stand_in, bucket),
        "1",
        "open('stray.csv', 'w').close()",
        "import os\nos.remove('stray.csv')",
        "s3 = course.boto_session.client('s3')\n"
        "url = s3.generate_presigned_url('get_object', {'Bucket': 'b', 'Key': 'k'})",
        "import shutil\nshutil.rmtree(course.folder)",
    ]
    path = write(small_notebook(*cells), course / "notebooks" / "01_a.ipynb")
    (tmp_path / "out").mkdir()
    run = run_in_aws_mode(path, stand_in, tmp_path / "out")
    stand_in.client("sagemaker").delete_model(ModelName="stray")
    assert run.error is None, run.error
    assert called(run) >= {
        "sagemaker:DescribeNotebookInstance",  # connect
        "logs:FilterLogEvents",
        "sagemaker:ListModels",
        "s3:GetBucketLocation",
        "iam:PassRole",
        "s3:GetObject",
    }
    arn = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/mine"
    # A bucket must have "sagemaker" in its name.
    assert permissions.not_allowed(run.calls) == [
        f"logs:FilterLogEvents on {arn}:log-stream:",
        "s3:GetObject on arn:aws:s3:::b/k",
    ]
    stray = [item.partition(": ")[2] for item in run.missed]
    assert "model: stray" in stray
    assert "file: notebooks/stray.csv" in stray
    assert permissions.not_of_the_run(run.calls, run.run_id) == ["CreateModel: stray"]


@pytest.mark.parametrize("number", ["04"])
def test_a_lesson_that_was_killed_is_cleaned_up(
    number: str, stand_in: StandIn, tmp_path: Path
) -> None:
    """The real thing, once: killed while the endpoint is being created."""
    course = copy_of_the_course(tmp_path / NAME_OF_A_COPY)
    (path,) = (course / "notebooks").glob(f"{number}_*.ipynb")
    notebook = lessons.read(path)
    sources = [cell.source for cell in notebook.cells]
    creates = next(i for i, code in enumerate(sources) if ".create_endpoint(" in code)
    kill = new_code_cell("import os\nos.kill(os.getpid(), 9)")
    notebook.cells = [*notebook.cells[: creates + 1], kill]
    write(notebook, path)
    (tmp_path / "out").mkdir()
    parameters = OTHER_PARAMETERS[number]
    run = run_in_aws_mode(path, stand_in, tmp_path / "out", parameters)
    assert "Kernel died" in run.error
    kinds = {item.partition(": ")[0] for item in run.left}
    assert {"model", "endpoint config", "endpoint", "object", "file"} <= kinds
    done = subprocess.run(
        [sys.executable, "-m", "course", "cleanup", run.run_id, "--yes"],
        env=stand_in.environment,
        cwd=course,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    after = snapshot(stand_in.client, course / "notebooks")
    assert [item for item in after if run.run_id in item] == []


# --- the sanitise file ----------------------------------------------------------------

METRIC_LINES = [
    "[{round}]#011train-rmse:{value}#011validation-rmse:{value}",
    "[{round}]\ttrain-rmse:{value}\tvalidation-rmse:{value}",
    TIME + " #quality_metric: host=algo-1, train rmse <loss>={value}",
    TIME + " validation-rmse:{value}",
    TIME + "{value}",
    "validation:rmse {value}",
    "RMSE: {value} (2026-01-31:13:05:59:INFO)",
    '{{"rmse": {value}, "time": "2026-01-31T13:05:59"}}',
    "    {value}  2026-01-31",
]


def test_at_most_seven_patterns_each_beside_something_that_is_no_metric() -> None:
    found = patterns()
    assert 1 <= len(found) <= 7
    assert len(found) == SANITIZE_FILE.read_text().count("\nregex: ")
    for pattern, replacement in found:
        # It begins with a line's start or with a lesson's number.
        assert re.match(r"\(\?m\)\^|\(?(\\b)?lesson", pattern.pattern)
        # Nothing that can match a text of any length.
        assert not re.search(r"\.[*+]|\\S|\\d[*+]|\\w[*+](?!\)\\\])", pattern.pattern)
        marks = ("<time>", "<run id>", "<address>", "Deleted: <number> ")
        assert any(mark in replacement for mark in marks)


SANITISED = {
    f"{TIME} a line": "[<time>:INFO] a line",
    f"a {TIME}": f"a {TIME}",
    "Run id: k3x9ab": "Run id: <run id>",
    "the Run id: k3x9ab": "the Run id: k3x9ab",
    "lesson01-k3x9ab-xgboost": "lesson01-<run id>-xgboost",
    "s3://b/lesson01/k3x9ab/a.csv": "s3://b/lesson01/<run id>/a.csv",
    "lesson01-k3x9ab-no-metric-20260131130559/": "lesson01-<run id>-no-metric-<time>/",
    "lesson01-k3x9ab-test-2026-01-31-13-05-59-042": "lesson01-<run id>-test-<time>",
    "lessonA-k3x9ab-xgboost-20260131130559/": "lessonA-<run id>-xgboost-<time>/",
    "scratch/lessonA-k3x9ab/old.py": "scratch/lessonA-<run id>/old.py",
    "lesson05-k3x9ab-tuning-007-1a2b3c4d": "lesson05-<run id>-tuning-007-<letters>",
    "Deleted: 27 objects in S3, 5 files on this machine.": (
        "Deleted: <number> objects in S3, 5 files on this machine."
    ),
    "lesson05-k3x9ab-tuning-007 1a2b3c4d": "lesson05-<run id>-tuning-007 1a2b3c4d",
    "lesson01-k3x9ab-2 rmse 20260131130559": "lesson01-<run id>-2 rmse 20260131130559",
    "http://127.0.0.1:40123/predict": "http://<address>/predict",
    "http://127.0.0.1:40123/b/a.html?X-Amz-Date=2026&X-Amz-Signature=1a": (
        "http://<address>"
    ),
    "at http://127.0.0.1:40123": "at http://127.0.0.1:40123",
    "    python -m course cleanup k3x9ab": "    python -m course cleanup <run id>",
}


@pytest.mark.parametrize("line", list(SANITISED))
def test_what_a_line_becomes(line: str) -> None:
    assert sanitize(line) == SANITISED[line]


def test_no_pattern_swallows_a_metric() -> None:
    """Lines that differ in a metric's value still differ when they are sanitised."""
    assert swallowed(patterns()) == []


def test_a_pattern_that_swallows_a_metric_is_found() -> None:
    for regex in (r"(?m)^\[.*$", r"(?m)^.*INFO\].*", r"\d+\.\d+", r"rmse:\S+"):
        assert swallowed([(re.compile(regex), "<time>")])


def swallowed(pairs: list[tuple[re.Pattern, str]], tries: int = 200) -> list[str]:
    """Return the lines whose values can be changed without anybody noticing."""
    draw = random.Random(7)
    found = []
    for template in METRIC_LINES:
        for _ in range(tries):
            digits = draw.choice([0, 2, 5, 12])
            value = round(draw.uniform(0, 10 ** draw.randint(0, 14)), digits)
            other = value + 10.0 ** -draw.randint(0, digits)
            if repr(value) == repr(other):
                continue
            number = draw.randint(0, 999)
            line = template.format(round=number, value=value)
            changed = template.format(round=number, value=other)
            if sanitize(f"{line}\n", pairs) == sanitize(f"{changed}\n", pairs):
                found.append(line)
    return found
