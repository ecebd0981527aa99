"""The lessons' diagrams: in step with their code, readable, each whole in one file."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from lesson_fixture import good_lesson, small_notebook, write, write_course
from lesson_runs import why_not_strict

from course import diagrams, outputs
from course.__main__ import main
from course.canvas import SMALL, WIDTH, Box, Canvas, DoesNotFit
from course.diagrams import DIAGRAMS, IMAGES, draw, write_diagrams
from course.linter import PICTURES, what_is_wrong_with

PAGE = 700  # pixels
# What can't be read on a phone without making it larger.
WIDE = {"request_path", "blue_green"}
SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"
# A glyph is drawn from an outline of size 100.
SCALE = re.compile(r"scale\((?P<size>[\d.]+) -[\d.]+\)")


def stored(name: str) -> str:
    return (IMAGES / f"{name}.svg").read_text(encoding="utf-8")


def text_sizes(root: ElementTree.Element) -> list[float]:
    """Return the sizes of all texts, in points at a page's width."""
    width = float(root.get("width").removesuffix("pt"))
    pixels = width * 4 / 3
    shrunk = min(1, PAGE / pixels)
    found = [SCALE.search(item.get("transform", "")) for item in root.iter()]
    return [100 * float(match["size"]) * shrunk for match in found if match]


def loads(root: ElementTree.Element) -> list[str]:
    """Return what a picture would run or fetch from elsewhere."""
    wrong = []
    for item in root.iter():
        tag = item.tag.removeprefix(SVG)
        if tag in ("script", "image", "foreignObject", "a"):
            wrong.append(tag)
        for name, value in item.attrib.items():
            if name in (HREF, "href") and not value.startswith("#"):
                wrong.append(value)
            if name.startswith("on") or re.search(r"url\((?!#)", value):
                wrong.append(name)
        if re.search(r"@import|url\((?!#)", item.text or ""):
            wrong.append("style")
    return wrong


def test_every_diagram_that_a_lesson_shows_is_drawn_and_no_other() -> None:
    wanted = {name for names in PICTURES.values() for name in names}
    assert set(DIAGRAMS) == wanted
    assert {path.stem for path in IMAGES.glob("*.svg")} == wanted


@pytest.mark.parametrize("name", list(DIAGRAMS))
def test_the_file_is_what_the_code_draws(name: str) -> None:
    if reason := why_not_strict():
        pytest.skip(reason)
    assert stored(name) == draw(name), "run `make diagrams`"


@pytest.mark.parametrize("name", list(DIAGRAMS))
def test_a_diagram_is_well_formed_and_loads_nothing(name: str) -> None:
    assert loads(ElementTree.fromstring(stored(name))) == []


@pytest.mark.parametrize("name", list(DIAGRAMS))
def test_no_text_is_below_nine_points_at_a_pages_width(name: str) -> None:
    sizes = text_sizes(ElementTree.fromstring(stored(name)))
    assert sizes, "no text was found"
    assert min(sizes) >= 9


@pytest.mark.parametrize("name", [name for name in DIAGRAMS if name not in WIDE])
def test_a_narrow_diagram_can_be_read_on_a_phone(name: str) -> None:
    root = ElementTree.fromstring(stored(name))
    width = float(root.get("width").removesuffix("pt"))
    assert min(text_sizes(root)) * 380 / width >= 9.7


def test_a_text_that_is_small_on_a_phone_is_found() -> None:
    canvas = Canvas(40, WIDTH)
    canvas.text((20, 20), "small", size=SMALL)
    root = ElementTree.fromstring(canvas.svg("a"))
    assert min(text_sizes(root)) * 380 / WIDTH < 9.7


@pytest.mark.parametrize("name", list(DIAGRAMS))
def test_a_diagram_has_a_white_panel_and_is_small(name: str) -> None:
    root = ElementTree.fromstring(stored(name))
    panel = next(root.iter(f"{SVG}path"))
    assert "fill: #ffffff" in panel.get("style")
    assert len(stored(name)) < 100_000


@pytest.mark.parametrize("name", list(DIAGRAMS))
def test_a_diagram_says_what_it_shows(name: str) -> None:
    title = ElementTree.fromstring(stored(name)).find(f"{SVG}title")
    assert title.text == DIAGRAMS[name].alt
    assert len(title.text.split()) >= 5


@pytest.mark.parametrize(
    "part",
    [
        '<script>alert("x")</script>',
        '<image href="https://example.org/x.png"/>',
        '<use href="https://example.org/x.svg#a"/>',
        '<rect onclick="x()"/>',
        '<rect style="fill: url(https://example.org/a)"/>',
        "<style>@import 'https://example.org/x.css';</style>",
    ],
)
def test_what_loads_or_runs_something_is_found(part: str) -> None:
    text = f'<svg xmlns="http://www.w3.org/2000/svg">{part}</svg>'
    assert loads(ElementTree.fromstring(text))


