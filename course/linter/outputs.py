"""L3: the outputs that a lesson stores."""

from __future__ import annotations

import ast
import io
import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

from nbformat import NotebookNode
from PIL import Image

from course import lessons, prose
from course.linter.core import Lesson, rule
from course.linter.shared import MACHINE_PATH, parse
from course.sanitize import sanitize

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

WIDEST = 88
LONG = 60  # a name, a path or an address so long can't be broken
# A cell that prints what AWS, boto3 or a log says, as it is said.
QUOTES = re.compile(r"\bexcept\b|\bfailure_reason\b|\b\w*log\w*\(")
MOST_COLUMNS = 8

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


@rule("L315", f"a printed line has {WIDEST} columns at most, or a long name in it")
def _long_lines(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, output in _outputs(lesson):
        source = lesson.cells[index].source
        if output.output_type != "stream" or QUOTES.search(source):
            continue
        for line in output.text.splitlines():
            if len(line) > WIDEST and all(len(word) < LONG for word in line.split()):
                yield index, f"prints a line of {len(line)} columns; print it in two"


@rule("L316", f"a table has {MOST_COLUMNS} columns at most, its index included")
def _wide_tables(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    for index, output in _outputs(lesson):
        # An index with a name has a row of its own in the head.
        head, _, _ = output.get("data", {}).get("text/html", "").partition("</tr>")
        if (columns := head.count("<th>")) > MOST_COLUMNS:
            yield index, f"shows a table of {columns} columns; choose some of them"


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


def _draws(source: str) -> bool:
    return bool(re.search(r"\bplt\.show\(|\bplt\.subplots\(|\.plot\w*\(", source))


def _gives_a_number(cell: NotebookNode) -> bool:
    tree = parse(cell.source)
    if tree and any(isinstance(node, ast.Assert) for node in ast.walk(tree)):
        return True
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if "image/png" in data:
            continue
        if re.search(r"\d", output.get("text", "") or data.get("text/plain", "")):
            return True
    return False
