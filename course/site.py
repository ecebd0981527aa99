"""The course as a web site: its sources are put together here, Sphinx builds it.

`make site` shows the notebooks as they are stored, for everybody to read; a run shows
those that it has executed, and the solved exercises apart from the rest.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import nbformat
from bs4 import BeautifulSoup
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from nbformat.v4 import new_markdown_cell, new_notebook

from course import exercises, lessons, site_pages
from course.execution import Execution
from course.install import ROOT
from course.site_pages import Page, Ran
from course.writable import write_text
from utils.cost import USED_FOR, load_prices, load_spot_saving

DOCS = ROOT / "docs"
DOCS_PYTHON = ROOT / ".venv-docs" / "bin" / "python"
BUILD = ROOT / "build"
# Texts that are pages, and their names there.
TEXTS = {
    "docs/glossary.md": "glossary",
    "data/README.md": "data",
    "data/bank_marketing.md": "bank_marketing",
    "exercises/README.md": "about_the_exercises",
    "local_aws/README.md": "stand_in",
    "README.md": "readme",
    "CONTRIBUTING.md": "contributing",
}
REFERENCE = [
    "Glossary <glossary>",
    "The data <data>",
    "The bank-marketing data <bank_marketing>",
    "Prices <prices>",
    "About the exercises <about_the_exercises>",
    "About the course <readme>",
    "The stand-in for AWS <stand_in>",
    "How it is built <contributing>",
]
# What a link to a folder leads to.
FOLDERS = {
    "notebooks": "index",
    "exercises": "about_the_exercises",
    "data": "data",
    "docs": "index",
    "local_aws": "stand_in",
}
# Solutions: no site has a copy of their files, and only a run's has pages of them.
APART = ("exercises/source/", "exercises/wrong_answers/")
SOLVED_NOTE = (
    '<p class="solved">This page holds the <strong>solutions</strong>, as they ran on '
    "this machine. Try the exercises without them first.</p>"
)
NOT_RUN = "Not run on this machine yet: the outputs are those stored with the course."


class NoSite(Exception):
    """The pages can't be made; the text says why and what to do."""


# --- what a run leaves ----------------------------------------------------------------


def keep(executions: Iterable[Execution], build: Path = BUILD) -> None:
    """Keep executed notebooks in `build`, with what became of them.

    What an earlier run left of other notebooks stays. Raises NotWritable.
    """
    ran = results(build)
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    for item in executions:
        solved = exercises.is_source(item.path)
        folder = "exercises" if solved else "notebooks"
        (build / folder).mkdir(parents=True, exist_ok=True)
        notebook = exercises.solved(item.notebook) if solved else item.notebook
        write_text(build / folder / item.path.name, nbformat.writes(notebook))
        failure = str(item.failure) if item.failure else ""
        ran[f"{folder}/{item.path.name}"] = Ran(now, item.seconds, failure)
    text = json.dumps({name: asdict(row) for name, row in ran.items()}, indent=1)
    write_text(build / "results.json", text)