def test_a_small_text_is_found() -> None:
    canvas = Canvas(40)
    canvas.text((20, 20), "small", size=SMALL - 1)
    assert min(text_sizes(ElementTree.fromstring(canvas.svg("a")))) < 9


def test_a_text_that_does_not_fit_is_refused() -> None:
    canvas = Canvas(40)
    with pytest.raises(DoesNotFit, match="much too long"):
        canvas.box(Box(60, 20, 40, 20), "much too long for it")
    canvas.text((WIDTH - 20, 20), "leaves")
    with pytest.raises(DoesNotFit, match="leaves the panel"):
        canvas.svg("a")


@pytest.fixture
def two_diagrams(monkeypatch) -> None:
    """Let it be quick."""
    two = {name: DIAGRAMS[name] for name in ("road_00", "road_01")}
    monkeypatch.setattr(diagrams, "DIAGRAMS", two)


def test_files_that_are_out_of_step_are_drawn_again(tmp_path, two_diagrams) -> None:
    assert len(write_diagrams(tmp_path)) == 2
    assert write_diagrams(tmp_path) == []
    (tmp_path / "road_01.svg").write_text("<svg/>")
    assert write_diagrams(tmp_path) == [tmp_path / "road_01.svg"]
    assert (tmp_path / "road_01.svg").read_text() == diagrams.draw("road_01")


def test_the_readmes_picture_is_the_result_that_lesson_01_stores(tmp_path) -> None:
    stored_picture = IMAGES / "readme_predicted_against_actual.png"
    drawn = diagrams.write_result(tmp_path)
    assert drawn.name == stored_picture.name
    assert drawn.read_bytes() == stored_picture.read_bytes(), "run `make diagrams`"
    assert what_is_wrong_with(drawn.read_bytes()) == ""
    assert drawn.stat().st_size < 150_000


def no_lesson(folder: Path) -> None:
    (folder / "01_rivers.ipynb").unlink()


def two_lessons(folder: Path) -> None:
    write(good_lesson(), folder / "01_streams.ipynb")


def torn(folder: Path) -> None:
    (folder / "01_rivers.ipynb").write_text("{\n<<<<<<< HEAD\n")


def no_figure(folder: Path) -> None:
    write(small_notebook("1"), folder / "01_rivers.ipynb")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (no_lesson, "There is no lesson '01'. Lessons: 02."),
        (two_lessons, "there are 2 lessons 01"),
        (torn, "01_rivers.ipynb holds a merge conflict (line 2)"),
        (no_figure, "01_rivers.ipynb stores no figure; run `make outputs`"),
    ],
)
def test_without_a_result_the_command_says_why(
    change, reason: str, tmp_path: Path, two_diagrams, capsys
) -> None:
    """The diagrams are drawn nevertheless, the README's picture stays as it was."""
    write_course(tmp_path / "notebooks")
    change(tmp_path / "notebooks")
    images = tmp_path / "images"
    images.mkdir()
    assert diagrams.draw_all(images, tmp_path / "notebooks") == 1
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert line.startswith("readme_predicted_against_actual.png is not drawn: ")
    assert reason in line
    assert "drawn: road_01.svg" in printed.out
    assert sorted(path.suffix for path in images.iterdir()) == [".svg", ".svg"]


def test_a_diagram_that_does_not_fit_is_named(tmp_path, monkeypatch, capsys) -> None:
    def wide() -> Canvas:
        canvas = Canvas(40)
        canvas.box(Box(60, 20, 40, 20), "much too long for it")
        return canvas

    monkeypatch.setattr(diagrams, "DIAGRAMS", {"wide": diagrams.Diagram(wide, "a")})
    write_course(tmp_path / "notebooks")
    assert diagrams.draw_all(tmp_path / "images", tmp_path / "notebooks") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("wide is not drawn: 'much too long for it' takes ")


def test_all_is_drawn(tmp_path, two_diagrams, capsys) -> None:
    write_course(tmp_path / "notebooks")
    images = tmp_path / "images"
    assert diagrams.draw_all(images, tmp_path / "notebooks") == 0
    assert capsys.readouterr().out == "drawn: road_00.svg\ndrawn: road_01.svg\n"
    assert what_is_wrong_with((images / diagrams.RESULT).read_bytes()) == ""
    assert diagrams.draw_all(images, tmp_path / "notebooks") == 0
    assert capsys.readouterr().out == "nothing changed\n"


@pytest.mark.parametrize(("stored", "wanted"), [(0, 1), (1, 1), (2, 2)])
def test_storing_outputs_ends_in_a_sentence_too(
    stored: int, wanted: int, monkeypatch, capsys
) -> None:
    """Lesson 01, whose result is shown, may be missing."""
    monkeypatch.setattr(outputs, "store_lessons", lambda names, workers: stored)

    def missing() -> Path:
        raise diagrams.NotDrawn("It", "why")

    monkeypatch.setattr(diagrams, "write_result", missing)
    assert main(["outputs", "04"]) == wanted
    assert capsys.readouterr().err == ("It is not drawn: why\n" if stored != 2 else "")
