"""Running the cells of a notebook again, as a learner does in the middle of a lesson.

Each cell runs twice in a row, and a section none of whose cells minded it runs as a
whole once more. A cell that is run again has to give the same outputs, apart from what
the sanitise file covers. There are two exceptions, and both have to be told:

- AWS refuses: a name is in use, say, or a thing has gone. Then a paragraph in some text
  before the cell, or in the one after it, names the error's code in backticks and says
  that this happens the second time. The code ValidationException alone says too little:
  there the paragraph also has the first words of the message.
- The outputs are others. Then the text beside the cell, or the new output itself, says
  something of running it again.
"""

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass

from nbclient import NotebookClient
from nbformat import NotebookNode

from course import prose
from course.exercises import named
from course.lessons import headings
from course.sanitize import patterns, sanitize

REFUSED = re.compile(
    r"An error occurred \((?P<code>\w+)\) when calling the \w+ operation"
    r"(?: \([^)]*\))?: (?P<message>.*)",
    re.DOTALL,
)
AGAIN = r"again|twice|once more|(?:a|the) second time"
# What a clean-up finds to delete, it finds once.
DELETED = re.compile(
    r"(?m)^Deleted: <number> objects in S3, \d+ files on this machine\.$"
)
# The second is what `connect` says.
IS_RUN_AGAIN = re.compile(rf"\brun\b[^.]*\b(?:{AGAIN})\b|\ba new run\b", re.IGNORECASE)


class FirstRunFails(Exception):
    """A cell fails before anything has been run again."""


@dataclass
class Runner:
    """Runs the cells of a notebook in one kernel."""

    notebook: NotebookNode
    client: NotebookClient

    def outputs(self, index: int) -> list[NotebookNode]:
        """Run a cell; return its outputs, an error's among them."""
        cell = copy.deepcopy(self.notebook.cells[index])
        cell.outputs = []
        self.client.execute_cell(cell, index)
        return cell.outputs


def what_is_wrong(notebook: NotebookNode, folder: str) -> list[str]:
    """Run a notebook's cells again; return what a learner would stumble over."""
    client = NotebookClient(
        copy.deepcopy(notebook),
        timeout=600,
        kernel_name="python3",
        allow_errors=True,
        resources={"metadata": {"path": folder}},
    )
    runner, wrong = Runner(notebook, client), []
    with client.setup_kernel():
        for section in sections(notebook):
            minded = False
            first = {}
            for index in section:
                first[index] = runner.outputs(index)
                if error := error_of(first[index]):
                    where = named(notebook.cells[index], index)
                    raise FirstRunFails(f"{where} fails: {error}")
                second = runner.outputs(index)
                minded |= as_compared(second) != as_compared(first[index])
                wrong += problems(notebook, index, first[index], second)
            for index in [] if minded else section:
                third = runner.outputs(index)
                if as_compared(third) != as_compared(first[index]):
                    where = named(notebook.cells[index], index)
                    wrong.append(
                        f"{where} gives other outputs when its section is run again"
                    )
    return wrong


def sections(notebook: NotebookNode) -> Iterator[list[int]]:
    """Yield the code cells of each section of level 2, by their indexes."""
    begins = {item.cell for item in headings(notebook) if item.level <= 2}
    section: list[int] = []
    for index, cell in enumerate(notebook.cells):
        if index in begins:
            yield section
            section = []
        if cell.cell_type == "code" and cell.source.strip():
            section.append(index)
    yield section


def as_compared(outputs: list[NotebookNode]) -> list[tuple[str, str]]:
    """Return the texts of outputs, sanitised; of a figure it is what it shows."""
    texts: list[tuple[str, str]] = []
    for output in outputs:
        if output.output_type == "error":
            texts.append(("error", f"{output.ename}: {output.evalue}"))
        elif "text" in output:
            # What is printed arrives in pieces, now in more, now in fewer.
            before = texts.pop()[1] if texts and texts[-1][0] == output.name else ""
            texts.append((output.name, before + output.text))
        else:
            texts += [(k, str(v)) for k, v in output.data.items() if k != "image/png"]
    pairs = patterns()
    cleaned = [(kind, sanitize(text, pairs)) for kind, text in texts]
    return [(kind, DELETED.sub("Deleted.", text)) for kind, text in cleaned]


def error_of(outputs: list[NotebookNode]) -> str:
    """Return the error among the outputs of a cell, or ""."""
    errors = [text for kind, text in as_compared(outputs) if kind == "error"]
    return errors[0] if errors else ""


def problems(
    notebook: NotebookNode,
    index: int,
    first: list[NotebookNode],
    second: list[NotebookNode],
) -> list[str]:
    """Say what is wrong with a cell that was run again, if anything is."""
    if as_compared(first) == as_compared(second):
        return []
    where = named(notebook.cells[index], index)
    error = error_of(second)
    if not error:
        said = [*texts_beside(notebook, index), *dict(as_compared(second)).values()]
        if IS_RUN_AGAIN.search(" ".join(said)):
            return []
        return [f"{where}, run again, gives other outputs, and no text says so"]
    refused = REFUSED.search(error)
    if not refused:
        return [f"{where}, run again, fails: {error[:200]}"]
    if is_told(refused, texts_up_to(notebook, index)):
        return []
    return [f"{where}, run again, is refused, and no text says so: {error[:200]}"]


def is_told(refused: re.Match, texts: list[str]) -> bool:
    """Tell whether a paragraph says that this happens when a cell is run again."""
    wanted = [f"`{refused['code']}`"]
    if refused["code"] == "ValidationException":
        wanted.append(" ".join(refused["message"].split()[:2]))
    for text in texts:
        for paragraph in prose.paragraphs(text):
            paragraph = " ".join(paragraph.split())
            again = re.search(rf"\b(?:{AGAIN})\b", paragraph, re.IGNORECASE)
            if again and all(part in paragraph for part in wanted):
                return True
    return False


def texts_beside(notebook: NotebookNode, index: int) -> list[str]:
    """Return the texts between a cell and the code cells before and after it."""
    texts = []
    for cells in (reversed(notebook.cells[:index]), notebook.cells[index + 1 :]):
        for cell in cells:
            if cell.cell_type == "code":
                break
            texts.append(cell.source)
    return texts


def texts_up_to(notebook: NotebookNode, index: int) -> list[str]:
    """Return all texts before a cell, and those right after it."""
    before = [cell for cell in notebook.cells[:index] if cell.cell_type == "markdown"]
    return [cell.source for cell in before] + texts_beside(notebook, index)