def results(build: Path = BUILD) -> dict[str, Ran]:
    """Return what became of each notebook that was run, by its name in `build`."""
    try:
        rows = json.loads((build / "results.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}  # nothing was run yet
    return {name: Ran(**row) for name, row in rows.items() if (build / name).is_file()}


# --- which pages there are ------------------------------------------------------------


@dataclass
class Site:
    """The pages of a site and the files that they link to.

    `folder` is where the lessons are, `build` where a run has left what it executed;
    without a run there is none.
    """

    folder: Path
    build: Path | None = None
    pages: dict[str, Page] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    figures: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read what the pages are made of."""
        self.root = self.folder.parent
        ran = results(self.build) if self.build else {}
        for path in lessons.find_lessons((), self.folder):
            self._add("lessons", path, ran.get(f"notebooks/{path.name}"))
        for path in sorted((self.root / "exercises").glob("*.ipynb")):
            self._add("exercises", path, None)
        for path in exercises.find_sources((), self.root / "exercises"):
            if solved := ran.get(f"exercises/{path.name}"):
                self._add("solutions", path, solved)
        for place, name in TEXTS.items():
            if (self.root / place).is_file():
                text = (self.root / place).read_text(encoding="utf-8")
                self._take(site_pages.text_page(name, place, text))
        if self.root == ROOT:
            text = _rendered(
                "prices.md.jinja",
                prices=load_prices(),
                uses=USED_FOR,
                spot=load_spot_saving(),
            )
            self._take(site_pages.text_page("prices", "docs/prices.md.jinja", text))

    def _add(self, section: str, path: Path, ran: Ran | None) -> None:
        """Add a notebook, as it was run if it was, and as it is stored otherwise."""
        base = PurePosixPath(path.relative_to(self.root).parent.as_posix())
        kept = path
        if ran and self.build and section == "solutions":
            # Solutions are written for the place of the students' copy.
            base, kept = base.parents[1], self.build / "exercises" / path.name
        elif ran and self.build:
            kept = self.build / "notebooks" / path.name
        place = PurePosixPath(path.relative_to(self.root).as_posix())
        name = f"{section}/{path.stem}"
        try:
            notebook = lessons.read(kept)
        except lessons.UnreadableNotebook as error:
            if self.build is None:
                raise NoSite(f"{place} {error}") from error
            title = f"# {lessons.lesson_number(path)} {path.name} can't be read"
            notebook = new_notebook(cells=[new_markdown_cell(title)])
        self._take(Page(name, place, base, notebook, ran))

    def _take(self, page: Page) -> None:
        self.pages[page.name] = page

    def of(self, section: str) -> list[Page]:
        """Return the pages of notebooks of a kind, in order."""
        return [p for p in self.pages.values() if p.name.startswith(f"{section}/")]

    # --- what Sphinx reads ------------------------------------------------------------

    def sources(self) -> dict[str, str | bytes]:
        """Return the files of Sphinx's source folder."""
        index = _rendered("index.md.jinja", **self._index())
        front = site_pages.text_page("index", "docs/index.md.jinja", index)
        pages = [front, *self.pages.values()]
        found: dict[str, str | bytes] = {
            page.file: self._source(page) for page in pages
        }
        for file in sorted(self.files):
            found[file] = (self.root / file).read_bytes()
        return found

    def _source(self, page: Page) -> str:
        def new(label: str, target: str) -> str:
            return self._link(page, label, target)

        if page.is_text:
            return site_pages.with_links(page.notebook.cells[0].source, new)
        notebook = site_pages.shown(page, self._notes(page))
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = site_pages.with_links(cell.source, new)
        beside = page.name.replace("lessons/", "exercises/", 1)
        if page.name.startswith("lessons/") and beside in self.pages:
            entry = f"Exercises {page.number} </{beside}>"
            text = f"```{{toctree}}\n:hidden:\n\n{entry}\n```"
            notebook.cells.append(new_markdown_cell(text))
        return nbformat.writes(notebook)

    def _notes(self, page: Page) -> list[str]:
        """Return what stands below a page's title."""
        notes = []
        if page.ran and page.ran.failure:
            notes.append(site_pages.failure_notice(page.ran.failure))
        if page.name.startswith("solutions/"):
            notes.append(SOLVED_NOTE)
        if self.build and page.name.startswith("lessons/"):
            notes.append(f'<p class="ran">{page.ran or NOT_RUN}</p>')
        return notes

    def _link(self, page: Page, label: str, target: str) -> str:
        """Return a link of a page, to a page or a file of the site."""
        path, mark, fragment = target.partition("#")
        if not path:
            return f"{label}(#{page.anchor(fragment)})"
        place = os.path.normpath(page.base / unquote(path))
        if FOLDERS.get(place) == "index":
            return f"{label}({site_pages.relative('index.md', page)})"
        by_place = {str(other.place): other for other in self.pages.values()}
        other = by_place.get(place) or self.pages.get(FOLDERS.get(place, ""))
        if other:
            anchor = mark and f"#{other.anchor(fragment)}"
            return f"{label}({site_pages.relative(other.file, page)}{anchor})"
        file = self.root / place
        if f"{place}/".startswith(APART) or os.path.isdir(file):
            return f"{label[1:-1]} (`{place}`)"
        # Path.is_file raises an error for a name that is too long.
        if os.path.isfile(file) and not place.startswith(".."):
            self.files.add(place)
            return f"{label}({site_pages.relative(place, page)})"
        return f"{label}({target})"  # Sphinx says that it leads nowhere

    # --- the front page ---------------------------------------------------------------

    def _index(self) -> dict[str, object]:
        ran = [page.ran for page in self.pages.values() if page.ran]
        solved = self.of("solutions")
        there = [row for row in REFERENCE if row[row.index("<") + 1 : -1] in self.pages]
        return {
            "run": self.build is not None,
            "ran": max(ran, key=lambda item: item.at).when if ran else "",
            "cards": self._cards(),
            "lessons": [page.name for page in self.of("lessons")],
            "solutions": [f"Solutions {page.number} <{page.name}>" for page in solved],
            "reference": there,
        }

    def _cards(self) -> list[dict[str, object]]:
        """Return a card for each lesson, no two with the same picture if it can be."""
        cards, shown = [], set()
        for page in self.of("lessons"):
            found = list(site_pages.pictures(self.folder, page.notebook))
            # A run draws what is stored, in other bytes: the text tells it.
            new = [item for item in found if item.alt not in shown]
            picture = next(iter(new or found), None)
            figure = f"{page.place.stem}{picture.suffix}" if picture else ""
            if picture:
                shown.add(picture.alt)
                self.figures[figure] = picture.content
            result = page.ran or (NOT_RUN if self.build else "")
            cards.append(
                {
                    "page": f"{page.name}.html",
                    "title": lessons.title(page.notebook) or page.place.stem,
                    "promise": _inline(lessons.promise(page.notebook)),
                    "effort": _inline(lessons.effort(page.notebook)),
                    "figure": figure,
                    "alt": picture.alt if picture else "",
                    "result": str(result),
                    "failure": page.ran.failure if page.ran else "",
                    "links": self._beside(page),
                }
            )
        return cards

    def _beside(self, page: Page) -> list[dict[str, str]]:
        """Return the links to a lesson's exercises and their solutions."""
        links = []
        for section in ("exercises", "solutions"):
            name = page.name.replace("lessons", section, 1)
            if other := self.pages.get(name):
                failed = other.ran and other.ran.failure
                links.append(
                    {
                        "page": f"{name}.html",
                        "text": section.capitalize(),
                        "note": f"(stopped at {failed})" if failed else "",
                    }
                )
        return links


def _rendered(template: str, **values: object) -> str:
    loader = FileSystemLoader(DOCS)
    environment = Environment(loader=loader, undefined=StrictUndefined, autoescape=True)
    return environment.get_template(template).render(**values)


def _inline(markdown: str) -> str:
    """Render one paragraph; links are dropped, since they point beside the notebook."""
    soup = BeautifulSoup(MarkdownIt().render(markdown), "html.parser")
    for tag in soup.find_all(["a", "p"]):
        tag.unwrap()
    return " ".join(str(soup).split())


# --- Sphinx ---------------------------------------------------------------------------


def build_site(build: Path = BUILD) -> Path:
    """Make build/site/ from the stored notebooks; return its first page.

    Whatever Sphinx warns of is an error. Raises NoSite.
    """
    site = Site(lessons.NOTEBOOKS)
    _sphinx(site, build / ".sphinx" / "site", build / "site", strict=True)
    return build / "site" / "index.html"


def build_run(
    folder: Path = lessons.NOTEBOOKS, build: Path = BUILD
) -> tuple[Path, list[str]]:
    """Make the pages of what was run, from what `keep` has left.

    Returns the first page, and what Sphinx warns of: a lesson that somebody has changed
    gets its page all the same. Raises NoSite.
    """
    site = Site(folder, build)
    work = build / ".sphinx" / "run"
    warnings = _sphinx(site, work, build / "run", strict=False)
    shutil.copy(DOCS / "entrance.html", build / "index.html")
    return build / "index.html", warnings


def _sphinx(site: Site, work: Path, target: Path, *, strict: bool) -> list[str]:
    """Let Sphinx make the pages in `work`, then put them where the old ones are.

    Returns its warnings; with `strict`, NoSite is raised for them.
    """
    if not DOCS_PYTHON.exists():
        raise NoSite(
            "The folder .venv-docs is not there, with what makes the pages. "
            "`make course` and `make site` make it, and so does "
            "`python3 -m course install --docs`."
        )
    source, pages = work / "source", work / "pages"
    _write_changed(source, site.sources())
    shutil.rmtree(pages, ignore_errors=True)
    command = [str(DOCS_PYTHON), "-m", "sphinx", "-b", "html", "-q", "-j", "auto"]
    command.append("--no-color")  # its warnings are read
    command += ["-c", str(DOCS), "-d", str(work / "doctrees")]
    command += [*(["-W", "--keep-going"] if strict else []), str(source), str(pages)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoSite(f"Sphinx could not make the pages:\n{done.stderr.strip()}")
    for name, content in site.figures.items():
        (pages / "figures").mkdir(exist_ok=True)
        (pages / "figures" / name).write_bytes(content)
    shutil.rmtree(target, ignore_errors=True)
    pages.rename(target)
    told = done.stderr.replace(f"{source}{os.sep}", "").splitlines()
    return [line for line in told if line.strip()]


def _write_changed(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Bring a folder to these files; those that have not changed stay untouched.

    Sphinx reads again what is newer than what it remembers of it.
    """
    for path in [item for item in folder.rglob("*") if item.is_file()]:
        if path.relative_to(folder).as_posix() not in files:
            path.unlink()
    for name, content in files.items():
        path = folder / name
        content = content.encode() if isinstance(content, str) else content
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
