"""The course's pages: of the stored notebooks, and of a run."""

import html
import re
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from exercise_fixture import good_exercises, write_exercises
from lesson_fixture import good_lesson, small_notebook, write, write_course
from nbformat.v4 import new_markdown_cell, new_output
from site_fixture import cards, dangling, foreign_loads, pages, parsed

from course import exercises, lessons, site
from course.execution import Execution, Failure
from course.exercises import bring_up_to_date
from course.install import ROOT
from course.site_pages import Page, text_page, with_links

needs_sphinx = pytest.mark.skipif(
    not site.DOCS_PYTHON.exists(), reason="what makes pages is not installed"
)


# --- links and texts, before Sphinx ---------------------------------------------------


def link_of(markdown: str, page: str = "lessons/01_rivers") -> str:
    """Return a text of a lesson, with links as a site of two lessons has them."""
    made = site.Site.__new__(site.Site)
    made.root, made.files = ROOT, set()
    rivers = new_markdown_cell("# 01 Rivers\n\n## What *is* a `river`, then?")
    made.pages = {
        name: Page(name, place, place.parent, nbformat.v4.new_notebook(cells=[rivers]))
        for name, place in [
            ("lessons/01_rivers", site.PurePosixPath("notebooks/01_rivers.ipynb")),
            ("lessons/02_lakes", site.PurePosixPath("notebooks/02_lakes.ipynb")),
            ("exercises/01_rivers", site.PurePosixPath("exercises/01_rivers.ipynb")),
        ]
    }
    made.pages["data"] = text_page("data", "data/README.md", "# Data\n\n## The rows")
    source = made.pages[page]
    return with_links(markdown, lambda *link: made._link(source, *link))


@pytest.mark.parametrize(
    ("written", "made"),
    [
        ("[a](02_lakes.ipynb)", "[a](02_lakes.ipynb)"),
        ("[a](../exercises/01_rivers.ipynb)", "[a](../exercises/01_rivers.ipynb)"),
        ("[a](../data/README.md)", "[a](../data.md)"),
        ("[a](../data/README.md#The-rows)", "[a](../data.md#the-rows)"),
        ("[a](../notebooks/)", "[a](../index.md)"),
        ("[a](../data)", "[a](../data.md)"),
        (
            "[a](02_lakes.ipynb#What-is-a-river,-then?)",
            "[a](02_lakes.ipynb#what-is-a-river-then)",
        ),
        ("[a](#What-is-a-river,-then?)", "[a](#what-is-a-river-then)"),
        ("[two\nlines](02_lakes.ipynb)", "[two\nlines](02_lakes.ipynb)"),
        (
            "[a](../data/course-policy.json)",
            "[a](../data/course-policy.json)",
        ),
        # The solutions are in the course's folder, and not on the site.
        (
            "[a](../exercises/source/01_rivers/01_rivers.ipynb)",
            "a (`exercises/source/01_rivers/01_rivers.ipynb`)",
        ),
        ("[a](../exercises/wrong_answers/)", "a (`exercises/wrong_answers`)"),
        ("[a](nowhere.ipynb)", "[a](nowhere.ipynb)"),
        ("[a](https://aws.amazon.com/)", "[a](https://aws.amazon.com/)"),
        ("![a](data:image/png;base64,AA)", "![a](data:image/png;base64,AA)"),
        (f"[b]({'b' * 5000})", f"[b]({'b' * 5000})"),
        ("`[a](../data)`", "`[a](../data)`"),
        ("```\n[a](../data)\n```", "```\n[a](../data)\n```"),
    ],
)
def test_links_lead_to_pages_where_there_are_some(written: str, made: str) -> None:
    assert link_of(written) == made


def test_links_start_from_where_the_source_stands() -> None:
    made = link_of("[a](../notebooks/02_lakes.ipynb)", "exercises/01_rivers")
    assert made == "[a](../lessons/02_lakes.ipynb)"
    assert link_of("[a](../README.md)", "data") == "[a](README.md)"  # a file, no page


# --- the site of the stored notebooks -------------------------------------------------


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The course's site; whatever Sphinx warns of is an error."""
    index = site.build_site(tmp_path_factory.mktemp("stored"))
    return index.parent


@needs_sphinx
def test_no_link_of_the_site_dangles(stored: Path) -> None:
    assert dangling(stored) == []


