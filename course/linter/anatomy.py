"""L1: the sections of a lesson, its links and pictures, and what it says of AWS."""

from __future__ import annotations

import ast
import html
import os
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from nbformat import NotebookNode

from course import lessons, prose
from course.lessons import Heading
from course.linter.core import Lesson, rule
from course.linter.shared import parse

TWINS = {"01": "02", "03": "04", "05": "06"}

BOSTON = {"01", "02", "03", "04", "05", "06"}

SPINE = {
    0: "set up",
    1: "get the data",
    2: "prepare and split",
    3: "upload",
    4: "train",
    5: "test",
    6: "deploy",
    7: "use",
}

# Verbs that an objective may begin with. A missing one that is a verb: add it.
VERB_LIST = """
add answer apply attach ask build calculate call change check choose clean clone
combine compare compute configure connect convert count create decide delete deploy
describe design distinguish download draw drop encode estimate evaluate examine
explain export filter find fit follow get give group hand identify inspect install
interpret invoke judge keep label launch limit list load locate look make map
measure merge move name open order pass pay pick plan plot predict prepare prevent
price print prove publish put read recognise recognize reduce remove replace report
reproduce resume run save say score secure select send serve set shift show sketch
sort spell split start state stop store submit switch tag take tell test tidy trace
train translate tune turn understand update upload use validate verify wait write
"""

VERBS = frozenset(VERB_LIST.split())

BILLABLE = {
    "create_training_job",
    "create_transform_job",
    "create_hyper_parameter_tuning_job",
    "create_endpoint",
    "create_notebook_instance",
}

BILLABLE_SDK = re.compile(r"(trainer|transformer|tuner|builder|endpoint)\w*$", re.I)

# The diagrams that a lesson shows; a lesson that is not here chooses by itself.
PICTURES = {
    "00": ("map_of_the_parts", "road_00"),
    "01": ("road_01", "channels"),
    "02": ("road_02", "channels", "training_job_timeline"),
    "03": ("road_03", "request_path"),
    "04": ("road_04", "request_path"),
    "05": ("road_05", "tuning_loop"),
    "06": ("road_06", "tuning_loop"),
    "07": ("road_07", "two_variants", "blue_green"),
    "08": ("road_08", "one_hot"),
    "09": ("road_09", "four_cells"),
    "10": ("road_10", "ab_test_design"),
    "11": ("road_11", "web_app_path"),
    "12": ("road_12", "container_folders"),
    "13": ("road_13", "clean_up_order"),
    "A": ("road_A",),
}

# Pages of AWS, of the SDK and of boto3.
PAGES_OF_AWS = re.compile(
    r"https://(?:[a-z0-9-]+\.)*(?:amazon\.com|amazonaws\.com|repost\.aws"
    r"|sagemaker\.readthedocs\.io|github\.com/(?:aws|boto))(?:/|$)"
)


