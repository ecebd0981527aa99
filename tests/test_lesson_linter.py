"""Each rule of the lesson linter passes a good lesson and fails a broken one."""

import base64
import struct
from pathlib import Path
from zlib import crc32

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
from course.diagrams import DIAGRAMS
from course.linter import RULES, lint, lint_lessons, rules_table

ACCOUNT = "9988" + "7766" + "5544"  # in one piece it would be found in this file
REGISTRY = "683313688378"  # the public registry of the XGBoost images, us-east-1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "notebooks"
    write_course(folder)
    return folder


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


def described(alt: str):
    def change(notebook: NotebookNode) -> None:
        find(notebook, "display(Image").outputs = [drawn(picture(), alt)]

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


def huge() -> str:
    """A PNG of 60,000 by 60,000 pixels, or what it says of itself."""
    png = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    for chunk in (b"IHDR" + header, b"IDAT"):
        size, checksum = len(chunk) - 4, crc32(chunk)
        png += struct.pack(">I", size) + chunk + struct.pack(">I", checksum)
    return base64.b64encode(png).decode()


def no_picture(notebook: NotebookNode) -> None:
    find(notebook, "display(Image").outputs = [printed("1\n")]
    cell = find(notebook, "## Why measure")
    cell.source = cell.source.partition("![")[0]


def result(value: str):
    data = {"text/plain": value}
    return add_code("year", new_output("execute_result", data=data, execution_count=1))


def table(columns: int):
    head = "<th>a</th>" * columns
    html = f"<table><thead><tr>{head}</tr></thead><tr><th>1</th></tr></table>"
    data = {"text/html": html, "text/plain": "a"}
    return add_code("a", new_output("execute_result", data=data, execution_count=1))


def text(markdown: str):
    """Put a paragraph into the section that cleans up."""
    return replace("Nothing stays.", markdown)


def why_last(notebook: NotebookNode) -> None:
    notebook.cells.append(notebook.cells.pop(1))


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
    notebook.cells.insert(3, notebook.cells.pop(4))


def parameters_late(notebook: NotebookNode) -> None:
    tag("year = 2020")(notebook)
    tag("trainer(7)", "parameters")(notebook)


BILLED = (
    "sagemaker.create_training_job()",
    "sagemaker.create_transform_job()",
    "model_trainer.train()",
    "transformer.transform(data)",
)

BAD_ADDRESSES = (
    "http://docs.aws.amazon.com/",
    "https://docs.aws.amazon.com/a page",
    "https://docs",
    "https://example.com/a",
    "https:///page",
    "www.amazon.com",
    "ftp://docs.aws.amazon.com/",
    "https://[a",
)
# What nobody here has measured, as a fact.
CLAIMS = (
    "On AWS about 4 minutes.",
    "On AWS about 4 minutes, most of them to start it.",
    "*A few seconds on your machine. On AWS 4 to 6 minutes.*",
    "*A second or two on your machine, about a minute on AWS.*",
    "It takes a few seconds here and half an hour on AWS.",
    "The job runs for four minutes, of which two minutes are billed.",
    "About 60 billed seconds.",
    "AWS takes a few minutes for it.",
    "| here | 3 seconds |\n| on AWS | 4 minutes |",
    "It costs 0.23 USD per hour (price list of September 2026).",
    "An estimated 0.23 USD.",
    "An estimated few cents.",
    "Some 3 cents (September 2026).",
    "$0.23 an hour, as we estimate.",
)
# What is none of that, or is marked.
NO_CLAIMS = (
    "AWS limits names to 32 characters.",
    "On AWS an estimated 4 minutes, less than 0.01 USD (price list of May 2026).",
    "On AWS this waiter asks every 30 seconds.",
    "An answer that takes more than 60 seconds is given up.",
    "This takes a few seconds. On AWS the names are the same.",
    "25 minutes to read.",
    "It takes less than a second and costs nothing on AWS.",
    "We print what an hour costs.",
    "An endpoint is billed by the second.",
    "`StoppingCondition` ends the job after ten minutes.",
    "New accounts get 100 USD of credits (September 2026).",
    "Prices in the data are in thousands of dollars.",
    "The account has 50 objects on AWS.",
    "```\nOn AWS about 4 minutes.\n```",
)

# A picture that was pasted into a text cell.
PASTED = f"data:image/png;base64,{'A' * 5000}"

