"""The course's pages in a browser: for everybody, offline, on a phone, on paper.

Skipped where there is no browser, or what makes the pages is not installed.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsers import PATIENCE_MS, needs_browser
from site_fixture import pages
from test_site import run_of_a_course

from course import lessons, site

axe = Axe()
pytestmark = [
    needs_browser,
    pytest.mark.skipif(
        not site.DOCS_PYTHON.exists(), reason="what makes pages is not installed"
    ),
]
WIDE, PHONE = {"width": 1300, "height": 1000}, {"width": 400, "height": 800}
# To compare colours takes long. Those of code and of the side bars are the same on all
# pages; these stand for all.
WHOLE = ("index", "readme", "01_boston_batch_transform_high_level", "03_broken")
ON_ALL = [[".highlight"], [".bd-sidebar-primary"], [".bd-sidebar-secondary"]]
COLOURS = "color-contrast"


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The course's site, and that of a run in which a lesson failed."""
    folder = tmp_path_factory.mktemp("sites")
    stored = site.build_site(folder / "stored").parent
    root = folder / "a course"
    site.keep(run_of_a_course(root), root / "build")
    index, _ = site.build_run(root / "notebooks", root / "build")
    return [stored, index.parent / "run"]


@pytest.fixture
def page(browser, request: pytest.FixtureRequest) -> Iterator[object]:
    """A page of the width and the mode that a test asks for, with no network."""
    view = browser.new_context(offline=True, **getattr(request, "param", {}))
    view.set_default_timeout(PATIENCE_MS)
    yield view.new_page()
    view.close()


def violations(page, options: dict, context: dict | None = None) -> list[str]:
    """Return what axe finds on the open page."""
    options = {"resultTypes": ["violations"], "preload": False, **options}
    return [
        f"{violation['id']}: {node['html'][:150]}"
        for violation in axe.run(page, context, options).response["violations"]
        for node in violation["nodes"]
    ]


def wrong_colours(page, whole: bool) -> list[str]:
    """Return the texts that can't be told from what is behind them."""
    context = None if whole else {"exclude": ON_ALL}
    return violations(page, {"runOnly": [COLOURS]}, context)


def wrong_form(page) -> list[str]:
    """Return what breaks any other rule."""
    return violations(page, {"rules": {COLOURS: {"enabled": False}}})


LIGHT = {"viewport": WIDE, "color_scheme": "light"}
DARK = {"viewport": WIDE, "color_scheme": "dark"}