@rule(
    "L101",
    "the first cell begins with the title (# NN ...), the only heading of level 1",
)
def _title(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    first = lesson.cells[0] if lesson.cells else None
    if first is None or first.cell_type != "markdown" or first.source[:2] != "# ":
        yield 0, "does not begin with the title (# ...); put it first"
    elif first.source.split()[1:2] != [lesson.number]:
        yield 0, f"title does not begin with the lesson's number, {lesson.number}"
    for item in [item for item in lesson.headings if item.level == 1][1:]:
        yield item.cell, f"has a second heading of level 1 ({item.text}); use ##"


@rule("L102", "a promise of one sentence follows the title")
def _promise(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    promise = lessons.promise(lesson.notebook)
    if not re.search(r"[.!]$", promise) or re.search(r"\bminutes\b", promise):
        yield 0, "no sentence of promise under the title; say what the learner gets"


@rule("L103", "a line gives the minutes, the cost on AWS and the services used")
def _effort(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    head = lesson.head().lower()
    for word, pattern in [
        ("minutes", r"\bminutes\b"),
        ("cost on AWS", r"\bcosts?\b|\busd\b"),
        ("services", r"\bservices?\b"),
    ]:
        if not re.search(pattern, head):
            yield 0, f"says nothing of {word} before the first section; add it"


@rule("L104", "the head links to the previous and next lesson and to the twin")
def _neighbours(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    targets = {Path(target).name for target in prose.links(lesson.head())}
    names = [path.name for path in every]
    wanted = {}
    if lesson.path.name in names:
        here = names.index(lesson.path.name)
        wanted.update({name: "previous" for name in names[max(0, here - 1) : here]})
        wanted.update({name: "next" for name in names[here + 1 : here + 2]})
    both = {**TWINS, **{low: high for high, low in TWINS.items()}}
    for path in every:
        if lessons.lesson_number(path) == both.get(lesson.number):
            wanted[path.name] = "twin"
    for name in sorted(set(wanted) - targets):
        yield 0, f"does not link to its {wanted[name]} lesson; add a link to {name}"


@rule("L105", "every link or picture from the repository is a file that exists")
def _links_resolve(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, cell in lesson.markdown():
        for target in prose.targets(cell.source):
            file = target.partition("#")[0]
            if not file or prose.is_external(file) or prose.is_no_file(file):
                continue
            # Path.exists raises an error for a name that is too long.
            if not os.path.exists(lesson.path.parent / file):
                file = prose.shortened(file)
                yield index, f"links to {file}, which is not there; mend the link"


@rule("L106", "a section Questions has two or three of them")
def _questions(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    yield from _list_of(lesson, "Questions", 2, 3)


@rule("L107", "a section Objectives has three to five of them")
def _objectives(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    yield from _list_of(lesson, "Objectives", 3, 5)


@rule("L108", "each objective begins with a verb")
def _objective_verbs(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    section = lesson.section("Objectives")
    for item in _items(section[2]) if section else []:
        first = re.match(r"[^a-z]*([a-z-]+)", item.lower())
        if not first or first[1] not in VERBS:
            words = " ".join(item.split()[:4])
            yield section[0], f'objective "{words} ..." does not begin with a verb'


@rule("L109", "a section Set up comes before all other code")
def _set_up(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    section = lesson.section(r"(0\W+)?set[ -]?up")
    if section is None:
        yield None, "has no section Set up; add it"
        return
    early = [index for index, _ in lesson.code() if index < section[0]]
    if early:
        yield early[0], "is code before the section Set up; move it there"


@rule("L110", "a Boston lesson has the spine's numbered steps, in order")
def _spine(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    if lesson.number not in BOSTON:
        return
    second = [item for item in lesson.headings if item.level == 2]
    steps = [re.match(r"(\d+)\W+(.*)", item.text) for item in second]
    steps = [(int(step[1]), step[2].lower()) for step in steps if step]
    if [number for number, _ in steps] != list(SPINE):
        found = ", ".join(str(number) for number, _ in steps) or "none"
        yield None, f"has the steps {found} as headings of level 2, not 0 to 7 in order"
    for number, text in steps:
        wanted = SPINE.get(number)
        if wanted and wanted not in text.replace("set-up", "set up"):
            yield None, f'step {number} is "{text}"; its name is "{wanted}"'


@rule("L111", "twins have the same numbered steps")
def _twins(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for path in every:
        if lessons.lesson_number(path) == TWINS.get(lesson.number):
            twin = _read_other(path)
            if twin is None:
                continue
            mine, theirs = _steps(lesson.headings), _steps(lessons.headings(twin))
            for text in [text for text in mine if text not in theirs]:
                yield None, f'step "{text}" is not in its twin {path.name}'
            for text in [text for text in theirs if text not in mine]:
                yield None, f'lacks the step "{text}" of its twin {path.name}'
            if sorted(mine) == sorted(theirs) and mine != theirs:
                yield None, f"steps are in another order than in {path.name}"


@rule("L112", "a section Clean up ends with a cell that asserts that nothing is left")
def _clean_up(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    sections = list(lesson.sections(r".*\bclean(ing)?[ -]?up\b"))
    if not sections:
        yield None, "has no section Clean up; add it"
    elif not any(_ends_in_assert(lesson, start, end) for start, end, _ in sections):
        where = sections[-1][0]
        yield where, "section does not end with an assert that nothing is left"


@rule("L113", "a section Key points has a list")
def _key_points(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    yield from _list_of(lesson, "Key points", 2, 8)


@rule("L114", "a section Exercises leads to the lesson's exercises and holds no tasks")
def _exercises(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    section = lesson.section("Exercises?")
    if section is None:
        yield None, "has no section Exercises; add it"
        return
    wanted = f"../exercises/{lesson.path.name}"
    if wanted not in prose.links(section[2]):
        yield section[0], f"section Exercises does not link to {wanted}; add the link"
    if _items(section[2]):
        yield section[0], f"section Exercises holds tasks; they belong into {wanted}"


@rule(
    "L116", "Further reading: every item is a link, two at least are AWS's or the SDK's"
)
def _reading(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    section = lesson.section("Further reading")
    if section is None:
        yield None, "has no section Further reading; add it"
        return
    pages = [link for link in prose.links(section[2]) if PAGES_OF_AWS.match(link)]
    if len(pages) < 2:
        yield (
            section[0],
            f"Further reading has {len(pages)} links to AWS's pages, not 2",
        )
    for item in _items(section[2]):
        if not prose.links(item):
            words = " ".join(item.split()[:5])
            yield section[0], f'Further reading names "{words} ..." and no address'


@rule("L117", "text before a slow or billable cell says how long it takes and its cost")
def _billable(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    previous = 0
    for index, cell in lesson.code():
        tree = parse(cell.source)
        if tree and any(_is_billable(node) for node in ast.walk(tree)):
            text = " ".join(part.source for part in lesson.cells[previous:index])
            if not re.search(r"\b(seconds?|minutes?)\b", text):
                yield index, "starts a job; the text before must say how long it takes"
            if not re.search(r"\b(USD|costs?|free|bill(ed|s)?)\b", text):
                yield index, "starts a job; the text before must say what it costs"
        previous = index + 1


@rule("L119", "the diagrams that belong to the lesson are shown")
def _diagrams(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    shown = {
        picture.target
        for _, cell in lesson.markdown()
        for picture in prose.pictures(cell.source)
    }
    for name in PICTURES.get(lesson.number, ()):
        if f"images/{name}.svg" not in shown:
            yield None, f"does not show images/{name}.svg; add it with its alt text"


@rule("L120", "a picture is a file and has an alternative text that says what it shows")
def _alternatives(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, cell in lesson.markdown():
        for picture in prose.pictures(cell.source):
            if reason := prose.what_is_wrong_with_alt(picture):
                target = prose.shortened(picture.target)
                yield index, f"picture {target} {reason}; say what it shows"
            if prose.is_no_file(picture.target):
                yield index, "holds a picture in itself; put it into images/"
            elif prose.is_external(picture.target):
                yield index, f"loads {picture.target}; put it into images/"


@rule("L124", "a diagram's alternative text is what its file says of it, its title")
def _titles(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, cell in lesson.markdown():
        for picture in prose.pictures(cell.source):
            title = svg_title(lesson.path.parent / picture.target)
            if title and picture.alt.split() != title.split():
                yield index, f'of {picture.target} the drawing says "{title}"; say that'


@rule("L121", "an external link is https, has a real host and no space")
def _addresses(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, cell in lesson.markdown():
        for link in prose.links(cell.source):
            if not prose.is_external(link):
                continue
            if reason := prose.what_is_wrong_with_address(link):
                yield index, f"link {link} {reason}; mend it"


@rule("L122", "minutes and prices on AWS are marked as estimates, prices with a month")
def _estimates(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, cell in lesson.markdown():
        for paragraph in prose.paragraphs(cell.source):
            if reason := prose.what_is_unmarked(paragraph):
                yield index, f"{reason}; say estimated, and for a price its month"


@rule("L123", "a section Why ... comes before the Questions")
def _why(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    second = [item.text.lower() for item in lesson.headings if item.level == 2]
    asked = second.index("questions") if "questions" in second else len(second)
    if not any(text.startswith("why") for text in second[:asked]):
        yield None, "has no section Why ... before the Questions; say what it is for"


@cache
def svg_title(path: Path) -> str:
    """Return what an SVG file says of itself, or "" for any other file."""
    if path.suffix != ".svg" or not os.path.exists(path):
        return ""
    title = re.search("<title>(.*?)</title>", path.read_text("utf-8"), re.DOTALL)
    return html.unescape(title[1]) if title else ""


def _read_other(path: Path) -> NotebookNode | None:
    """Read another lesson; None if that can't be: its own L001 says so."""
    try:
        return lessons.read(path)
    except lessons.UnreadableNotebook:
        return None


def _ends_in_assert(lesson: Lesson, start: int, end: int) -> bool:
    cells = [cell for index, cell in lesson.code() if start <= index < end]
    tree = parse(cells[-1].source) if cells else None
    return tree is not None and any(isinstance(n, ast.Assert) for n in ast.walk(tree))


def _steps(headings: Sequence[Heading]) -> list[str]:
    """Return the numbered headings of level 2: the spine of the Boston lessons."""
    return [h.text for h in headings if h.level == 2 and re.match(r"\d", h.text)]


def _items(markdown: str) -> list[str]:
    """Return the items of a section: of its list, or its sub-sections."""
    text = lessons.FENCE.sub("", markdown)
    mark = r"^(?:[-*+]|\d+[.)])\s+"
    if re.search(r"^#{3,6} ", text, re.MULTILINE):
        mark = r"^#{3,6} "
    return [part.strip() for part in re.split(mark, text, flags=re.MULTILINE)[1:]]


def _list_of(lesson: Lesson, name: str, least: int, most: int) -> Iterator:
    section = lesson.section(name)
    if section is None:
        yield None, f"has no section {name}; add it"
        return
    count = len(_items(section[2]))
    if not least <= count <= most:
        yield section[0], f"section {name} lists {count}; it needs {least} to {most}"


def _is_billable(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    name, owner = node.func.attr, ast.unparse(node.func.value)
    by_sdk = name in ("train", "transform", "tune", "deploy", "create")
    return name in BILLABLE or (by_sdk and bool(BILLABLE_SDK.search(owner)))