BROKEN = [
    ("L003", metadata(kernelspec={"name": "conda-env", "display_name": "x"})),
    ("L004", metadata(papermill={"duration": 3})),
    ("L004", metadata(language_info={"name": "python", "version": "3.11.7"})),
    ("L004", metadata(language_info={"name": "python"})),
    ("L004", run_metadata),
    ("L101", replace("# 01 Rivers", "Rivers")),
    ("L101", second_title),
    ("L101", replace("# 01 Rivers", "# 02 Rivers")),
    ("L101", replace("# 01 Rivers", "# 010 Rivers")),
    ("L102", replace("You learn to say how long a river is.", "")),
    ("L103", replace("10 minutes of reading, 5 minutes of exercises. ", "")),
    ("L103", replace("Cost on AWS: an estimated 0.01 USD", "")),
    ("L103", replace("Services used: Amazon S3.", "")),
    ("L104", replace("[The other one](02_rivers.ipynb)", "")),
    ("L105", replace("(02_rivers.ipynb)", "(02_rivers.ipynb) [x](09_none.ipynb)")),
    ("L105", replace("Nothing stays.", "![What is left of it](images/none.svg)")),
    (
        "L105",
        replace("Nothing stays.", '<img src="images/none.svg" alt="What is left">'),
    ),
    ("L105", replace("Nothing stays.", "[a file](09 none.ipynb)")),
    ("L105", replace("Nothing stays.", f"[a file]({'a' * 5000})")),
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
    ("L114", replace("(../exercises/01_rivers.ipynb)", "(../exercises)")),
    ("L114", replace("(../exercises/01", "(../exercises/02")),
    (
        "L114",
        replace("5 minutes. The", "5 minutes.\n\n1. What is a mouth?\n\nIt"),
    ),
    ("L114", replace("5 minutes. The", "5 minutes.\n\n### Recall\n\nIt")),
    ("L116", replace("## Further reading", "## Books")),
    ("L116", replace("https://docs.aws.amazon.com", "https://docs.aws.amazon.com.io")),
    ("L116", replace("[Rivers in Python](", "(")),
    ("L116", replace("- [Rivers (geo", "- Look for *Rivers*\n- [Rivers (geo")),
    *[("L117", add_code(source)) for source in BILLED],
    ("L119", replace("(images/channels.svg)", "(images/road_01.svg)")),
    ("L120", replace("![A river that flows from left to right]", "![]")),
    ("L120", replace("![A river that flows from left to right]", "![A river]")),
    ("L120", text("<img src='images/channels.svg' alt='channels.svg'>")),
    ("L120", text("<img src='images/channels.svg'>")),
    ("L120", text("![A river that flows to the left](https://aws.amazon.com/a.png)")),
    ("L120", text("![A river that flows to the left](attachment:a.png)")),
    ("L120", text(f"![A river that flows to the left]({PASTED})")),
    ("L120", text("![Figure under 1. The map of the parts](images/channels.svg)")),
    ("L124", text("![A river that flows from right to left](images/channels.svg)")),
    *[("L121", text(f"[x]({address})")) for address in BAD_ADDRESSES],
    ("L121", text("<http://docs.aws.amazon.com/>")),
    *[("L122", text(claim)) for claim in CLAIMS],
    ("L123", replace("## Why measure", "## To measure")),
    ("L123", why_last),
    ("L201", replace("import sys", "import sys, json")),
    ("L201", replace("check_versions()", "check_versions()\n\nimport json")),
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
    ("L209", add_code("from sagemaker.train import ModelTrainer as M\n\nM().fit(1)")),
    (
        "L209",
        add_code(
            "from sagemaker.train import ModelTrainer\n\n"
            "job = ModelTrainer(train_instance_type='ml.m5.large')"
        ),
    ),
    (
        "L209",
        add_code(
            "try:\n    from sagemaker.tuner import HyperparameterTuner\n"
            "except ImportError as error:\n    print(error)"
        ),
    ),
    ("L210", tag("trainer(7)", "nbval-ignore-output")),
    ("L210", tag("trainer(7)", "raises-exception")),
    ("L210", add_code("# NBVAL_IGNORE_OUTPUT\nprint(1)")),
    ("L211", add_code("open('/home/anna/data.csv')")),
    ("L211", replace("Nothing stays.", "Look into /tmp/rivers.")),
    ("L212", add_code("max(1, 2);")),
    ("L213", add_code("job.wait(poll=1)")),
    ("L213", add_code("print(wait=False)")),
    ("L214", add_code("print(course.public('a'))")),
    ("L214", add_code("sleep(course.poll)")),
    ("L215", add_code("print(year._latest)")),
    ("L215", add_code("print(year._latest)  # a year")),
    ("L216", add_code("csv = {'a': 1}")),
    ("L216", add_code("sagemaker = boto_session.client('sagemaker')")),
    ("L216", add_code("for time in [1]:\n    print(time)")),
    ("L216", add_code("def mean(random):\n    return random")),
    ("L216", add_code("import pandas as numpy")),
    ("L217", add_code("a = [[n for n in range(m)] for m in range(3)]")),
    ("L217", add_code("a = sum(max(n for n in m) for m in lengths)")),
    ("L218", add_code("course = connect(lesson='02', runs_on='auto')")),
    ("L218", add_code("course = utils.connect.connect('1')")),
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
    ("L310", no_picture),
    ("L310", add_code("fig, ax = plt.subplots()")),
    ("L311", figure(picture(drawn=False))),
    ("L311", figure(picture(colour="white"))),
    ("L311", figure(frame_only())),
    ("L311", figure(base64.b64encode(b"no picture").decode())),
    ("L311", figure("nobase6")),
    ("L311", figure(huge())),
    ("L312", no_number),
    ("L315", output("word " * 18 + "\n")),
    ("L315", output(f"short\n{'x' * 59} {'y' * 40}\n")),
    ("L316", table(9)),
    ("L314", described("")),
    ("L314", described("Figure under 1. The map")),
    ("L314", described("<Figure size 704x418 with 1 Axes>")),
    ("L314", described("A rising line")),
    ("L313", output("True\n")),
    ("L313", output("3 km\nin the interval: False\n")),
    ("L313", result("True")),
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
    elsewhere = {"L001", "L002", "L005"}  # the tests below
    assert set(RULES) == {code for code, _ in BROKEN} | elsewhere


def no_code(notebook: NotebookNode) -> None:
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]


