"""`python -m course migrate`: what it finds in code, and what it leaves alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course import lessons
from course.install import ROOT
from course.migration import Cell, Unreadable, find, read
from course.migration.command import error_of
from course.migration.moved import import_today


def found(source: str) -> list[str]:
    """Return what is found in a program: "line id", in order."""
    return [f"{f.line} {f.spelling.id}" for f in find([Cell(source)]).findings]


# The way of each lesson in the SDK's first version.
V1 = """\
import sagemaker
from sagemaker import get_execution_role
from sagemaker.amazon.amazon_estimator import get_image_uri
from sagemaker.predictor import csv_serializer
session = sagemaker.Session()
image = get_image_uri(session.boto_region_name, "xgboost")
xgb = sagemaker.estimator.Estimator(image, get_execution_role(),
                                    train_instance_count=1,
                                    sagemaker_session=session)
xgb.set_hyperparameters(max_depth=5)
train = sagemaker.s3_input(session.upload_data("t.csv"), content_type="csv")
xgb.fit({"train": train})
predictor = xgb.deploy(initial_instance_count=1, instance_type="ml.m4.xlarge")
predictor.content_type = "text/csv"
predictor.serializer = csv_serializer
predictor.predict(rows)
xgb.delete_endpoint()
"""
IN_V1 = """\
2 role
3 get-image-uri
4 csv-serializer
5 session
6 get-image-uri
7 role
7 estimator
8 train-instance
10 set-hyperparameters
11 s3-input
12 fit
13 deploy
14 content-type
15 csv-serializer
15 set-serializer
16 predict
17 estimator-delete-endpoint
"""


def test_a_program_of_v1() -> None:
    assert sorted(found(V1)) == sorted(IN_V1.splitlines())


ESTIMATOR = "from sagemaker.estimator import Estimator\ne = Estimator(i, r)\n"
FOUND = {
    "what v2 called the arguments": (
        "from sagemaker.sklearn import SKLearn\n"
        "e = SKLearn('a.py', instance_count=1, max_run=60, output_path=u)\n"
        "e.transformer(instance_count=1, output_path=u)",
        [
            "1 framework-classes",
            "2 framework-classes",
            "2 instance",
            "2 max-run",
            "2 output-path",
            "3 transformer-method",
        ],
    ),
    "alias of the package": ("import sagemaker as sm\nsm.Session()", ["2 session"]),
    "alias of a module": (
        "import sagemaker.amazon.common as smac\n"
        "smac.write_numpy_to_dense_tensor(f, x)",
        ["1 recordio", "2 recordio"],
    ),
    "a module from the package": (
        "from sagemaker import estimator as e\ne.Estimator().fit(x)",
        ["1 estimator", "2 estimator", "2 fit"],
    ),
    "all names of a module": (
        "from sagemaker.tuner import *\nt = HyperparameterTuner(e, m, r)\nt.fit(x)",
        ["1 tuner", "2 tuner", "3 tuner-fit"],
    ),
    "a framework": (
        "from sagemaker.pytorch import PyTorch\np = PyTorch('t.py')\np.fit(x)",
        ["1 framework-classes", "2 framework-classes", "3 fit"],
    ),
    "a method of what a method gives": (
        f"{ESTIMATOR}e.transformer(1, 'x').output_path\ne.deploy(1).predict(x)",
        ["3 transformer-method", "4 deploy", "4 predict"],
    ),
    "a class's own method": (
        f"{ESTIMATOR}a = Estimator.attach(n)\na.fit()",
        ["3 attach", "4 fit"],
    ),
    "an attribute of self": (
        "from sagemaker.pytorch import PyTorch\n"
        "class Job:\n    def __init__(self):\n        self.e = PyTorch()\n"
        "    def run(self):\n        self.e.fit(x)\n",
        ["1 framework-classes", "4 framework-classes", "6 fit"],
    ),
    "a function's result": (
        f"{ESTIMATOR}def make():\n    return Estimator(i, r)\nmake().fit(x)",
        ["4 estimator", "5 fit"],
    ),
    "a function's argument": (
        f"{ESTIMATOR}def use(p):\n    p.predict(x)\nuse(e.deploy(1))",
        ["4 predict", "5 deploy"],
    ),
    "what a function gives for its argument": (
        f"{ESTIMATOR}def put(a):\n    return a.deploy(1)\np = put(e)\np.predict(x)",
        ["4 deploy", "6 predict"],
    ),
    "an annotated argument": (
        f"{ESTIMATOR}def run(a: Estimator):\n    a.fit(x)",
        ["3 estimator", "4 fit"],
    ),
    "what a later line makes": (
        f"def use():\n    p.predict(x)\n{ESTIMATOR}p = e.deploy(1)",
        ["2 predict", "5 deploy"],
    ),
    "either way": (
        f"{ESTIMATOR}if x:\n    m = e\nelse:\n    m = None\nm.fit(x)",
        ["7 fit"],
    ),
    "a global name": (
        f"{ESTIMATOR}def make():\n    global m\n    m = e\nmake()\nm.fit(x)",
        ["7 fit"],
    ),
    "items of a list": (
        f"{ESTIMATOR}for one in [e, e]:\n    one.fit(x)",
        ["4 fit"],
    ),
    "items of a dictionary": (
        f"{ESTIMATOR}d = {{}}\nd['a'] = e\nfor k, v in d.items():\n    v.fit(x)",
        ["6 fit"],
    ),
    "an appended item": (
        f"{ESTIMATOR}d = []\nd.append(e)\n[v.fit(x) for v in d]",
        ["5 fit"],
    ),
    "a derived class": (
        f"{ESTIMATOR}class Mine(Estimator):\n    pass\nMine().fit(x)",
        ["3 estimator", "5 fit"],
    ),
    "arguments in a dictionary": (
        f"{ESTIMATOR}a = dict(train_max_run=1)\nb = {{'train_instance_type': 'x'}}",
        ["3 train-max-run", "4 train-instance"],
    ),
    "an attribute in the line where it stands": (
        f"{ESTIMATOR}(e\n .fit(x))",
        ["4 fit"],
    ),
    "local mode": (
        f"{ESTIMATOR}Estimator(instance_type='local')",
        ["3 estimator", "3 instance", "3 local-mode"],
    ),
    "local mode, if wanted": (
        f"{ESTIMATOR}Estimator(instance_type='local' if x else 'ml.m5.large')",
        ["3 estimator", "3 instance", "3 local-mode"],
    ),
    "pip by subprocess": (
        "subprocess.call([python, '-m', 'pip', 'install', 'sagemaker==1.13.0'])",
        ["1 pip"],
    ),
    "half of it in v3": (
        "from sagemaker.train import ModelTrainer\nt = ModelTrainer()\nt.fit(x)\n"
        "from sagemaker.core.helper.session_helper import Session\n"
        "Session().logs_for_job(n)",
        ["3 fit", "5 logs-for-job"],
    ),
    "several names that have moved, in one line": (
        "from sagemaker.workflow.steps import TrainingStep, ProcessingStep",
        ["1 pipelines", "1 pipelines"],
    ),
    "settings that are objects today": (
        f"{ESTIMATOR}Estimator(image_uri=i, checkpoint_s3_uri=u, metric_definitions=m)",
        ["3 estimator", "3 image-uri", "3 checkpoint", "3 metric-definitions"],
    ),
    "a module that is nowhere else in the table": (
        "from sagemaker.git_utils import git_clone_repo",
        ["1 anything-else"],
    ),
    "the name of a job": (
        f"{ESTIMATOR}from sagemaker.tuner import HyperparameterTuner as T\n"
        "t = T(e, m, r)\nt.latest_tuning_job.name\n"
        "e.transformer(1, 'x').latest_transform_job.job_name\n"
        "from sagemaker.core.transformer import Transformer\n"
        "Transformer(n).latest_transform_job.job_name",
        [
            "3 tuner",
            "4 tuner",
            "5 tuning-job-name",
            "6 transform-job-name",
            "6 transformer-method",
            "8 transform-job-name",
        ],
    ),
    "on several instances": (
        "from sagemaker.pytorch import PyTorch, PyTorchModel\n"
        "PyTorch('t.py', distributions={})\nPyTorchModel(u, distribution={})",
        [
            "1 framework-classes",
            "1 framework-models",
            "2 framework-classes",
            "2 distribution",
            "3 framework-models",
        ],
    ),
    "v2's own ModelTrainer and ModelBuilder": (
        "from sagemaker.modules.train import ModelTrainer\nt = ModelTrainer()\n"
        "t.fit(x)\nfrom sagemaker.serve.builder.model_builder import ModelBuilder\n"
        "from sagemaker.serve import SchemaBuilder",
        [
            "1 trainer-on-trial",
            "2 trainer-on-trial",
            "3 fit",
            "4 model-builder-module",
            "5 model-builder-module",
        ],
    ),
    "packages beside the SDK": (
        "import sagemaker_core.main.shapes\nfrom smexperiments.trial import Trial",
        ["1 core-package", "2 experiments-package"],
    ),
    "pip": ("get_ipython().system('pip install -U \"sagemaker>=1.71,<2\"')", ["1 pip"]),
}


@pytest.mark.parametrize("name", list(FOUND))
def test_what_is_found(name: str) -> None:
    source, expected = FOUND[name]
    lines = found(source)
    if ESTIMATOR in source:  # whose own two lines are in each of these
        start = source[: source.index(ESTIMATOR)].count("\n")
        lines.remove(f"{start + 1} estimator")
        lines.remove(f"{start + 2} estimator")
    assert lines == expected


SILENT = {
    "scikit-learn": (
        "import sagemaker\nfrom sklearn.linear_model import LinearRegression\n"
        "model = LinearRegression()\nmodel.fit(x, y)\nmodel.predict(x)\n"
        "model.transform(x)"
    ),
    "XGBoost's own estimator": (
        "from xgboost import XGBRegressor as Estimator\nEstimator().fit(x)"
    ),
    "a name that was given away": (
        "import sagemaker, boto3\nsagemaker = boto3.client('sagemaker')\n"
        "sagemaker.Session\nsagemaker.create_training_job(TrainingJobName=n)"
    ),
    "an import that hides another": (
        "from sagemaker.core.resources import Model\nModel.create(model_name=n)\n"
        "Model.get(n).delete()"
    ),
    "boto3's delete_endpoint": (
        "import boto3\nsm = boto3.client('sagemaker')\n"
        "sm.delete_endpoint(EndpointName=n)"
    ),
    "words in texts and comments": (
        "# estimator.fit, train_instance_type\n"
        'print("get_image_uri", "sagemaker.Session()")'
    ),
    "a function with a parameter of that name": (
        "import sagemaker\ndef make(train_instance_type):\n    return 1\n"
        "make(train_instance_type='x')"
    ),
    "a method of another library": "stats.record_set(1)\nlog.logs_for_job(n)",
    "a parameter hides what is outside": "def f(sagemaker):\n    sagemaker.Session()",
    "pip's newer versions": (
        "get_ipython().system('pip install sagemaker==3.27.0 sagemaker-core<2 boto3<2')"
    ),
    "the SDK's v3": (
        "from sagemaker.train import ModelTrainer\n"
        "from sagemaker.train.tuner import HyperparameterTuner\n"
        "from sagemaker.core.processing import ScriptProcessor\n"
        "from sagemaker.core.transformer import Transformer\n"
        "t = ModelTrainer(training_image=i, hyperparameters={})\nt.train()\n"
        "t.hyperparameters['max_depth'] = 5\n"
        "u = HyperparameterTuner(t, m, r)\nu.tune()\nu.transfer_learning_tuner()\n"
        "u.latest_tuning_job.hyper_parameter_tuning_job_name\n"
        "Transformer(n).transform(u)\n"
        "from sagemaker.serve import ModelBuilder\nModelBuilder(model=t).deploy()\n"
        "from sagemaker.serve.builder.schema_builder import SchemaBuilder\n"
        "from sagemaker.lineage.context import Context"
    ),
}


OF_ONE_ROW = [  # several names: each is told with its own error
    "from sagemaker.pytorch import PyTorch",
    "from sagemaker.tuner import CategoricalParameter",
    "from sagemaker import HyperparameterTuner",
    "from sagemaker.deserializers import JSONDeserializer",
    "import sagemaker.amazon.common as smac",
    "import sagemaker; sagemaker.get_execution_role()",
    "import sagemaker; sagemaker.sklearn.SKLearn",
    "from sagemaker.serve import SchemaBuilder",
]


@pytest.mark.parametrize("number", range(len(OF_ONE_ROW)))
def test_the_error_is_the_one_that_this_line_gives(number: int) -> None:
    line = OF_ONE_ROW[number]
    done = subprocess.run(
        [sys.executable, "-c", line],
        env={**os.environ, "AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    (finding,) = find([Cell(line)]).findings
    given = done.stderr.splitlines()[-1]
    assert given.partition(" (")[0] == error_of(finding)


def test_the_error_names_this_argument_or_method() -> None:
    source = (
        "from sagemaker.train import ModelTrainer\n"
        "t = ModelTrainer(train_instance_count=1, distributions={})\n"
        "t.latest_training_job\nt.fit(x)\nt.check_neo_region('x')"
    )
    assert [error_of(finding) for finding in find([Cell(source)]).findings] == [
        "ValidationError: train_instance_count: Extra inputs are not permitted",
        "ValidationError: distributions: Extra inputs are not permitted",
        "AttributeError: 'ModelTrainer' object has no attribute 'latest_training_job'",
        "AttributeError: 'ModelTrainer' object has no attribute 'fit'",
        "AttributeError: 'ModelTrainer' object has no attribute 'check_neo_region'",
    ]


MOVED = {
    "sagemaker.workflow.parameters.ParameterString": "core.workflow.parameters",
    "sagemaker.workflow.steps.TrainingStep": "mlops.workflow.steps",
    "sagemaker.model_monitor.DataCaptureConfig": "core.model_monitor",
    "sagemaker.s3.S3Uploader.upload": "core.s3",
    "sagemaker.model_uris": "core",
    "sagemaker.MetricsSource": "core.model_metrics",
    "sagemaker.async_inference.AsyncInferenceConfig": "serve.async_inference",
}


def test_moved_names_are_where_v3_has_them() -> None:
    lines = [import_today(name) for name in MOVED]
    places = [line.split()[1].removeprefix("sagemaker.") for line in lines]
    assert dict(zip(MOVED, places, strict=True)) == MOVED
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        env={**os.environ, "AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # v3 has the module, but not this class.
    assert import_today("sagemaker.workflow.steps.CreateModelStep") == ""
    assert import_today("sagemaker.something_that_never_was") == ""


@pytest.mark.parametrize("name", list(SILENT))
def test_what_is_left_alone(name: str) -> None:
    assert found(SILENT[name]) == []


def test_an_estimator_that_becomes_something_else_is_none_any_more() -> None:
    source = f"{ESTIMATOR}e.fit(x)\ne = LinearRegression()\ne.fit(x)\n"
    assert found(source)[-1] == "3 fit"


# --- notebooks ------------------------------------------------------------------------


def notebook(folder: Path, *cells: str, **metadata: object) -> Path:
    path = folder / "Zoë's old ☁.ipynb"
    parts = [
        new_markdown_cell(cell[3:]) if cell.startswith("md:") else new_code_cell(cell)
        for cell in cells
    ]
    nbformat.write(new_notebook(cells=parts, metadata=metadata), path)
    return path


def places(path: Path) -> list[str]:
    return [
        f"{f.cell.place(f.line)}: {f.spelling.id}" for f in find(read(path)).findings
    ]


def test_lines_are_those_of_the_cell(tmp_path: Path) -> None:
    path = notebook(
        tmp_path,
        "md: from sagemaker import get_execution_role",
        "\n\n!pip install \\\n  pandas\n%matplotlib inline\nimport sagemaker\n"
        "files = !ls \\\n  *.csv\nsagemaker.Session()",
        "%%time\nsession = sagemaker.Session()\nsession.logs_for_job(n)",
        '%%writefile "train.py"\nimport sagemaker\nsagemaker.s3_input(u)',
        "%%bash\nfrom sagemaker import get_execution_role\npip install sagemaker==1.72",
        "%%writefile notes.txt\nfrom sagemaker import get_execution_role",
        "session.wait_for_job(n)",
        "from sagemaker.estimator import Estimator\ne = Estimator(i, r)",
        "!aws s3 cp {e.model_data} . | awk '{print $1}'\n!ls $e.model_data",
    )
    assert places(path) == [
        "cell 2, line 9: session",
        "cell 3, line 2: session",
        "cell 3, line 3: logs-for-job",
        "cell 4, line 3: s3-input",
        "cell 5, line 3: pip",
        "cell 7, line 1: wait-for-job",
        "cell 8, line 1: estimator",
        "cell 8, line 2: estimator",
        "cell 9, line 1: model-data",
        "cell 9, line 2: model-data",
    ]


def test_what_is_no_python_3_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    path = notebook(
        tmp_path,
        "import sagemaker\nprint 'a'\nfor x in y:\n    print x\nsagemaker.Session()",
        "((((",
        "try:\n    x = 0777\nexcept Exception, e:\n    print e\nsagemaker.s3_input(u)",
    )
    result = find(read(path))
    assert places(path) == ["cell 1, line 5: session", "cell 3, line 5: s3-input"]
    unread = [(cell.number, lines) for cell, lines in result.unread]
    assert unread[0] == (1, [2, 4])
    assert [number for number, _ in unread] == [1, 2, 3]
    assert unread[2][1] == [1, 2, 3, 4]
    # Nothing is passed over in silence, not even what does not begin at the left.
    (cell,) = read(notebook(tmp_path, "\tsagemaker.Session()\n  sagemaker.x()"))
    assert [lines for _, lines in find([cell]).unread] == [[1, 2]]


def test_a_notebook_of_format_3_is_read(tmp_path: Path) -> None:
    cell = {
        "cell_type": "code",
        "input": ["import sagemaker\n", "sagemaker.Session()"],
        "language": "python",
        "metadata": {},
        "outputs": [],
    }
    old = {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {"name": ""},
        "worksheets": [{"cells": [cell], "metadata": {}}],
    }
    path = tmp_path / "old.ipynb"
    path.write_text(json.dumps(old))
    assert places(path) == ["cell 1, line 2: session"]


def test_what_other_programs_leave_empty(tmp_path: Path) -> None:
    old = {
        "nbformat": 4,
        "nbformat_minor": 2,
        "metadata": {"kernelspec": None},
        "cells": [
            {"cell_type": "code", "metadata": {}, "outputs": [], "source": source}
            for source in [None, "import sagemaker\r\nsagemaker.Session()\r\n"]
        ],
    }
    path = tmp_path / "old.ipynb"
    path.write_text(json.dumps(old), encoding="utf-8-sig")
    assert places(path) == ["cell 2, line 2: session"]


def test_a_python_file_in_the_encoding_that_it_names(tmp_path: Path) -> None:
    path = tmp_path / "old.py"
    text = "# coding: latin-1\n# Zo\xeb\nimport sagemaker\nsagemaker.Session()\n"
    path.write_bytes(text.encode("latin-1"))
    assert [finding.line for finding in find(read(path)).findings] == [4]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.txt", "", "neither a notebook (.ipynb) nor a Python file (.py)"),
        ("gone.ipynb", None, "can't be opened"),
        ("a.ipynb", "{", "is not JSON"),
        ("a.ipynb", "[1]", "is not a notebook (it has no cells)"),
        ("a.ipynb", "[" * 100_000, "is not "),
        (
            "a.ipynb",
            '{"nbformat": 4, "nbformat_minor": 2, "metadata": {}, "cells": null}',
            "is not a notebook (its JSON has not the form of one)",
        ),
        ("a.py", "# coding: klingon", "is not text in"),
        ("a.ipynb", b"\xff\xfe\x00", "is not text in UTF-8"),
        (
            "r.ipynb",
            '{"nbformat": 4, "nbformat_minor": 2, "cells": [], "metadata": '
            '{"kernelspec": {"name": "ir", "language": "R", "display_name": "R"}}}',
            "is a notebook in R",
        ),
    ],
)
def test_what_can_not_be_read(
    name: str, text: str | bytes | None, told: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(Unreadable, match=told.replace("(", r"\(").replace(")", r"\)")):
        read(path)


def test_the_lessons_have_no_old_spelling() -> None:
    paths = [p for p in lessons.find_lessons() if lessons.lesson_number(p) != "A"]
    assert len(paths) > 10
    assert {path.name: places(path) for path in paths if places(path)} == {}


# --- the command ----------------------------------------------------------------------


def run(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "course", "migrate", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True
    )


def test_the_command_tells_all_and_changes_nothing(tmp_path: Path) -> None:
    path = notebook(
        tmp_path, "md: # old", V1, "xgb.fit({'train': train})\nprint 'done'"
    )
    before = path.read_bytes()
    done = run(path.name, folder=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert path.read_bytes() == before
    assert done.stdout.startswith(
        f"{path.name}: SDK v1, 14 old spellings in 18 places\n"
    )
    assert "(cell 3: line 2 can't be read as Python 3; the rest was)" in done.stdout
    first = done.stdout[done.stdout.index("  cell 2, line 3:") :].split("\n\n")[0]
    assert [line[:11].strip() for line in first.splitlines()[1:]] == [
        "v3",
        "",
        "boto3",
        "why",
        "",
        "",
        "error",
    ]
    assert 'image_uris.retrieve("xgboost", region, version="3.2-0")' in first
    # The second time it only says where it was explained.
    assert "  cell 3, line 1: xgb.fit\n    see    cell 2, line 12" in done.stdout


def test_the_exit_code(tmp_path: Path) -> None:
    new = tmp_path / "new.py"
    new.write_text("from sagemaker.train import ModelTrainer\n")
    old = tmp_path / "old.py"
    old.write_text("import sagemaker\nsagemaker.Session()\n")
    done = run(new, folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "new.py: no old spelling found\n")
    assert run(new, old, folder=tmp_path).returncode == 1
    done = run(new, old, "no.ipynb", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "no.ipynb can't be opened (No such file or directory).\n"
    assert "old.py: SDK v1 or v2, 1 old spelling in 1 place\n" in done.stdout
    help_text = " ".join(run("--help", folder=tmp_path).stdout.split())
    assert "Exit code: 0 nothing old was found, 1 something was, 2 a file" in help_text
