"""The lesson linter: is a stored notebook formed as a lesson of this course must be?

`python -m course lint` checks all lessons; `--rules` lists the codes. A rule is one
function below with the decorator `rule`; it yields (cell, message) for each place that
breaks it, where cell is an index from 0 or None for the whole lesson. Nothing is run.
"""

from __future__ import annotations

import ast
import html
import io
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode
from PIL import Image

from course import lessons, metadata, prose
from course.lessons import Heading
from course.sanitize import sanitize
from local_aws.terminal import say

MAX_LINES = 20
MAX_COLUMNS = 88
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
# The packages of SDK v3; everything else under `sagemaker` is v1 or v2.
SDK_V3 = {"core", "train", "serve", "mlops", "lineage", "ai_registry"}
SDK_V3_TEXT = "sagemaker.train, sagemaker.serve, sagemaker.core, ..."
OLD_NAMES = {
    "get_image_uri": "sagemaker.core.image_uris.retrieve",
    "s3_input": "InputData",
    "csv_serializer": "CSVSerializer",
    "RealTimePredictor": "Endpoint",
    "train_instance_type": "Compute(instance_type=...)",
    "train_instance_count": "Compute(instance_count=...)",
}
NOT_FOR_LESSONS = {
    "local_aws",
    "course",
    "tests",
    "mock",
    "pytest",
    "moto",
    "papermill",
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
# The first code cell of every lesson.
FIRST_CELL = """import sys

sys.path.insert(0, "..")  # the course's own helper, utils, is one folder up

from utils import check_versions

check_versions()"""
# The diagrams that a lesson shows; a lesson that is not here chooses by itself.
PICTURES = {
    "00": ("map_of_the_parts", "road_00"),
    "01": ("road_01", "channels"),
    "02": ("road_02", "channels", "training_job_timeline"),
    "03": ("road_03", "request_path"),
    "04": ("road_04", "request_path"),
    "07": ("road_07", "two_variants", "blue_green"),
}
# What a reader imports, here or elsewhere: a variable of the same name would hide it. A
# module that few know (token, chunk, ...) is not worth a worse name for a variable.
PACKAGE_LIST = """
base64 boto3 botocore calendar collections csv datetime email html http io itertools
json logging math matplotlib numpy os pandas pathlib pickle random re sagemaker scipy
shutil sklearn statistics string struct subprocess sys tarfile tempfile time types
urllib utils uuid xgboost zipfile
"""
PACKAGES = frozenset(PACKAGE_LIST.split())
# Pages of AWS, of the SDK and of boto3.
PAGES_OF_AWS = re.compile(
    r"https://(?:[a-z0-9-]+\.)*(?:amazon\.com|amazonaws\.com|repost\.aws"
    r"|sagemaker\.readthedocs\.io|github\.com/(?:aws|boto))(?:/|$)"
)
CELL_KEYS = {"tags"}
NOTEBOOK_KEYS = {"kernelspec", "language_info"}


@dataclass(frozen=True)
class Problem:
    """One place in one lesson that breaks one rule."""

    path: Path
    cell: int | None
    code: str
    message: str

    def __str__(self) -> str:
        place = f"{self.path.name}"
        if self.cell is not None:
            place += f": cell {self.cell + 1}"
        return f"{place}: {self.code} {self.message}"


@dataclass
class Lesson:
    """One notebook, with the parts that several rules ask for."""

    path: Path
    notebook: NotebookNode
    headings: list[Heading] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.headings = lessons.headings(self.notebook)

    @property
    def number(self) -> str:
        """The lesson's number as in its file name."""
        return lessons.lesson_number(self.path)

    @property
    def cells(self) -> list[NotebookNode]:
        """All cells in order."""
        return self.notebook.cells

    def code(self) -> Iterator[tuple[int, NotebookNode]]:
        """Yield (index, cell) of the code cells that hold something."""
        for index, cell in enumerate(self.cells):
            if cell.cell_type == "code" and cell.source.strip():
                yield index, cell

    def markdown(self) -> Iterator[tuple[int, NotebookNode]]:
        """Yield (index, cell) of the markdown cells."""
        for index, cell in enumerate(self.cells):
            if cell.cell_type == "markdown":
                yield index, cell

    def head(self) -> str:
        """Return the markdown before the first heading of level 2."""
        second = [item.cell for item in self.headings if item.level == 2]
        last = second[0] if second else len(self.cells)
        text = "\n\n".join(
            cell.source for index, cell in self.markdown() if index <= last
        )
        return re.split(r"^## ", text, maxsplit=1, flags=re.MULTILINE)[0]

    def section(self, pattern: str) -> tuple[int, int, str] | None:
        """Return the first section whose heading matches, or None."""
        return next(self.sections(pattern), None)

    def sections(self, pattern: str) -> Iterator[tuple[int, int, str]]:
        """Yield the sections whose heading matches: (first cell, end cell, markdown).

        A section reaches to the next heading of its level or above. The markdown
        leaves out the heading itself.
        """
        for position, item in enumerate(self.headings):
            if item.level > 1 and re.match(pattern, item.text, re.IGNORECASE):
                rest = self.headings[position + 1 :]
                after = next((h for h in rest if h.level <= item.level), None)
                end = after.cell if after else len(self.cells)
                text = "\n\n".join(
                    cell.source
                    for index, cell in self.markdown()
                    if item.cell <= index <= end
                )
                text = text.split(f"{'#' * item.level} {item.text}", 1)[-1]
                if after:
                    text = text.split(f"{'#' * after.level} {after.text}", 1)[0]
                yield item.cell, end, text


Check = Callable[[Lesson, Sequence[Path]], Iterable[tuple[int | None, str]]]
RULES: dict[str, tuple[str, Check]] = {}


def rule(code: str, text: str) -> Callable[[Check], Check]:
    """Enter a check into the table under a code; `text` says what must hold."""

    def enter(check: Check) -> Check:
        if code in RULES:
            raise ValueError(f"two rules have the code {code}")
        RULES[code] = (text, check)
        return check

    return enter


def lint(path: Path, every: Sequence[Path]) -> list[Problem]:
    """Return all problems of one lesson; `every` holds all lessons of the course."""
    try:
        notebook = lessons.read(path)
    except lessons.UnreadableNotebook as error:
        return [Problem(path, None, "L001", str(error))]
    try:
        # As it is stored: reading repairs some of what is wrong.
        nbformat.validate(json.loads(path.read_text(encoding="utf-8")))
    except (nbformat.ValidationError, ImportError) as error:
        # ImportError: nbformat imports a module for each version, whatever it is.
        reason = str(error).splitlines()[0]
        message = f"is not a valid notebook ({reason}); save it again in Jupyter"
        return [Problem(path, None, "L001", message)]
    lesson = Lesson(path, notebook)
    return [
        Problem(path, cell, code, message)
        for code, (_, check) in RULES.items()
        for cell, message in check(lesson, every)
    ]


def lint_lessons(names: Sequence[str] = (), folder: Path = lessons.NOTEBOOKS) -> int:
    """Check lessons, print every problem; return 0 if there is none, else 1 or 2."""
    try:
        paths = lessons.find_lessons(names, folder)
    except lessons.NoSuchLesson as error:
        say(str(error))
        return 2
    every = lessons.find_lessons((), folder)
    problems = [problem for path in paths for problem in lint(path, every)]
    for problem in problems:
        say(str(problem), indent=4)
    count, lessons_text = len(problems), f"{len(paths)} lessons"
    say(f"{lessons_text}: {count} problems" if count else f"{lessons_text}: good")
    return 1 if problems else 0


def rules_table() -> str:
    """Return the codes and what each demands, one a line."""
    return "\n".join(f"{code}  {text}" for code, (text, _) in sorted(RULES.items()))


# --- L0: the file ---------------------------------------------------------------------


@rule("L001", "the file is a valid notebook of format 4.5 or newer")
def _valid(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    stored = json.loads(lesson.path.read_text(encoding="utf-8"))
    version = (stored.get("nbformat"), stored.get("nbformat_minor"))
    if version < (4, 5):
        yield None, f"has format {version[0]}.{version[1]}; save it in JupyterLab 4"


@rule("L002", "the file is named NN_short_name.ipynb: ASCII, no spaces, lower case")
def _file_name(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    if not lessons.FILE_NAME.fullmatch(lesson.path.name):
        yield None, "file name is not of the form 01_short_name.ipynb; rename it"


@rule("L003", "the kernel is named python3")
def _kernel(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    name = lesson.notebook.metadata.get("kernelspec", {}).get("name")
    if name != "python3":
        yield None, f"kernel is {name!r}, not 'python3'; run `make outputs`"


@rule("L004", "metadata describes the kernel, and no single run or Python version")
def _metadata(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    found = lesson.notebook.metadata
    extra = sorted(set(found) - NOTEBOOK_KEYS)
    if "version" in found.get("language_info", {}):
        extra.append("language_info.version")
    if extra:
        yield None, f"metadata has {', '.join(extra)}; run `make outputs`"
    elif found.get("language_info") != metadata.stored().language_info:
        # JupyterLab would complete it, and so mark the lesson as changed.
        yield None, "metadata does not describe the kernel in full; run `make outputs`"
    for index, cell in enumerate(lesson.cells):
        extra = sorted(set(cell.metadata) - CELL_KEYS)
        if extra:
            yield index, f"metadata has {', '.join(extra)}; run `make outputs`"


@rule("L005", "no other lesson has the same number")
def _own_number(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    others = [path for path in every if path.name != lesson.path.name]
    for path in others:
        if lessons.lesson_number(path) == lesson.number:
            yield None, f"has the number of {path.name}; give one of them another"


# --- L1: the anatomy ------------------------------------------------------------------


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
        tree = _parse(cell.source)
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


# --- L2: the code ---------------------------------------------------------------------


@rule("L201", "the first code cell is the short one that all lessons have")
def _first_cell(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    mine = next(lesson.code(), None)
    if mine is None:
        yield None, "has no code"
    elif mine[1].source.strip() != FIRST_CELL:
        yield mine[0], "is not the first code cell of the course (linter.FIRST_CELL)"


@rule("L202", "one cell, the second with code, has the tag parameters")
def _parameters(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    tagged = [
        index
        for index, cell in enumerate(lesson.cells)
        if "parameters" in cell.metadata.get("tags", [])
    ]
    code = [index for index, _ in lesson.code()]
    if len(tagged) != 1:
        yield None, f"has {len(tagged)} cells tagged `parameters`; tag exactly one"
    elif tagged != code[1:2]:
        yield tagged[0], "is tagged `parameters`; it must be the second code cell"


@rule("L203", f"a code cell has at most {MAX_LINES} lines that are not blank")
def _lines(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, cell in lesson.code():
        count = sum(1 for line in cell.source.splitlines() if line.strip())
        if count > MAX_LINES:
            yield index, f"has {count} lines of code; split it ({MAX_LINES} at most)"


@rule("L204", f"a line of code has at most {MAX_COLUMNS} columns")
def _columns(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, cell in lesson.code():
        widest = max(len(line) for line in cell.source.splitlines())
        if widest > MAX_COLUMNS:
            yield index, f"has a line of {widest} columns; wrap it at {MAX_COLUMNS}"


@rule("L205", "code can be parsed")
def _parses(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, cell in lesson.code():
        if _parse(cell.source) is None:
            yield index, "is not valid Python; mend it"


@rule("L206", "an except names one exact type of error and does something with it")
def _except(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, handler in _handlers(lesson):
        name = ast.unparse(handler.type) if handler.type else ""
        if name in ("", "Exception", "BaseException") or "," in name:
            yield index, f"has `except {name}`".rstrip() + "; catch the one exact type"
        elif all(isinstance(node, ast.Pass | ast.Continue) for node in handler.body):
            yield index, f"swallows {name}; print its code and message"
    for index, node in _nodes(lesson, ast.Attribute | ast.Name):
        name = node.attr if isinstance(node, ast.Attribute) else node.id
        if name == "suppress":
            yield index, "uses suppress; catch the one exact type and print it"


@rule("L207", "one thing goes wrong on purpose")
def _on_purpose(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    if not any(True for _ in _handlers(lesson)):
        yield None, "shows nothing that goes wrong; add a cell that catches one error"


@rule("L208", "a lesson knows AWS's APIs and utils: no stand-in, no mocks, no tests")
def _imports(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, name in _imported(lesson):
        if name.split(".")[0] in NOT_FOR_LESSONS or name.startswith("unittest"):
            yield index, f"imports {name}; a lesson uses AWS's APIs and utils only"
    for index, node in _nodes(lesson, ast.Constant):
        if node.value in ("CI", "PYTEST_CURRENT_TEST"):
            yield index, f"asks for {node.value}; a lesson does not know of tests"


@rule("L209", "SDK v3 and boto3 only: nothing of the SDK's v1 and v2")
def _generations(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, name in _imported(lesson):
        parts = name.split(".")
        if parts[0] == "sagemaker" and (len(parts) == 1 or parts[1] not in SDK_V3):
            yield index, f"imports {name} as in SDK v1 or v2; v3 has {SDK_V3_TEXT}"
    for index, node in _nodes(lesson, ast.Name | ast.Attribute | ast.keyword):
        name = getattr(node, "id", None) or getattr(node, "attr", None)
        name = name or getattr(node, "arg", None)
        if name in OLD_NAMES:
            yield index, f"uses {name} of SDK v1 or v2; v3 has {OLD_NAMES[name]}"


@rule("L210", "no tag or comment tells a checker to look away")
def _look_away(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, cell in lesson.code():
        for tag in set(cell.metadata.get("tags", [])) - {"parameters"}:
            yield index, f"has the tag {tag}; only `parameters` is allowed"
        if match := re.search(r"NBVAL_\w+|#\s*noqa\b|type:\s*ignore", cell.source):
            yield index, f"has {match[0]}; mend what the checker sees instead"


@rule("L211", "no path of one machine in code or text")
def _source_paths(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, cell in enumerate(lesson.cells):
        if match := MACHINE_PATH.search(cell.source):
            yield index, f"names {match[0]}, a path of one machine; make it relative"


@rule("L212", "no cell ends in a semicolon")
def _semicolon(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, cell in lesson.code():
        if cell.source.rstrip().endswith(";"):
            # Jupyter hides the value then; nbval does not, and sees a difference.
            yield index, "ends in ';' to hide a value; give the value a name instead"


@rule("L213", "what waits by default is left to wait, unless the text says why not")
def _waiting(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, node in _nodes(lesson, ast.keyword):
        if node.arg == "poll":
            yield index, "passes poll; leave it to the SDK"
        waits_elsewhere = node.arg == "wait" and ast.unparse(node.value) == "False"
        if waits_elsewhere and not re.search(r"\bwait", _text_before(lesson, index)):
            yield index, "passes wait=False; say in the text before why"


@rule("L214", "names, URIs and ARNs are printed as they are")
def _public(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, node in _nodes(lesson, ast.Attribute):
        if ast.unparse(node) in ("course.public", "course.poll"):
            yield index, f"uses {ast.unparse(node)}; write what a reader would write"


@rule("L215", "a private attribute has its reason: in the text before, or beside it")
def _private(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, node in _nodes(lesson, ast.Attribute):
        name = node.attr
        if not name.startswith("_") or name.startswith("__"):
            continue
        text = " ".join(cell.source for at, cell in lesson.markdown() if at < index)
        line = lesson.cells[index].source.splitlines()[node.end_lineno - 1]
        said = name in text or "underscore" in text.lower()
        if not said and len(line.partition("#")[2].split()) < 4:
            yield index, f"uses the private {name}; say in the text before why"


@rule("L216", "no variable hides a package")
def _hiding(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, cell in lesson.code():
        for name in sorted(_bound(cell.source) & PACKAGES):
            yield index, f"calls a variable {name}, which hides the package; rename it"


@rule("L217", "no comprehension stands in a comprehension")
def _nested(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, node in _nodes(lesson, COMPREHENSION):
        if any(isinstance(n, COMPREHENSION) for n in ast.walk(node) if n is not node):
            yield index, "has a comprehension in a comprehension; use a loop or a name"


@rule("L218", "connect is called with the lesson's own number")
def _connects(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, node in _nodes(lesson, ast.Call):
        if ast.unparse(node.func).split(".")[-1] != "connect":
            continue
        named = [item.value for item in node.keywords if item.arg == "lesson"]
        for value in [*node.args[:1], *named]:
            if isinstance(value, ast.Constant) and value.value != lesson.number:
                text = ast.unparse(value)
                yield index, f'connects as lesson {text}; write "{lesson.number}"'


# --- L3: the outputs ------------------------------------------------------------------

# /home/ec2-user is the same on every SageMaker notebook instance.
MACHINE_PATH = re.compile(
    r"(?<![\w.<>/:])(/(?:tmp|var/folders|private|home|root|Users|work)/(?!ec2-user)[\w.-]+"
    r"|[A-Z]:\\\\?Users)"
)
# The whole line, or what follows a colon at its end.
BARE_TRUTH = re.compile(r"^(?:[^\n'\"{]*: ?)?(?:True|False)\.?$", re.MULTILINE)
ANSI = re.compile(r"\x1b\[")
WARNING = re.compile(r"\b\w*Warning\b|\bWARNING\b")
OF_ONE_RUN = {
    "a port": re.compile(r"\b(127\.0\.0\.1|localhost|0\.0\.0\.0|\[::1\]):\d+"),
    "a request id": re.compile(
        r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"
    ),
    "a time stamp in a name": re.compile(r"-20\d{12}\b|-20\d\d(-\d\d){5}(-\d{3})?\b"),
    "a memory address": re.compile(r"\b0x[0-9a-f]{6,}\b"),
}
LOCAL_ACCOUNT = "123456789012"  # the stand-in's, whoever uses it
TWELVE_DIGITS = re.compile(r"(?<![\d.])(\d{12}|\d{4}-\d{4}-\d{4})(?!\d)")


@rule("L301", "execution counts are 1 to n")
def _counts(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for wanted, (index, cell) in enumerate(lesson.code(), start=1):
        if cell.execution_count != wanted:
            got = cell.execution_count
            yield index, f"has the count {got}, not {wanted}; run `make outputs`"
            return


@rule("L302", "no stored output is an error")
def _errors(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, output in _outputs(lesson):
        if output.output_type == "error":
            yield index, f"stores the error {output.ename}; catch it or mend it"


@rule("L303", "nothing is written to stderr")
def _stderr(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, output in _outputs(lesson):
        if output.get("name") == "stderr":
            first = output.text.strip().splitlines()[:1]
            yield index, f"writes to stderr ({' '.join(first)[:60]}); find out why"


@rule("L304", "no warnings in outputs")
def _warnings(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, text in _texts(lesson):
        if match := WARNING.search(text):
            yield index, f"shows a warning ({match[0]}); mend its cause"


@rule("L305", "no ANSI escapes in outputs")
def _ansi(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, text in _texts(lesson):
        if ANSI.search(text):
            yield index, "prints terminal colours; print plain text"


@rule("L306", "no widgets, no scripts")
def _widgets(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, output in _outputs(lesson):
        for kind in output.get("data", {}):
            if "widget" in kind or "javascript" in kind:
                yield index, f"shows {kind}; print text or draw a figure"
        if "<script" in "".join(output.get("data", {}).get("text/html", "")):
            yield index, "shows a script; print text or draw a figure"


@rule("L307", "no 12-digit number but the stand-in's and AWS's registry accounts")
def _accounts(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    sources = [(index, cell.source) for index, cell in enumerate(lesson.cells)]
    for index, text in sources + list(_texts(lesson)):
        for match in TWELVE_DIGITS.finditer(text):
            after = text[match.end() : match.end() + 9]
            if match[0] == LOCAL_ACCOUNT:
                continue
            if after != ".dkr.ecr." or match[0] not in registry_accounts():
                # Not repeated here: a message ends up in logs.
                yield index, "shows a number that may be an AWS account; hide it"


@rule("L308", "no path of one machine in outputs")
def _output_paths(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, text in _texts(lesson):
        if match := MACHINE_PATH.search(text):
            yield index, f"prints {match[0]}, a path of one machine; print a name"


@rule("L309", "of what is new in each run, outputs hold what the sanitise file covers")
def _one_run(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, text in _texts(lesson):
        text = sanitize(text)
        for what, pattern in OF_ONE_RUN.items():
            if match := pattern.search(text):
                yield (
                    index,
                    f"prints {what} ({match[0]}), new in each run; leave it out",
                )


@rule("L310", "a lesson shows a picture, and a cell that draws a figure stores it")
def _missing_figure(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    drawn = {index for index, _ in lessons.figures(lesson.notebook)}
    if not drawn and not any(prose.pictures(c.source) for _, c in lesson.markdown()):
        yield None, "shows no picture; each lesson needs one, also for the index page"
    for index, cell in lesson.code():
        if _draws(cell.source) and index not in drawn:
            yield index, "draws, but no figure is stored; run `make outputs`"


@rule("L311", "a figure can be decoded and is not blank")
def _blank_figure(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, png in lessons.figures(lesson.notebook):
        if reason := what_is_wrong_with(png):
            yield index, f"stores a figure that {reason}; mend the plot"


@rule("L314", "a figure has an alternative text that says what it shows")
def _described_figures(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, alt in lessons.alternative_texts(lesson.notebook):
        if reason := prose.what_is_wrong_with_alt(prose.Picture("figure", alt)):
            yield index, f"draws a figure that {reason}; set its alt, as utils.plots do"


@rule("L312", "the numbers behind a figure are printed or asserted beside it")
def _numbers(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    code = list(lesson.code())
    drawn = {index for index, _ in lessons.figures(lesson.notebook)}
    for position, (index, _) in enumerate(code):
        beside = code[position : position + 2]
        if index in drawn and not any(_gives_a_number(cell) for _, cell in beside):
            yield index, "draws a figure; print or assert its numbers here or next"


@rule("L313", "what is printed is for the reader: no bare True or False")
def _bare_truth(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, text in _texts(lesson):
        if match := BARE_TRUTH.search(text):
            yield index, f'prints "{match[0].strip()}"; say it in words, or assert it'


# --- what the rules share -------------------------------------------------------------


COMPREHENSION = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@cache
def registry_accounts() -> frozenset[str]:
    """Return the accounts of AWS's public image registries, as the SDK lists them."""
    accounts: set[str] = set()

    def collect(value: object) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                if key == "registries":
                    accounts.update(item.values())
                else:
                    collect(item)

    package = Path(str(distribution("sagemaker-core").locate_file("sagemaker/core")))
    for file in package.glob("image_uri_config/*.json"):
        collect(json.loads(file.read_text(encoding="utf-8")))
    return frozenset(accounts)


@cache
def svg_title(path: Path) -> str:
    """Return what an SVG file says of itself, or "" for any other file."""
    if path.suffix != ".svg" or not os.path.exists(path):
        return ""
    title = re.search("<title>(.*?)</title>", path.read_text("utf-8"), re.DOTALL)
    return html.unescape(title[1]) if title else ""


def what_is_wrong_with(png: bytes) -> str:
    """Say what is wrong with a figure: "is blank", ..., or "" for a good one."""
    try:
        image = Image.open(io.BytesIO(png)).convert("RGBA")
    except (OSError, SyntaxError):  # Pillow's errors for a file that is no image
        return "is no picture"
    except Image.DecompressionBombError:
        return "has too many pixels for a page"
    white = Image.new("RGBA", image.size, "white")
    flat = Image.alpha_composite(white, image).convert("RGB")
    if _is_uniform(flat):
        return "is blank"
    width, height = flat.size
    # The axes, labels and ticks stand around the middle; the data is drawn in it.
    middle = (width // 5, height // 5, width * 4 // 5, height * 4 // 5)
    if _is_uniform(flat.crop(middle)):
        return "has nothing drawn in its middle"
    return ""


def _is_uniform(image: Image.Image) -> bool:
    return all(low == high for low, high in image.getextrema())


@cache
def _parse(source: str) -> ast.Module | None:
    """Parse a cell, its `%` and `!` lines included; None if it is no Python."""
    try:
        return ast.parse(TransformerManager().transform_cell(source))
    except SyntaxError:
        return None


def _read_other(path: Path) -> NotebookNode | None:
    """Read another lesson; None if that can't be: its own L001 says so."""
    try:
        return lessons.read(path)
    except lessons.UnreadableNotebook:
        return None


def _nodes(lesson: Lesson, kind: type) -> Iterator[tuple[int, ast.AST]]:
    for index, cell in lesson.code():
        tree = _parse(cell.source)
        for node in ast.walk(tree) if tree else []:
            if isinstance(node, kind):
                yield index, node


def _handlers(lesson: Lesson) -> Iterator[tuple[int, ast.ExceptHandler]]:
    yield from _nodes(lesson, ast.ExceptHandler)


def _imported(lesson: Lesson) -> Iterator[tuple[int, str]]:
    """Yield the module of every import; `from sagemaker import x` as sagemaker.x."""
    for index, node in _nodes(lesson, ast.Import | ast.ImportFrom):
        if isinstance(node, ast.Import):
            yield from ((index, alias.name) for alias in node.names)
        elif node.module == "sagemaker":
            yield from ((index, f"sagemaker.{alias.name}") for alias in node.names)
        else:
            yield index, node.module or ""


def _ends_in_assert(lesson: Lesson, start: int, end: int) -> bool:
    cells = [cell for index, cell in lesson.code() if start <= index < end]
    tree = _parse(cells[-1].source) if cells else None
    return tree is not None and any(isinstance(n, ast.Assert) for n in ast.walk(tree))


def _steps(headings: Sequence[Heading]) -> list[str]:
    """Return the numbered headings of level 2: the spine of the Boston lessons."""
    return [h.text for h in headings if h.level == 2 and re.match(r"\d", h.text)]


def _text_before(lesson: Lesson, index: int) -> str:
    """Return the markdown between a cell and the code before it."""
    text = []
    for cell in reversed(lesson.cells[:index]):
        if cell.cell_type == "code":
            break
        text.insert(0, cell.source)
    return "\n\n".join(text)


def _bound(source: str) -> set[str]:
    """Return the names that a cell gives to values, functions and arguments."""
    names = set()
    tree = _parse(source)
    for node in ast.walk(tree) if tree else []:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.ExceptHandler):
            names.add(node.name)
        elif isinstance(node, ast.alias):
            names.add(node.asname)
    return names


def _outputs(lesson: Lesson) -> Iterator[tuple[int, NotebookNode]]:
    for index, cell in enumerate(lesson.cells):
        for output in cell.get("outputs", []):
            yield index, output


def _texts(lesson: Lesson) -> Iterator[tuple[int, str]]:
    """Yield every text of the outputs: streams, results, tables, tracebacks."""
    for index, output in _outputs(lesson):
        if "text" in output:
            yield index, output.text
        for kind, value in output.get("data", {}).items():
            if not kind.startswith("image/") or kind == "image/svg+xml":
                yield index, value if isinstance(value, str) else json.dumps(value)
        if output.output_type == "error":
            yield index, "\n".join([output.evalue, *output.traceback])


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


def _draws(source: str) -> bool:
    return bool(re.search(r"\bplt\.show\(|\bplt\.subplots\(|\.plot\w*\(", source))


def _gives_a_number(cell: NotebookNode) -> bool:
    tree = _parse(cell.source)
    if tree and any(isinstance(node, ast.Assert) for node in ast.walk(tree)):
        return True
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if "image/png" in data:
            continue
        if re.search(r"\d", output.get("text", "") or data.get("text/plain", "")):
            return True
    return False