def two_steps_swapped(notebook: NotebookNode) -> None:
    cell = find(notebook, "## 2 Prepare")
    parts = cell.source.split("\n\n")
    cell.source = "\n\n".join([*parts[:2], *parts[4:6], *parts[2:4]])


def billed(before: str):
    """Start a job after this text."""

    def change(notebook: NotebookNode) -> None:
        add_code(BILLED[0])(notebook)
        notebook.cells.insert(-4, new_markdown_cell(before))

    return change


@pytest.mark.parametrize(
    ("code", "change", "message"),
    [
        (
            "L111",
            text("Nothing stays.\n\n## 8 A step more"),
            'step "8 A step more" is not in its twin 02_rivers.ipynb',
        ),
        (
            "L111",
            replace("## 3 Upload", "Upload"),
            'lacks the step "3 Upload" of its twin 02_rivers.ipynb',
        ),
        (
            "L111",
            two_steps_swapped,
            "steps are in another order than in 02_rivers.ipynb",
        ),
        (
            "L117",
            billed("This costs nothing."),
            "starts a job; the text before must say how long it takes",
        ),
        (
            "L117",
            billed("This takes a few seconds."),
            "starts a job; the text before must say what it costs",
        ),
        ("L201", no_code, "has no code"),
    ],
)
def test_a_rule_says_one_thing_of_one_fault(
    code: str, change, message: str, folder: Path
) -> None:
    notebook = good_lesson()
    change(notebook)
    path = write(notebook, folder / "01_rivers.ipynb")
    problems = lint(path, sorted(folder.glob("*.ipynb")))
    assert [item.message for item in problems if item.code == code] == [message]


NEIGHBOURS = {
    "00_sea.ipynb": "previous",
    "02_rivers.ipynb": "twin",
    "03_lake.ipynb": "next",
}


@pytest.mark.parametrize("missing", list(NEIGHBOURS))
def test_each_neighbour_is_asked_for(missing: str, folder: Path) -> None:
    notebook = good_lesson()
    links = [f"[x]({name})" for name in NEIGHBOURS if name != missing]
    replace("[The other one](02_rivers.ipynb)", " ".join(links))(notebook)
    path = write(notebook, folder / "01_rivers.ipynb")
    # The next one in order is not the twin here.
    names = ["00_sea.ipynb", path.name, "03_lake.ipynb", "02_rivers.ipynb"]
    problems = lint(path, [folder / name for name in names])
    assert [item.message for item in problems if item.code == "L104"] == [
        f"does not link to its {NEIGHBOURS[missing]} lesson; add a link to {missing}"
    ]


