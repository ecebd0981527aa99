"""Lesson 12's scripts as plain programs, and its stored numbers computed once more."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from bank_data import why_not_real
from lesson_runs import LESSONS, why_not_strict
from sklearn import metrics

from course.install import ROOT
from course.lessons import lesson_number
from data.compare_bank_pipeline import pipeline_scores
from utils.bank_marketing import (
    BANK_CATEGORIES,
    BANK_TARGET,
    load_bank_marketing,
    split_bank_marketing,
)
from utils.decision import profit
from utils.synthetic_bank_marketing import make_synthetic_bank_marketing

SCRIPTS = ROOT / "notebooks" / "scripts" / "bank_marketing"
# What the endpoint does: nothing but the saved code and the four functions.
SERVE = """
import json, sys
sys.path.insert(0, sys.argv[1] + "/code")
import inference, rows
model = inference.model_fn(sys.argv[1])
for body, content_type, accept in json.load(sys.stdin):
    try:
        table = inference.input_fn(body, content_type)
        answer = inference.output_fn(inference.predict_fn(table, model), accept)
    except ValueError as error:
        answer = ["ValueError", str(error)]
    print(json.dumps(answer))
print(json.dumps([rows.COLUMNS, rows.CATEGORIES]))
"""


@pytest.fixture(scope="module")
def calls() -> pd.DataFrame:
    columns = [*BANK_CATEGORIES, "age", "campaign", "pdays", "previous", BANK_TARGET]
    calls = make_synthetic_bank_marketing()[:3000]
    return calls[[name for name in calls if name in columns]]


@pytest.fixture(scope="module")
def trained(calls, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The model's folder and what the script has printed; folders as variables."""
    folder = tmp_path_factory.mktemp("Zoë job ☁")
    for name, part in (("train", calls[:2000]), ("validation", calls[2000:])):
        (folder / name).mkdir()
        part.to_csv(folder / name / "calls.csv", index=False)
    (folder / "model").mkdir()
    variables = {
        "SM_CHANNEL_TRAIN": str(folder / "train"),
        "SM_CHANNEL_VALIDATION": str(folder / "validation"),
        "SM_MODEL_DIR": str(folder / "model"),
    }
    command = [sys.executable, str(SCRIPTS / "train.py"), "--rounds", "25"]
    done = subprocess.run(
        command, env=variables, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return folder / "model", done.stdout


def answers(folder: Path, *requests: tuple[str, str, str]) -> list:
    command = [sys.executable, "-c", SERVE, str(folder)]
    done = subprocess.run(
        command, input=json.dumps(requests), capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_script_trains_every_round_and_says_how_it_goes(trained) -> None:
    folder, printed = trained
    first, *lines = printed.splitlines()
    assert first == "2000 calls to learn from, 1000 to validate"
    assert [line.split()[0] for line in lines] == [
        "rounds=10",
        "rounds=20",
        "rounds=25",
    ]
    number = r"[01]\.\d{4}"
    for line in lines:
        assert re.search(rf" train-logloss={number} validation-logloss={number}$", line)
    losses = [float(re.search(r"train-logloss=(\S+)", line)[1]) for line in lines]
    assert losses == sorted(losses, reverse=True)
    files = {str(path.relative_to(folder)) for path in folder.rglob("*.*")}
    code = {f"code/{name}" for name in ("inference.py", "rows.py", "requirements.txt")}
    assert files == {"model.joblib"} | code


def test_the_saved_code_serves_csv_and_json_alike(trained, calls) -> None:
    features = calls.drop(columns=BANK_TARGET)[-40:]
    csv = features.to_csv(header=False, index=False)
    named = features[features.columns[::-1]].to_json(orient="records")  # any order
    in_csv, from_csv, from_json, (columns, words) = answers(
        trained[0],
        (csv, "text/csv", "text/csv"),
        (csv, "text/csv", "application/json"),
        (named, "application/json", "application/json"),
    )
    assert columns == list(features.columns)
    assert from_csv == from_json
    assert from_csv[1] == "application/json"
    found = json.loads(from_csv[0])
    scores = [float(line) for line in in_csv[0].splitlines()]
    assert [one["probability"] for one in found] == pytest.approx(scores, abs=1e-4)
    assert [one["call"] for one in found] == [score >= 0.125 for score in scores]
    assert {one["call"] for one in found} == {True, False}
    for name, known in BANK_CATEGORIES.items():
        assert set(known) <= set(words[name])
    assert set(words) == set(BANK_CATEGORIES)


def test_a_row_that_is_none_is_refused_with_its_field(trained, calls) -> None:
    row = json.loads(calls.drop(columns=BANK_TARGET)[:1].to_json(orient="records"))[0]
    less = {name: value for name, value in row.items() if name != "month"}
    wrong = {
        "job": {**row, "job": "astronaut"},
        "age": {**row, "age": "old"},
        "month": less,
        "salary": {**row, "salary": 1},
    }
    values = [str(value) for value in row.values()]
    asked = [
        (json.dumps([row, bad]), "application/json", "text/csv")
        for bad in wrong.values()
    ]
    asked += [
        (",".join(values[:-1]), "text/csv", "text/csv"),
        (",".join([*values, "1"]), "text/csv", "text/csv"),
        (",".join(values[::-1]), "text/csv", "text/csv"),
        (",".join(values), "image/png", "text/csv"),
        (",".join(values), "text/csv", "image/png"),
        (",".join(values), "text/csv", "text/csv"),
    ]
    *refused, right, _ = answers(trained[0], *asked)
    assert all(kind == "ValueError" for kind, _ in refused), refused
    for name, (_, text) in zip(wrong, refused, strict=False):
        assert f"\n1.{name}\n" in text, "the second row, and its field"
    assert "poutcome" in refused[4][1]
    assert all("image/png" in text for _, text in refused[-2:])
    assert 0 < float(right[0]) < 1


def test_each_job_of_the_lesson_asks_for_the_packages_of_its_script() -> None:
    """On a machine of the course every job finds them; in AWS's images maybe not."""
    (path,) = [path for path in LESSONS if lesson_number(path) == "12"]
    cells = [c.source for c in nbformat.read(path, 4).cells if c.cell_type == "code"]
    described = [
        {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        for call in ast.walk(ast.parse("\n".join(cells)))
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("SourceCode")
    ]
    assert len(described) == 3, described
    without = [one for one in described if one.get("requirements") is None]
    assert without == []


def test_the_lessons_numbers_are_those_of_plain_scikit_learn() -> None:
    """Trained in one go, without the script, and asked without an endpoint."""
    if reason := why_not_strict() or why_not_real():
        pytest.skip(reason)
    (path,) = [path for path in LESSONS if lesson_number(path) == "12"]
    outputs = [
        o for cell in nbformat.read(path, 4).cells for o in cell.get("outputs", [])
    ]
    printed = "\n".join(out.get("text", "") for out in outputs)
    parts = split_bank_marketing(load_bank_marketing(), 5)
    bought = [(part[BANK_TARGET] == "yes").to_numpy() for part in parts]
    validation, test = pipeline_scores(parts, bought, 5, 60)
    for rounds in range(10, 70, 10):
        loss = metrics.log_loss(bought[1], validation[rounds - 1])
        line = next(
            x for x in printed.splitlines() if x.startswith(f"rounds={rounds} ")
        )
        assert f"validation-logloss={loss:.4f}" in line
    auc = metrics.roc_auc_score(bought[2], test[-1])
    earned = profit(bought[2], test[-1] >= 0.125)
    assert f"AUC on the test set: {auc:.3f}\n" in printed
    assert f"profit at 0.125: {earned:,.0f} dollars" in printed
