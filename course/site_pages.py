"""What a page of the site says: links, alternative texts and notes of a notebook."""

from __future__ import annotations

import copy
import html
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import quote, unquote

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

from course import lessons, prose

# A link or a picture; and code, in which brackets are neither.
LINK = re.compile(
    r"(?P<code>^(?P<fence>```|~~~).*?^(?P=fence)\s*?$|`[^`\n]+`)"
    r"|(?P<label>!?\[[^\]]*\])\((?P<target>(?:[^()]|\([^()]*\))*)\)",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Ran:
    """When a notebook was run, for how many seconds, and where it stopped or ""."""

    at: str
    seconds: float
    failure: str = ""

    def __str__(self) -> str:
        if self.failure:
            return f"Failed on {self.when}."
        return f"Passed on {self.when}, in {self.seconds:.0f} seconds."

    @property
    def when(self) -> str:
        """Return the time as it is written in a text."""
        at = datetime.fromisoformat(self.at)
        return f"{at.day} {at:%B %Y, %H:%M}"


@dataclass(frozen=True)
class Page:
    """A page of the site: its name there, its source's place in the course, its text.

    Links of the source start from the folder `base`. A text is held as a notebook of
    one cell.
    """

    name: str
    place: PurePosixPath
    base: PurePosixPath
    notebook: NotebookNode
    ran: Ran | None = None

    @property
    def is_text(self) -> bool:
        """Tell whether the source is a text, and no notebook."""
        return self.place.suffix != ".ipynb"

    @property
    def file(self) -> str:
        """Return the name of the page's file in Sphinx's source folder."""
        return f"{self.name}.md" if self.is_text else f"{self.name}.ipynb"

    @property
    def number(self) -> str:
        """Return the number of the lesson that a notebook is or belongs to."""
        return lessons.lesson_number(Path(self.place))

    def anchor(self, fragment: str) -> str:
        """Return a section's anchor in Sphinx's spelling; a link has JupyterLab's."""
        wanted = unquote(fragment)
        for heading in lessons.headings(self.notebook):
            text = re.sub(r"[`*]", "", heading.text)
            if text.replace(" ", "-") == wanted:
                return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        return fragment


def text_page(name: str, place: str, text: str) -> Page:
    """Return a page of a text in Markdown."""
    path = PurePosixPath(place)
    notebook = new_notebook(cells=[new_markdown_cell(text)])
    return Page(name, path, path.parent, notebook)


def with_links(markdown: str, new: Callable[[str, str], str]) -> str:
    """Replace links and pictures that lead to files and sections.

    `new` is called with a link's label, brackets included, and its target.
    """

    def piece(match: re.Match) -> str:
        target = (match["target"] or "").strip()
        if match["code"] or prose.is_external(target) or prose.is_no_file(target):
            return match[0]
        return new(match["label"], target)

    return LINK.sub(piece, markdown)


def relative(target: str, page: Page) -> str:
    """Return the way from a page to a file of the source folder, as a link has it."""
    return quote(os.path.relpath(target, PurePosixPath(page.name).parent))


def shown(page: Page, extra: Sequence[str] = ()) -> NotebookNode:
    """Return a notebook as Sphinx is to show it.

    Figures have alternative texts, cells that JupyterLab folds are folded, and `extra`
    stands below the title.
    """
    notebook = copy.deepcopy(page.notebook)
    for cell in notebook.cells:
        if cell.metadata.get("jupyter", {}).get("source_hidden"):
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), "hide-input"]
    # myst-nb looks for a figure's text in another place than where Jupyter keeps it.
    for index, alt in lessons.alternative_texts(notebook):
        image = {"alt": alt or "Plot made by the code above it"}
        notebook.cells[index].metadata["mystnb"] = {"image": image}
    if not lessons.title(notebook):
        notebook.cells.insert(0, new_markdown_cell(f"# {page.place.stem}"))
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("# "):
            title, _, rest = cell.source.partition("\n")
            if page.name.startswith("solutions/"):
                title = title.replace("# Exercises", "# Solutions", 1)
            cell.source = "\n\n".join([title, *extra, rest])
            break
    return notebook


def failure_notice(failure: str) -> str:
    """Return the notice on a page that did not come to its end."""
    text = html.escape(" ".join(failure.split()))
    return f'<p class="failure" role="alert">This lesson stopped at {text}</p>'


class Picture(NamedTuple):
    """A picture of a lesson: its file's content and ending, and what it shows."""

    content: bytes
    suffix: str
    alt: str


def pictures(folder: Path, notebook: NotebookNode) -> Iterator[Picture]:
    """Yield what may stand for a lesson in `folder`, the best first.

    That is its last figure, since a lesson ends with its result; then the others, then
    its diagrams, and last the strip of the road, which looks much alike everywhere.
    """
    roads = []
    figures = zip(
        lessons.figures(notebook), lessons.alternative_texts(notebook), strict=True
    )
    for (_, png), (_, alt) in reversed([*figures]):
        if png:
            yield Picture(png, ".png", alt)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for picture in prose.pictures(cell.source):
                file = folder / picture.target
                # Path.is_file raises an error for a name that is too long.
                if file.suffix == ".svg" and os.path.isfile(file):
                    alt = " ".join(picture.alt.split())
                    found = Picture(file.read_bytes(), file.suffix, alt)
                    if file.name.startswith("road_"):
                        roads.append(found)
                    else:
                        yield found
    yield from roads