def test_two_lessons_of_one_number_are_refused(folder: Path) -> None:
    write(good_lesson(), folder / "01_streams.ipynb")
    notebook = good_lesson()
    path = write(notebook, folder / "01_rivers.ipynb")
    problems = lint(path, sorted(folder.glob("*.ipynb")))
    assert [item.message for item in problems if item.code == "L005"] == [
        "has the number of 01_streams.ipynb; give one of them another"
    ]


def test_a_pasted_picture_is_told_in_one_short_sentence(folder: Path) -> None:
    notebook = good_lesson()
    text(f"![]({PASTED}) [x]({'a' * 5000})")(notebook)
    path = write(notebook, folder / "01_rivers.ipynb")
    problems = lint(path, sorted(folder.glob("*.ipynb")))
    assert [item.code for item in problems] == ["L105", "L120", "L120"]
    assert all(len(str(item)) < 200 for item in problems)


@pytest.mark.parametrize("name", ["1_rivers", "01_my rivers", "01_Flüsse", "01_Rivers"])
def test_a_file_name_that_does_not_fit_is_refused(name: str, folder: Path) -> None:
    (folder / "01_rivers.ipynb").unlink()
    assert "L002" in codes(good_lesson(), folder, f"{name}.ipynb")


@pytest.mark.parametrize("claim", NO_CLAIMS)
def test_what_is_no_claim_about_aws_is_left_alone(claim: str, folder: Path) -> None:
    notebook = good_lesson()
    text(claim)(notebook)
    assert codes(notebook, folder) == set()


@pytest.mark.parametrize(
    "change",
    [
        add_code("print(year._latest)  # the only handle that the SDK gives"),
        add_code("print(year.__class__)"),
        add_code("course = connect(lesson='01', runs_on='auto', run_id=run_id)"),
        add_code("token, chunk = 1, 2"),
        output(f"at s3://{'x' * 90}\n"),
        add_code("print(client.get_log(1))", printed("word " * 30)),
        table(8),
        add_code("a = [n for n in range(3)] + [m for m in range(3)]"),
        output("'wait': False\n{'a': True}\nIt is True that\n"),
        text("[x](https://en.wikipedia.org/wiki/River_(a)) `[x](no file)`"),
        text(
            "[`x`](https://docs.aws.amazon.com/a#b 'a title') <https://aws.amazon.com>"
        ),
        replace("## Clean up", "## 8 Use and clean up"),
        replace("## Clean up", "## A word\n\n## 8. Clean up"),
    ],
)
def test_what_no_rule_is_about_is_left_alone(change, folder: Path) -> None:
    notebook = good_lesson()
    change(notebook)
    assert codes(notebook, folder) - {"L110", "L111"} == set()


@pytest.mark.parametrize(
    ("source", "before"),
    [
        ("print(wait=False)", "We wait in the next cell; the job costs nothing."),
        ("print(year._latest)", "There is `_latest` alone."),
        ("print(year._latest)", "A leading underscore says private."),
    ],
)
def test_a_reason_in_the_text_before_is_enough(
    source: str, before: str, folder: Path
) -> None:
    notebook = good_lesson()
    add_code(source)(notebook)
    assert codes(notebook, folder) != set()
    notebook.cells.insert(-4, new_markdown_cell(before))
    assert codes(notebook, folder) == set()


def test_headings_of_twins_may_differ_where_they_are_no_steps(folder: Path) -> None:
    notebook = good_lesson()
    replace("## Key points", "## The short way\n\nOne line.\n\n## Key points")(notebook)
    assert codes(notebook, folder) == set()


def test_the_pictures_that_lessons_show_are_there() -> None:
    names = {name for names in linter.PICTURES.values() for name in names}
    assert names == set(DIAGRAMS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"cells": 3, "nbformat": 4}',
        "[1]",
        '{"cells": [], "metadata": {}, "nbformat": true, "nbformat_minor": 5}',
        '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 1.5}',
    ],
)
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
        "01_rivers.ipynb: cell 6: L301 has the count 1, not 2; run `make outputs`",
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