@needs_sphinx
def test_a_dangling_link_is_found(stored: Path, tmp_path: Path) -> None:
    shutil.copytree(stored, tmp_path / "site")
    page = tmp_path / "site" / "data.html"
    text = page.read_text()
    more = '<a href="x.html">x</a><a href="data.html#x">x</a><img src="x.png">'
    more += '<a href="../../x.html">out</a></article>'
    page.write_text(text.replace("</article>", more))
    assert dangling(tmp_path / "site") == [
        "data.html: ../../x.html",
        "data.html: data.html#x",
        "data.html: x.html",
        "data.html: x.png",
    ]


def solutions_in(folder: Path) -> list[str]:
    """Return the lines of solutions in a site, of those that nothing else says."""
    texts = [" ".join(parsed(page).text.split()) for page in pages(folder)]
    handed_out = " ".join(
        " ".join(cell.source.split())
        for path in [*lessons.find_lessons(), *exercises.EXERCISES.glob("*.ipynb")]
        for cell in lessons.read(path).cells
    )
    found = []
    for source in exercises.find_sources():
        notebook = lessons.read(source)
        for task in exercises.tasks(notebook):
            for line in exercises.solution_lines(notebook.cells[task.answer]):
                words = " ".join(line.split())
                # Short ones, and those with Markdown in them, can't be told on a page.
                plain = len(words) > 30 and not re.search(r"[*`\[]", words)
                if plain and words not in handed_out:
                    found.append((words, any(words in text for text in texts)))
    assert len(found) > 20
    return [words for words, there in found if there]


@needs_sphinx
def test_the_site_gives_no_solution_away(stored: Path) -> None:
    assert solutions_in(stored) == []
    assert not (stored / "solutions").exists()
    assert not [file for file in stored.rglob("*") if file.suffix == ".ipynb"]


@needs_sphinx
def test_a_solution_on_the_site_is_found(stored: Path, tmp_path: Path) -> None:
    (source,) = exercises.find_sources(["01"])
    text = "\n".join(cell.source for cell in lessons.read(source).cells)
    (tmp_path / "a.html").write_text(f"<pre>{html.escape(text)}</pre>")
    assert len(solutions_in(tmp_path)) > 3


@needs_sphinx
def test_what_jupyterlab_folds_is_folded(stored: Path) -> None:
    """The checks of the exercises, whose code gives the answers away."""
    for page in (stored / "exercises").glob("*.html"):
        soup = parsed(page)
        checks = [p for p in soup.find_all("pre") if "Run this cell to check" in p.text]
        assert len(checks) >= 3
        assert all(check.find_parent("details") for check in checks)


@needs_sphinx
def test_pages_load_nothing_from_elsewhere(stored: Path) -> None:
    for page in pages(stored):
        assert foreign_loads(page.read_text()) == [], page.name


@pytest.mark.parametrize(
    "tag",
    [
        '<script src="https://cdn.example/require.js"></script>',
        '<script src="//cdn.example/require.js"></script>',
        '<link rel="stylesheet" href="http://cdn.example/x.css">',
        "<style>@import 'https://cdn.example/x.css';</style>",
        "<style>a { background: url(https://cdn.example/x.png) }</style>",
    ],
)
def test_a_foreign_load_is_found(tag: str) -> None:
    assert foreign_loads(f"<html><head>{tag}</head></html>")


@needs_sphinx
def test_only_code_is_coloured_as_code(stored: Path) -> None:
    """Of what a command prints, `6`, `and` and `in` are no words of Python."""
    readme = parsed(stored / "readme.html")
    (printed,) = [pre for pre in readme.find_all("pre") if "Read them" in pre.text]
    assert [span.text for span in printed.find_all("span") if span.text] == []
    lesson = parsed(stored / "lessons" / "00_start_here.html")
    assert lesson.select(".cell_input pre span.kn")


@needs_sphinx
def test_every_picture_says_what_it_shows(stored: Path) -> None:
    seen = 0
    for page in pages(stored):
        for image in parsed(page).find_all("img"):
            alt = image["alt"]
            assert len(alt.split()) >= 5, (page.name, alt)
            assert not re.match("Figure (under|of)|Plot made by|No description", alt)
            seen += 1
    assert seen > 20


@needs_sphinx
def test_lessons_are_listed_with_their_exercises_beside_them(stored: Path) -> None:
    contents = parsed(stored / "index.html").find(
        "nav", attrs={"aria-label": "Contents"}
    )
    captions = [tag.text for tag in contents.find_all(class_="caption-text")]
    assert captions == ["Lessons", "Reference"]
    links = [tag["href"] for tag in contents.find_all("a")]
    for path in lessons.find_lessons():
        place = links.index(f"lessons/{path.stem}.html")
        assert links[place + 1] == f"exercises/{path.stem}.html"
    assert {"glossary.html", "data.html", "prices.html", "readme.html"} <= set(links)


