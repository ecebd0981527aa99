"""L2: the code of a lesson."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from course.linter.core import Lesson, rule
from course.linter.shared import MACHINE_PATH, parse
from course.migration import Cell, find

MAX_LINES = 20

MAX_COLUMNS = 88

# The lesson that is about old spellings; it shows them where they fail, in a `try`.
ON_OLD_SPELLINGS = "A"

NOT_FOR_LESSONS = {
    "local_aws",
    "course",
    "tests",
    "mock",
    "pytest",
    "moto",
    "papermill",
}

# The first code cell of every lesson.
FIRST_CELL = """import sys

sys.path.insert(0, "..")  # the course's own helper, utils, is one folder up

from utils import check_versions

check_versions()"""

# What a reader imports, here or elsewhere: a variable of the same name would hide it. A
# module that few know (token, chunk, ...) is not worth a worse name for a variable.
PACKAGE_LIST = """
base64 boto3 botocore calendar collections csv datetime email html http io itertools
json logging math matplotlib numpy os pandas pathlib pickle random re sagemaker scipy
shutil sklearn statistics string struct subprocess sys tarfile tempfile time types
urllib utils uuid xgboost zipfile
"""

PACKAGES = frozenset(PACKAGE_LIST.split())

COMPREHENSION = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@rule("L201", "the first code cell is the short one that all lessons have")
def _first_cell(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    mine = next(lesson.code(), None)
    if mine is None:
        yield None, "has no code"
    elif mine[1].source.strip() != FIRST_CELL:
        yield (
            mine[0],
            "is not the course's first code cell (linter.code.FIRST_CELL)",
        )


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
        if parse(cell.source) is None:
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
    cells = [Cell(cell.source, index) for index, cell in lesson.code()]
    shown = set(_tried(lesson)) if lesson.number == ON_OLD_SPELLINGS else set()
    for found in find(cells).findings:
        if (found.cell.number, found.line) not in shown:
            today = f"{found.spelling.imports}; {found.spelling.v3}".removeprefix("; ")
            message = f"writes {found.code} as in SDK v1 or v2; today it is {today}"
            yield found.cell.number, message
    for index, node in _nodes(lesson, ast.Import):
        empty = any(alias.name == "sagemaker" for alias in node.names)
        if empty and (index, node.lineno) not in shown:
            yield index, "imports sagemaker, in which v3 has nothing; name a package"


def _tried(lesson: Lesson) -> Iterator[tuple[int, int]]:
    """Yield the lines (cell, line) that are tried and may fail."""
    for index, node in _nodes(lesson, ast.Try):
        for statement in node.body:
            for line in range(statement.lineno, statement.end_lineno + 1):
                yield index, line


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


def _nodes(lesson: Lesson, kind: type) -> Iterator[tuple[int, ast.AST]]:
    for index, cell in lesson.code():
        tree = parse(cell.source)
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
    tree = parse(source)
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
