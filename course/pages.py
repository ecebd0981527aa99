"""Readable pages of executed lessons: plain HTML that loads nothing from elsewhere."""

from __future__ import annotations

import copy
import html
import os
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from bs4 import BeautifulSoup
from nbconvert import HTMLExporter
from nbconvert.filters.markdown import markdown2html
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter

from course import lessons, prose

STYLE = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")

CAPTION = re.compile(r"\*([^*\s][^*]*)\*")

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
{style}
</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
{body}
</body>
</html>
"""

LESSON = """<header>
<nav aria-label="Lessons">{links}</nav>
</header>
<main id="main">
{notice}{content}
</main>
<footer>
<nav aria-label="Lessons, again">{links}</nav>
</footer>"""

INDEX = """<main id="main" class="index">
<h1>A course on Amazon SageMaker</h1>
<p>Each page below is a lesson as it just ran on this machine, against a stand-in for
AWS: no account, no bill. To work in a lesson, open the notebook of the same name in
the folder <a href="{notebooks}"><code>notebooks/</code></a> of the course:
<code>make lab</code> opens JupyterLab there.</p>
<ol class="cards">
{cards}
</ol>
</main>"""

SOLVED = '<p><a href="exercises/{stem}.html">Exercises with their solutions</a></p>\n'

CARD = """<li class="card">
<a href="{page}">{picture}
<h2><span class="number">{number}</span> {title}</h2></a>
{notice}<p>{promise}</p>
<p class="effort">{effort}</p>
{exercises}</li>"""


def write_lesson(
    notebook: NotebookNode, path: Path, every: Sequence[Path], page: Path, failure: str
) -> None:
    """Write one executed lesson as a page.

    `path` is the lesson's file, `every` all lessons in order (for the links), `failure`
    what went wrong or "".
    """
    _write_notebook(notebook, path, _links(path, every), page, failure)


def write_exercises(
    notebook: NotebookNode, copy: Path, page: Path, failure: str
) -> None:
    """Write executed exercises with their solutions as a page.

    `copy` is the students' copy, which is what links to a notebook mean.
    """
    notebooks = os.path.relpath(copy.resolve(), page.resolve().parent)
    links = (
        '<a href="../index.html">All lessons</a> '
        f'<a href="../lessons/{copy.stem}.html">Lesson</a> '
        f'<a href="{quote(Path(notebooks).as_posix())}">Notebook without solutions</a>'
    )
    _write_notebook(notebook, copy, links, page, failure)


def _write_notebook(
    notebook: NotebookNode, path: Path, links: str, page: Path, failure: str
) -> None:
    # So that the diagrams beside the lesson are found, and become part of the page.
    beside = {"metadata": {"path": str(path.parent)}}
    content, _ = _exporter().from_notebook_node(
        _with_alternative_texts(notebook), resources=beside
    )
    soup = BeautifulSoup(content, "html.parser")
    _point_links(soup, path, page)
    for tag in soup.find_all("pre"):
        tag["tabindex"] = "0"  # long lines scroll; the keyboard must get there too
    for tag in soup.find_all(class_="prompt"):
        tag["aria-hidden"] = "true"
    code_style = HtmlFormatter(style="xcode").get_style_defs(".highlight")
    body = LESSON.format(links=links, notice=_notice(failure), content=str(soup))
    _write(page, lessons.title(notebook) or path.stem, body, code_style)


def write_index(
    cards: Sequence[tuple[Path, NotebookNode, str]], folder: Path, build: Path
) -> None:
    """Write build/index.html, with a picture of its own for each lesson.

    A card is the lesson's file, its executed notebook, and what went wrong or "".
    `folder` is where the lessons to work in are.
    """
    (build / "figures").mkdir(parents=True, exist_ok=True)
    parts = []
    shown: set[bytes] = set()
    for path, notebook, failure in cards:
        number, title = lessons.lesson_number(path), lessons.title(notebook)
        picture = '<span class="no-picture">No picture</span>'
        pictures = list(_pictures(path, notebook))
        new = [item for item in pictures if item.content not in shown]
        if pictures:
            chosen = (new or pictures)[0]
            shown.add(chosen.content)
            file = build / "figures" / f"{path.stem}{chosen.suffix}"
            file.write_bytes(chosen.content)
            picture = (
                f'<img src="figures/{file.name}" loading="lazy" '
                f'alt="{html.escape(chosen.alt)}">'
            )
        solved = (build / "exercises" / f"{path.stem}.html").exists()
        parts.append(
            CARD.format(
                exercises=SOLVED.format(stem=path.stem) if solved else "",
                page=f"lessons/{path.stem}.html",
                picture=picture,
                number=number,
                title=html.escape(_without_number(title, number) or path.stem),
                notice=_notice(failure),
                promise=_inline(lessons.promise(notebook)),
                effort=_inline(lessons.effort(notebook)),
            )
        )
    notebooks = os.path.relpath(folder.resolve(), build.resolve())
    body = INDEX.format(
        cards="\n".join(parts), notebooks=f"{quote(Path(notebooks).as_posix())}/"
    )
    _write(build / "index.html", "A course on Amazon SageMaker", body, "")


class Picture(NamedTuple):
    """A picture of a lesson: its file's content and ending, and what it shows."""

    content: bytes
    suffix: str
    alt: str