@needs_sphinx
def test_previous_and_next_are_named(stored: Path) -> None:
    soup = parsed(stored / "lessons" / f"{lessons.find_lessons()[1].stem}.html")
    before, after = (
        soup.find("a", class_=f"{side}-{where}").text
        for side, where in (("left", "prev"), ("right", "next"))
    )
    assert "Exercises 00" in before
    assert "Exercises 01" in after


@needs_sphinx
def test_the_index_has_a_picture_minutes_and_exercises_for_each(stored: Path) -> None:
    paths = lessons.find_lessons()
    pictures = set()
    for card, path in zip(cards(stored), paths, strict=True):
        assert card.h2.text.startswith(lessons.lesson_number(path))
        assert card.h2.a["href"] == f"lessons/{path.stem}.html"
        assert re.search(r"\d+ minutes", card.find(class_="effort").text)
        beside = card.find("a", string="Exercises")
        assert beside["href"] == f"exercises/{path.stem}.html"
        assert not card.find("a", string="Solutions")
        assert not card.find(class_="result")  # nothing says when outputs were stored
        pictures.add((stored / card.img["src"]).read_bytes())
    assert len(pictures) == len(paths)  # twins differ, too


def test_a_glossary_term_stands_in_the_section_that_it_names() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    terms = re.findall(r"^## (.+)\n\n[^#]+?\n\n\[.+\]\((.+)\)$", text, re.MULTILINE)
    names = [name for name, _ in terms]
    assert len(names) == text.count("\n## ") > 50
    assert names == sorted(names, key=str.lower)
    for name, target in terms:
        path, _, fragment = target.partition("#")
        words = section(ROOT / "docs" / path, unquote(fragment)).lower()
        # The section may use the plural, or a part of a compound alone.
        stem = re.sub(r"[^a-z0-9 ]", " ", name.lower()).split()
        assert all(word.rstrip("er")[:6] in words for word in stem), (name, fragment)


def section(path: Path, anchor: str) -> str:
    """Return the text of a lesson from a heading, and the titles, to the next."""
    notebook = lessons.read(path)
    source = "\n".join(
        # A comment of code is no heading.
        cell.source if cell.cell_type == "markdown" else cell.source.replace("#", "")
        for cell in notebook.cells
    )
    parts = re.split(r"^(#{1,4} .*)$", source, flags=re.MULTILINE)
    for place, part in enumerate(parts):
        if re.sub(r"^#+ |[`*]", "", part).replace(" ", "-") == anchor:
            level = len(part.partition(" ")[0])
            kept = [part]
            for following in parts[place + 1 :]:
                if re.match(rf"#{{1,{level}}} ", following):
                    break
                kept.append(following)
            return "\n".join(kept)
    raise AssertionError(f"{path.name} has no section {anchor}")


# --- the site of a run ----------------------------------------------------------------


def failed(path: Path) -> Execution:
    notebook = small_notebook("print('kept')", "{}['no <such> key']")
    notebook.cells.insert(1, new_markdown_cell("# 03 Broken\n\n## 4 Train"))
    notebook.cells[2].outputs = [new_output("stream", name="stdout", text="kept\n")]
    failure = Failure(4, 3, "4 Train", "KeyError: 'no <such> key'")
    return Execution(path, notebook, 1.5, failure)


