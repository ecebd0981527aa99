"""A small lesson that every rule of the linter accepts, to be broken on purpose."""

import base64
import io
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import (
    new_code_cell,
    new_markdown_cell,
    new_notebook,
    new_output,
)
from PIL import Image, ImageDraw

from course import metadata
from course.linter import FIRST_CELL, PICTURES

HEAD = """# {number} Rivers, {title}

You learn to say how long a river is.

10 minutes of reading, 5 minutes of exercises. Cost on AWS: an estimated 0.01 USD
(price list of September 2026). Services used: Amazon S3.

{links}"""

WHY = """## Why measure a river

Because a map is not to scale.

{pictures}"""

QUESTIONS = """## Questions

- How long is a river?
- How is its length measured?

## Objectives

- Measure a river.
- Explain what a mouth is.
- Plot a length against a year."""

SET_UP = """## 0 Set up

The first cell looks for what the lesson needs."""

STEPS = {
    "1 Get the data": "Nothing to do here: the river is there.",
    "2 Prepare and split": "This lesson skips this step.",
    "3 Upload": "This lesson skips this step.",
}

TRAIN = """## 4 Train

The job takes 3 seconds here and an estimated 4 minutes on AWS, where it costs less than
0.01 USD (price list of September 2026)."""

REST = """## 5 Test by batch transform

The figure shows that the river grows.

## 6 Deploy

This lesson skips this step.

## 7 Use

This lesson skips this step."""

CAPTION = """*The river grows by a line a year.* That is not much."""

CLEAN_UP = """## Clean up

Nothing stays."""

END = """## Key points

- A river has a length.
- A length has a unit.

## Exercises

Open [the exercises](../exercises/{number}_rivers.ipynb): three tasks, 5 minutes. The
notebook makes what it needs.

## Further reading

- [What is a river](https://docs.aws.amazon.com/sagemaker/latest/dg/whatis.html)
- [Rivers in Python](https://sagemaker.readthedocs.io/en/stable/): the SDK's pages
- [Rivers (geography)](https://en.wikipedia.org/wiki/River_(geography))"""

SHOWN = "A river that flows from left to right"
DIAGRAM = f"""<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20">
<title>{SHOWN}</title>
<path d="M 0 10 L 40 10" style="stroke: #000000"/></svg>"""
ON_PURPOSE = """try:
    lengths["Nile"]
except KeyError as error:
    print("KeyError:", error)"""


def picture(colour: str = "navy", drawn: bool = True) -> str:
    """Return a small PNG in base64, as a stored output holds it."""
    image = Image.new("RGB", (60, 40), "white")
    if drawn:
        ImageDraw.Draw(image).line((5, 35, 55, 5), fill=colour, width=3)
    file = io.BytesIO()
    image.save(file, "png")
    return base64.b64encode(file.getvalue()).decode()


def printed(text: str) -> NotebookNode:
    return new_output("stream", name="stdout", text=text)


def drawn(png: str, alt: str = "A line that rises from left to right") -> NotebookNode:
    return new_output(
        "display_data",
        data={"image/png": png, "text/plain": "<Figure with 1 Axes>"},
        metadata={"image/png": {"alt": alt}} if alt else {},
    )


def good_lesson(number: str = "01", title: str = "high level") -> NotebookNode:
    """Return a lesson as it is stored; its code runs and prints what is stored."""
    other = {"01": "02", "02": "01"}[number]
    links = f"[The other one]({other}_rivers.ipynb)"
    code = [
        new_code_cell(FIRST_CELL),
        new_code_cell("year = 2020", metadata={"tags": ["parameters"]}),
        new_code_cell(
            'lengths = {"Rhine": 1230 + (year - 2020)}\nprint(lengths["Rhine"], "km")',
            outputs=[printed("1230 km\n")],
        ),
        new_code_cell(ON_PURPOSE, outputs=[printed("KeyError: 'Nile'\n")]),
        new_code_cell("trainer = print\ntrainer(7)", outputs=[printed("7\n")]),
        new_code_cell(
            "from IPython.display import Image, display\n"
            "assert lengths\n"
            "display(Image(data=b''))",
            outputs=[drawn(picture())],
        ),
        new_code_cell(
            "left = []\nprint(len(left))\nassert not left", outputs=[printed("0\n")]
        ),
    ]
    for count, cell in enumerate(code, start=1):
        cell.execution_count = count
    pictures = "\n\n".join(
        f"![{SHOWN}](images/{name}.svg)" for name in PICTURES[number]
    )
    skipped = "\n\n".join(f"## {name}\n\n{text}" for name, text in STEPS.items())
    cells = [
        new_markdown_cell(HEAD.format(number=number, title=title, links=links)),
        new_markdown_cell(WHY.format(pictures=pictures)),
        new_markdown_cell(QUESTIONS),
        new_markdown_cell(SET_UP),
        *code[:3],
        new_markdown_cell(skipped),
        code[3],
        new_markdown_cell(TRAIN),
        code[4],
        new_markdown_cell(REST),
        code[5],
        new_markdown_cell(CAPTION),
        new_markdown_cell(CLEAN_UP),
        code[6],
        new_markdown_cell(END.format(number=number)),
    ]
    for position, cell in enumerate(cells):
        cell.id = f"cell-{position}"
    notebook = new_notebook(cells=cells)
    notebook.metadata = metadata.stored()
    return notebook


def write(notebook: NotebookNode, path: Path) -> Path:
    nbformat.write(notebook, path)
    return path


def write_course(folder: Path) -> list[Path]:
    """Write two good lessons, twins of each other, and what they link to."""
    exercises, images = folder.parent / "exercises", folder / "images"
    for place in (folder, exercises, images):
        place.mkdir(exist_ok=True)
    for name in {name for names in PICTURES.values() for name in names}:
        (images / f"{name}.svg").write_text(DIAGRAM)
    for number in ("01", "02"):
        write(small_notebook("1"), exercises / f"{number}_rivers.ipynb")
    return [
        write(good_lesson("01", "high level"), folder / "01_rivers.ipynb"),
        write(good_lesson("02", "low level"), folder / "02_rivers.ipynb"),
    ]


def small_notebook(*sources: str, parameters: str = "size = 3") -> NotebookNode:
    """Return a notebook of code cells only, the first one tagged `parameters`."""
    cells = [new_code_cell(parameters, metadata={"tags": ["parameters"]})]
    cells += [new_code_cell(source) for source in sources]
    notebook = new_notebook(cells=cells)
    notebook.metadata = good_lesson().metadata
    return notebook