@pytest.mark.parametrize("page", [LIGHT, DARK], ids=["light", "dark"], indirect=True)
def test_pages_are_for_everybody_and_ask_for_nothing(sites, page, request) -> None:
    """In the dark, only the colours differ."""
    asked: list[str] = []
    page.on("request", lambda sent: asked.append(sent.url))
    said: list[str] = []
    page.on("console", lambda line: said.append(f"{line.type}: {line.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    dark = "dark" in request.node.name
    found = {}
    for file in [file for folder in sites for file in pages(folder)]:
        page.goto(file.as_uri())
        mode = page.evaluate("document.documentElement.dataset.theme")
        assert mode == ("dark" if dark else "light")
        wrong = wrong_colours(page, file.stem in WHOLE)
        if wrong := wrong + ([] if dark else wrong_form(page)):
            found[str(file)] = wrong
    assert found == {}
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert [line for line in said if line.startswith("error")] == []


def test_what_is_not_for_everybody_is_found(page, tmp_path: Path) -> None:
    file = tmp_path / "a.html"
    file.write_text("<html><p style='color: #ddd; background: #fff'>Hello</p></html>")
    page.goto(file.as_uri())
    assert any(line.startswith("color-contrast:") for line in wrong_colours(page, True))
    assert any(line.startswith("html-has-lang:") for line in wrong_form(page))


SIDEWAYS = "document.documentElement.scrollWidth - window.innerWidth"


@pytest.mark.parametrize("page", [{"viewport": PHONE}], ids=["phone"], indirect=True)
def test_no_page_goes_sideways_on_a_phone(sites, page) -> None:
    wide = []
    for file in [file for folder in sites for file in pages(folder)]:
        page.goto(file.as_uri())
        if page.evaluate(SIDEWAYS) > 0:
            wide.append(str(file))
    assert wide == []
    page.evaluate("document.querySelector('article').style.width = '500px'")
    assert page.evaluate(SIDEWAYS) > 0


# How many of the tables with line breaks in their cells are wider than their place.
CUT_OFF = """
[...document.querySelectorAll("article table:has(td br)")].map(
  table => table.scrollWidth > table.parentElement.clientWidth)
"""


@pytest.mark.parametrize("page", [{"viewport": PHONE}], ids=["phone"], indirect=True)
def test_the_tables_of_old_spellings_fit_any_screen(sites, page) -> None:
    page.goto((sites[0] / "lessons" / "A_from_v1_and_v2_to_v3.html").as_uri())
    assert page.evaluate(CUT_OFF) == [False] * 8
    page.set_viewport_size(WIDE)
    assert page.evaluate(CUT_OFF) == [False] * 8
    page.add_style_tag(
        content="td code.literal .pre { white-space: nowrap !important }"
    )
    page.add_style_tag(content="article table { table-layout: auto !important }")
    assert True in page.evaluate(CUT_OFF)


@pytest.mark.parametrize("page", [{"viewport": PHONE}], ids=["phone"], indirect=True)
def test_labels_of_drawings_can_be_read_on_a_phone(sites, page) -> None:
    """A drawing is 525 points wide, and its smallest label has 8 of them."""
    shown = 0
    for path in lessons.find_lessons():
        page.goto((sites[0] / "lessons" / f"{path.stem}.html").as_uri())
        for image in page.query_selector_all(".diagram img"):
            assert image.evaluate("image => image.width") >= 10 * 525 / 8.5
            assert image.evaluate("image => image.parentElement.clientWidth") <= 400
            shown += 1
    assert shown > 8


@pytest.mark.parametrize("page", [{"viewport": WIDE}], ids=["wide"], indirect=True)
def test_the_search_finds_a_term_without_a_network(sites, page) -> None:
    page.goto((sites[0] / "search.html").as_uri() + "?q=artifact")
    page.wait_for_selector("#search-results li a")
    found = page.inner_text("#search-results")
    assert "Glossary" in found
    assert "01 Boston housing" in found


@pytest.mark.parametrize("page", [{"viewport": WIDE}], ids=["wide"], indirect=True)
def test_code_can_be_copied_and_outputs_not(sites, page) -> None:
    (path,) = lessons.find_lessons(["01"])
    page.goto((sites[0] / "lessons" / f"{path.stem}.html").as_uri())
    page.wait_for_selector(".cell_input .copybtn", state="attached")
    inputs = page.query_selector_all(".cell_input .highlight")
    assert len(page.query_selector_all(".cell_input .copybtn")) == len(inputs)
    assert page.query_selector_all(".cell_output .copybtn") == []


@pytest.mark.parametrize("page", [{"viewport": WIDE}], ids=["wide"], indirect=True)
def test_paper_has_the_text_alone_and_all_of_it(sites, page) -> None:
    (path,) = lessons.find_lessons(["01"])
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 700, "height": 1000})
    page.goto((sites[0] / "lessons" / f"{path.stem}.html").as_uri())
    for bar in (".bd-sidebar-primary", ".bd-sidebar-secondary", ".prev-next-footer"):
        assert not page.is_visible(bar), bar
    assert page.is_visible("article h1")
    cut = page.evaluate(
        "[...document.querySelectorAll('article pre')]"
        ".filter(pre => pre.scrollWidth > pre.clientWidth + 1).length"
    )
    assert cut == 0
