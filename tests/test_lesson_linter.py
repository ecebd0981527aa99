"""Each rule of the lesson linter passes a good lesson and fails a broken one."""

import base64
from pathlib import Path

import nbformat
import pytest
from lesson_fixture import (
    TRAIN,
    drawn,
    good_lesson,
    picture,
    printed,
    write,
    write_course,
)
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from course import linter
from course.linter import RULES, lint, lint_lessons, rules_table

ACCOUNT = "9988" + "7766" + "5544"  # in one piece it would be found in this file
REGISTRY = "683313688378"  # the public registry of the XGBoost images, us-east-1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_course(tmp_path)
    return tmp_path


def codes(notebook: NotebookNode, folder: Path, name: str = "01_rivers.ipynb") -> set:
    path = write(notebook, folder / name)
    return {problem.code for problem in lint(path, sorted(folder.glob("*.ipynb")))}


def find(notebook: NotebookNode, part: str) -> NotebookNode:
    return next(cell for cell in notebook.cells if part in cell.source)


def replace(old: str, new: str):
    def change(notebook: NotebookNode) -> None:
        cell = find(notebook, old)
        cell.source = cell.source.replace(old, new)

    return change


def add_code(source: str, *outputs: NotebookNode):
    """Put a code cell before the clean-up, and count again."""

    def change(notebook: NotebookNode) -> None:
        cell = new_code_cell(source, outputs=list(outputs))
        notebook.cells.insert(-3, cell)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        for count, cell in enumerate(code, start=1):
            cell.execution_count = count

    return change


def output(text: str):
    return add_code("print(text)", printed(text))


def metadata(**extra):
    def change(notebook: NotebookNode) -> None:
        notebook.metadata.update(nbformat.from_dict(extra))

    return change


def tag(part: str, *tags: str):
    def change(notebook: NotebookNode) -> None:
        find(notebook, part).metadata["tags"] = list(tags)

    return change


def figure(png: str):
    def change(notebook: NotebookNode) -> None:
        find(notebook, "display(Image").outputs = [drawn(png)]

    return change


def frame_only() -> str:
    """A figure with axes and nothing in them: not of one colour, and yet blank."""
    import io

    from PIL import Image, ImageDraw

    image = Image.new("RGB", (100, 80), "white")
    ImageDraw.Draw(image).rectangle((6, 6, 94, 74), outline="black")
    file = io.BytesIO()
    image.save(file, "png")
    return base64.b64encode(file.getvalue()).decode()


def no_figure(notebook: NotebookNode) -> None:
    find(notebook, "display(Image").outputs = [printed("1\n")]


def no_number(notebook: NotebookNode) -> None:
    cell = find(notebook, "display(Image")
    cell.source = cell.source.replace("assert lengths\n", "")
    find(notebook, "left = []").outputs = []
    replace("assert not left", "done = True")(notebook)


def second_title(notebook: NotebookNode) -> None:
    notebook.cells.insert(4, new_markdown_cell("# Another title"))


def count_twice(notebook: NotebookNode) -> None:
    find(notebook, "year = 2020").execution_count = 1


def not_run(notebook: NotebookNode) -> None:
    find(notebook, "year = 2020").execution_count = None


def error_output(notebook: NotebookNode) -> None:
    cell = find(notebook, "trainer(7)")
    cell.outputs = [new_output("error", ename="NameError", evalue="x", traceback=[])]


def stderr_output(notebook: NotebookNode) -> None:
    cell = find(notebook, "trainer(7)")
    cell.outputs.append(new_output("stream", name="stderr", text="oh\n"))


def widget_output(notebook: NotebookNode) -> None:
    kind = "application/vnd.jupyter.widget-view+json"
    out = new_output("display_data", data={kind: {"model_id": "a1"}, "text/plain": "x"})
    find(notebook, "trainer(7)").outputs.append(out)