def _pictures(path: Path, notebook: NotebookNode) -> Iterator[Picture]:
    """Yield what may stand for a lesson, the best first.

    That is its last figure, since a lesson ends with its result; then the others, and
    then its diagrams, without the strip of the road, which looks alike everywhere.
    """
    figures = [(index, png) for index, png in lessons.figures(notebook) if png]
    for index, png in reversed(figures):
        yield Picture(png, ".png", _alternative(notebook, index))
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for picture in prose.pictures(cell.source):
                file = path.parent / picture.target
                is_diagram = file.suffix == ".svg" and not file.name.startswith("road_")
                # Path.is_file raises an error for a name that is too long.
                if is_diagram and os.path.isfile(file):
                    alt = " ".join(picture.alt.split())
                    yield Picture(file.read_bytes(), file.suffix, alt)


@cache
def _exporter() -> HTMLExporter:
    """One for all pages: each would read and compile the same templates."""
    return HTMLExporter(template_name="basic", embed_images=True)


def _write(page: Path, title: str, body: str, code_style: str) -> None:
    page.parent.mkdir(parents=True, exist_ok=True)
    style = STYLE + code_style
    text = PAGE.format(title=html.escape(title), style=style, body=body)
    page.write_text(text, encoding="utf-8")


def _notice(failure: str) -> str:
    if not failure:
        return ""
    text = html.escape(failure)
    return f'<p class="failure" role="alert">This lesson stopped at {text}</p>\n'


def _links(path: Path, every: Sequence[Path]) -> str:
    links = ['<a href="../index.html">All lessons</a>']
    names = [item.stem for item in every]
    if path.stem in names:
        position = names.index(path.stem)
        if position > 0:
            links.append(
                f'<a rel="prev" href="{names[position - 1]}.html">Previous</a>'
            )
        if position + 1 < len(names):
            links.append(f'<a rel="next" href="{names[position + 1]}.html">Next</a>')
    links.append(f'<a href="../notebooks/{path.name}">Notebook</a>')
    return " ".join(links)


def _with_alternative_texts(notebook: NotebookNode) -> NotebookNode:
    """Give each figure an alternative text."""
    copied = copy.deepcopy(notebook)
    for index, cell in enumerate(copied.cells):
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                output.metadata["image/png"] = {
                    "alt": _alternative(copied, index),
                    **output.metadata.get("image/png", {}),
                }
    return copied


def _alternative(notebook: NotebookNode, index: int) -> str:
    """Return what a cell's figure shows: its caption, in italics below it, or where."""
    following = notebook.cells[index + 1 : index + 2]
    text = following[0].source if following else ""
    if caption := CAPTION.match(text):
        return " ".join(caption[1].replace("`", "").split())
    heading = lessons.heading_of(notebook, index)
    return f"Figure under {heading}; the text around it says what it shows"


def _point_links(soup: BeautifulSoup, path: Path, page: Path) -> None:
    """Let links that work beside the notebook work from the page too."""
    for tag in soup.find_all("a", href=True):
        target, mark, fragment = tag["href"].partition("#")
        if not target or "://" in target or target.startswith("mailto:"):
            continue
        file = (path.parent / target).resolve()
        if file.suffix == ".ipynb" and file.parent == path.parent.resolve():
            tag["href"] = f"{file.stem}.html{mark}{fragment}"
        elif os.path.exists(file):
            relative = Path(os.path.relpath(file, page.resolve().parent)).as_posix()
            tag["href"] = f"{quote(relative)}{mark}{fragment}"


def _without_number(title: str, number: str) -> str:
    return title.removeprefix(number).lstrip(" .:-")


def _inline(markdown: str) -> str:
    """Render one paragraph; links are dropped, since they point beside the notebook."""
    soup = BeautifulSoup(markdown2html(markdown), "html.parser")
    for tag in soup.find_all(["a", "p"]):
        tag.unwrap()
    return str(soup).strip()