def run_of_a_course(root: Path) -> list[Execution]:
    """Return a run: one lesson passed, one failed, one was not run, one is torn."""
    root.mkdir()
    folder = root / "notebooks"
    folder.mkdir()
    first, _ = write_course(folder)
    write(failed(folder).notebook, folder / "03_broken.ipynb")
    (folder / "04_torn.ipynb").write_text("<<<<<<< HEAD\n")
    source = write_exercises(root)
    bring_up_to_date(source)
    lesson = good_lesson()
    # What is said in plain Markdown, and is a sign of Sphinx's dialect.
    plain = "The share is 90\n% of all.\n\n(a)=\n\n+++\n\n{a}`b` and $5 or $6."
    lesson.cells[3].source += f"\n\n{plain}\n\n![a](data:image/png;base64,{'A' * 5000})"
    return [
        Execution(first, lesson, 12.3),
        failed(folder / "03_broken.ipynb"),
        Execution(source, good_exercises(), 3.0),
    ]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of a run, in a folder whose name is no plain one."""
    root = tmp_path_factory.mktemp("ran") / "Zoë\u2019s kurs ☁ %20#"
    executions = run_of_a_course(root)
    site.keep(executions, root / "build")
    index, warnings = site.build_run(root / "notebooks", root / "build")
    assert (index, warnings) == (root / "build" / "index.html", [])
    return root / "build"


@needs_sphinx
def test_the_entrance_leads_to_the_pages_of_the_run(ran: Path) -> None:
    soup = parsed(ran / "index.html")
    assert soup.a["href"] == "run/index.html"
    assert (
        "url=run/index.html" in soup.find("meta", attrs={"http-equiv": True})["content"]
    )


@needs_sphinx
def test_no_link_of_a_run_dangles(ran: Path) -> None:
    assert dangling(ran / "run") == []


@needs_sphinx
def test_the_index_of_a_run_says_what_became_of_each(ran: Path) -> None:
    first, second, third, fourth = cards(ran / "run")
    now = datetime.now()  # the month may have ended since
    today = f"({now:%B %Y}|{now - timedelta(hours=1):%B %Y})"
    assert re.search(rf"Passed on \d+ {today}, .* in 12 seconds", first.text)
    assert "Not run on this machine yet" in second.text
    assert "Failed on" in third.text
    assert "Not run" in fourth.text
    notice = third.find(attrs={"role": "alert"})
    assert "cell 4, In [3] under \"4 Train\": KeyError: 'no <such> key'" in notice.text
    assert not first.find(attrs={"role": "alert"})
    assert "No picture" in third.text
    # The twins draw the same figure, so the second is shown by its diagram.
    assert [card.img["src"][-4:] for card in (first, second)] == [".png", ".svg"]


@needs_sphinx
def test_a_page_says_whether_its_lesson_went_through(ran: Path) -> None:
    page = parsed(ran / "run" / "lessons" / "03_broken.html")
    assert "cell 4, In [3]" in page.find(attrs={"role": "alert"}).text
    assert "kept" in page.text
    page = parsed(ran / "run" / "lessons" / "01_rivers.html")
    assert not page.find(attrs={"role": "alert"})
    assert "Passed on" in page.find(class_="ran").text
    page = parsed(ran / "run" / "lessons" / "02_rivers.html")
    assert "Not run on this machine yet" in page.find(class_="ran").text
    assert "can't be read" in parsed(ran / "run" / "lessons" / "04_torn.html").h1.text


@needs_sphinx
def test_plain_markdown_stays_plain(ran: Path) -> None:
    text = " ".join(
        parsed(ran / "run" / "lessons" / "01_rivers.html").article.text.split()
    )
    assert "The share is 90 % of all. (a)= +++ {a}b and $5 or $6." in text


@needs_sphinx
def test_a_lesson_with_a_broken_link_gets_a_page_and_a_warning(tmp_path: Path) -> None:
    folder, lesson = tmp_path / "notebooks", good_lesson()
    folder.mkdir()
    path, _ = write_course(folder)
    lesson.cells[3].source += "\n\n[nowhere](nowhere.ipynb)"
    site.keep([Execution(path, lesson)], tmp_path / "build")
    index, warnings = site.build_run(folder, tmp_path / "build")
    assert len(warnings) == 1
    assert warnings[0].startswith("lessons/01_rivers.ipynb:")
    assert "nowhere.ipynb" in warnings[0]
    assert "nowhere" in parsed(index.parent / "run" / "lessons" / "01_rivers.html").text


@needs_sphinx
def test_solutions_of_a_run_are_apart(ran: Path) -> None:
    first = cards(ran / "run")[0]
    assert first.find("a", string="Exercises")["href"] == "exercises/01_rivers.html"
    assert first.find("a", string="Solutions")["href"] == "solutions/01_rivers.html"
    page = parsed(ran / "run" / "solutions" / "01_rivers.html")
    assert "Try the exercises without them first" in page.find(class_="solved").text
    assert "length = 1230" in page.text
    assert "BEGIN SOLUTION" not in page.text
    assert (
        "length = 1230" not in parsed(ran / "run" / "exercises" / "01_rivers.html").text
    )
    contents = parsed(ran / "run" / "index.html").find(
        "nav", attrs={"aria-label": "Contents"}
    )
    assert "Solutions" in [tag.text for tag in contents.find_all(class_="caption-text")]


@needs_sphinx
def test_a_run_without_what_makes_pages_says_so(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(site, "DOCS_PYTHON", tmp_path / "python")
    folder = tmp_path / "notebooks"
    folder.mkdir()
    write_course(folder)
    with pytest.raises(site.NoSite, match="course install --docs"):
        site.build_run(folder, tmp_path / "build")