def script_output(notebook: NotebookNode) -> None:
    data = {"text/html": "<script>1</script>", "text/plain": "x"}
    find(notebook, "trainer(7)").outputs.append(new_output("display_data", data=data))


def run_metadata(notebook: NotebookNode) -> None:
    notebook.cells[3].metadata["execution"] = {"iopub.status.busy": "12:00"}


def code_before_set_up(notebook: NotebookNode) -> None:
    notebook.cells[2], notebook.cells[3] = notebook.cells[3], notebook.cells[2]


def parameters_late(notebook: NotebookNode) -> None:
    tag("year = 2020")(notebook)
    tag("trainer(7)", "parameters")(notebook)


BILLED = (
    "sagemaker.create_training_job()",
    "sagemaker.create_transform_job()",
    "model_trainer.train()",
    "transformer.transform(data)",
)

BROKEN = [
    ("L003", metadata(kernelspec={"name": "conda-env", "display_name": "x"})),
    ("L004", metadata(papermill={"duration": 3})),
    ("L004", metadata(language_info={"name": "python", "version": "3.11.7"})),
    ("L004", run_metadata),
    ("L101", replace("# 01 Rivers", "Rivers")),
    ("L101", second_title),
    ("L102", replace("You learn to say how long a river is.", "")),
    ("L103", replace("10 minutes of reading, 5 minutes of exercises. ", "")),
    ("L103", replace("Cost on AWS: less than 0.01 USD.", "")),
    ("L103", replace("Services used: Amazon S3.", "")),
    ("L104", replace("[The other one](02_rivers.ipynb)", "")),
    ("L105", replace("(02_rivers.ipynb)", "(02_rivers.ipynb) [x](09_none.ipynb)")),
    ("L106", replace("## Questions", "## Riddles")),
    ("L106", replace("- How is its length measured?", "")),
    ("L107", replace("## Objectives", "## Aims")),
    ("L107", replace("- Explain what a mouth is.", "")),
    ("L108", replace("- Measure a river.", "- The length of a river.")),
    ("L108", replace("- Measure a river.", "- Measuring a river.")),
    ("L109", replace("## 0 Set up", "## 0 Begin")),
    ("L109", code_before_set_up),
    ("L110", replace("## 3 Upload", "Upload")),
    ("L110", replace("## 3 Upload", "## 3 Send")),
    ("L110", replace("## 2 Prepare and split", "## 8 Prepare and split")),
    ("L111", replace("## 1 Get the data", "## 1 Get the data at once")),
    ("L112", replace("## Clean up", "## The end")),
    ("L112", replace("assert not left", "print(left)")),
    ("L113", replace("## Key points", "## Points")),
    ("L114", replace("## Exercises", "## Homework")),
    ("L114", replace("### 2 Change", "### 2 Again")),
    ("L115", replace("Expected result: a longer river.", "")),
    ("L116", replace("## Further reading", "## Books")),
    ("L116", replace("- AWS page: What is a river", "Many pages.")),
    *[("L117", add_code(source)) for source in BILLED],
    ("L118", replace("Nothing stays.", "Simply nothing stays.")),
    ("L202", tag("year = 2020")),
    ("L202", tag("lengths =", "parameters")),
    ("L202", parameters_late),
    ("L203", add_code("\n".join(f"a{n} = {n}" for n in range(25)))),
    ("L204", add_code("a = '" + "x" * 88 + "'")),
    ("L205", add_code("a = = 1")),
    ("L206", replace("except KeyError as error", "except Exception as error")),
    ("L206", replace("except KeyError as error", "except BaseException as error")),
    (
        "L206",
        replace("except KeyError as error", "except (KeyError, OSError) as error"),
    ),
    ("L206", replace("except KeyError as error", "except")),
    ("L206", replace('print("KeyError:", error)', "pass")),
    ("L206", add_code("with contextlib.suppress(KeyError):\n    lengths['Nile']")),
    (
        "L207",
        replace('try:\n    lengths["Nile"]\nexcept KeyError as error:', "if year:"),
    ),
    ("L208", add_code("import local_aws")),
    ("L208", add_code("from local_aws.lifetime import join")),
    ("L208", add_code("import unittest.mock")),
    ("L208", add_code("from unittest import mock")),
    ("L208", add_code("import os\n\nos.environ.get('CI')")),
    ("L209", add_code("import sagemaker")),
    ("L209", add_code("from sagemaker import get_execution_role")),
    ("L209", add_code("from sagemaker.estimator import Estimator")),
    ("L209", add_code("import sagemaker.session as s")),
    ("L209", add_code("uri = get_image_uri('us-east-1', 'xgboost')")),
    ("L209", add_code("data = s3_input('s3://a')")),
    ("L209", add_code("job = Job(train_instance_type='ml.m5.large')")),
    ("L210", tag("trainer(7)", "nbval-ignore-output")),
    ("L210", tag("trainer(7)", "raises-exception")),
    ("L210", add_code("# NBVAL_IGNORE_OUTPUT\nprint(1)")),
    ("L211", add_code("open('/home/anna/data.csv')")),
    ("L211", replace("Nothing stays.", "Look into /tmp/rivers.")),
    ("L212", add_code("max(1, 2);")),
    ("L301", count_twice),
    ("L301", not_run),
    ("L302", error_output),
    ("L303", stderr_output),
    ("L304", output("FutureWarning: this will change\n")),
    ("L305", output("\x1b[31mred\x1b[0m\n")),
    ("L306", widget_output),
    ("L306", script_output),
    ("L307", output(f"account {ACCOUNT}\n")),
    ("L307", output(f"arn:aws:iam::{ACCOUNT}:role/x\n")),
    ("L307", output("account 1234-5678-" + "9012\n")),
    ("L307", output(f"account {REGISTRY}\n")),
    ("L307", output(f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/mine:1\n")),
    ("L307", add_code(f"account = '{ACCOUNT}'")),
    ("L307", replace("Nothing stays.", f"Account {ACCOUNT}.")),
    ("L308", output("read /tmp/tmpab12/x.csv\n")),
    ("L308", output("read /Users/anna/x.csv\n")),
    ("L309", output("at http://127.0.0.1:40123\n")),
    ("L309", output("train-20260131130559\n")),
    ("L309", output("request 7a62c49f-347e-4fc4-9331-6e8eee3dd0b4\n")),
    ("L309", output("<Model at 0x7f3a9c0012d0>\n")),
    ("L310", no_figure),
    ("L310", add_code("fig, ax = plt.subplots()")),
    ("L311", figure(picture(drawn=False))),
    ("L311", figure(picture(colour="white"))),
    ("L311", figure(frame_only())),
    ("L311", figure(base64.b64encode(b"no picture").decode())),
    ("L312", no_number),
]


def test_good_lessons_have_no_problem(folder: Path) -> None:
    every = sorted(folder.glob("*.ipynb"))
    assert [str(problem) for path in every for problem in lint(path, every)] == []
    assert lint_lessons(folder=folder) == 0


@pytest.mark.parametrize(("code", "change"), BROKEN)
def test_a_broken_lesson_is_refused(code: str, change, folder: Path) -> None:
    notebook = good_lesson()
    change(notebook)
    assert code in codes(notebook, folder)


def test_every_rule_has_a_negative_control() -> None:
    elsewhere = {"L001", "L002", "L201"}  # the tests below
    assert set(RULES) == {code for code, _ in BROKEN} | elsewhere


@pytest.mark.parametrize("name", ["1_rivers", "01_my rivers", "01_Flüsse", "01_Rivers"])
def test_a_file_name_that_does_not_fit_is_refused(name: str, folder: Path) -> None:
    (folder / "01_rivers.ipynb").unlink()
    assert "L002" in codes(good_lesson(), folder, f"{name}.ipynb")


def test_another_first_cell_is_refused(folder: Path) -> None:
    notebook = good_lesson("02", "low level")
    replace("import json", "import sys, json")(notebook)
    assert codes(notebook, folder, "02_rivers.ipynb") == {"L201"}


@pytest.mark.parametrize("text", ["", "{}", '{"cells": 3, "nbformat": 4}', "[1]"])
def test_a_file_that_is_no_notebook_is_refused(text: str, folder: Path) -> None:
    path = folder / "01_rivers.ipynb"
    path.write_text(text)
    assert [problem.code for problem in lint(path, [path])] == ["L001"]


def test_a_merge_conflict_is_one_problem_and_the_others_are_checked(
    folder: Path, capsys
) -> None:
    write(good_lesson("02", "low level"), folder / "02_rivers.ipynb")
    (folder / "01_rivers.ipynb").write_text("{\n<<<<<<< HEAD\n=======\n>>>>>>> b\n")
    assert lint_lessons(folder=folder) == 1
    (line, total) = capsys.readouterr().out.splitlines()
    assert "L001" in line
    assert "01_rivers.ipynb" in line
    assert "holds a merge conflict (line 2)" in line
    assert total == "2 lessons: 1 problems"


def test_an_old_format_is_refused(folder: Path) -> None:
    notebook = good_lesson()
    notebook.nbformat_minor = 4
    for cell in notebook.cells:
        del cell["id"]
    assert codes(notebook, folder) == {"L001"}


def test_a_registry_account_in_an_image_uri_is_accepted(folder: Path) -> None:
    notebook = good_lesson()
    uri = f"{REGISTRY}.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"
    output(uri + "\n")(notebook)
    assert codes(notebook, folder) == set()


def test_text_before_a_billable_cell_is_enough(folder: Path) -> None:
    notebook = good_lesson()
    add_code("model_trainer.train()")(notebook)
    notebook.cells.insert(-4, new_markdown_cell(TRAIN.partition("\n\n")[2]))
    assert codes(notebook, folder) == set()


def test_fenced_code_is_neither_heading_nor_link(folder: Path) -> None:
    notebook = good_lesson()
    fence = "Nothing stays.\n\n```\n# no title\n[x](no_file.ipynb)\n```"
    replace("Nothing stays.", fence)(notebook)
    assert codes(notebook, folder) == set()


def test_magics_are_code(folder: Path) -> None:
    notebook = good_lesson()
    add_code("%pip list\n!aws --version")(notebook)
    assert codes(notebook, folder) == set()


def test_a_problem_names_lesson_cell_and_remedy(folder: Path, capsys) -> None:
    notebook = good_lesson()
    count_twice(notebook)
    write(notebook, folder / "01_rivers.ipynb")
    assert lint_lessons(["01"], folder=folder) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "01_rivers.ipynb: cell 5: L301 has the count 1, not 2; run `make outputs`",
        "1 lessons: 1 problems",
    ]


def test_a_message_never_repeats_an_account_number(folder: Path) -> None:
    notebook = good_lesson()
    output(f"account {ACCOUNT}\n")(notebook)
    path = write(notebook, folder / "01_rivers.ipynb")
    assert not any(ACCOUNT in str(problem) for problem in lint(path, [path]))


def test_the_table_lists_every_code_once() -> None:
    listed = [line.split()[0] for line in rules_table().splitlines()]
    assert listed == sorted(RULES)


def test_an_unknown_lesson_is_an_error(folder: Path, capsys) -> None:
    assert lint_lessons(["77"], folder=folder) == 2
    assert "no lesson '77'" in capsys.readouterr().out


def test_registry_accounts_come_from_the_sdk() -> None:
    assert REGISTRY in linter.registry_accounts()
    assert ACCOUNT not in linter.registry_accounts()
