"""What a notebook says of the kernel that runs it.

JupyterLab writes this into a notebook that says less, or something else, and marks it
as changed. What is stored says all that does not depend on the Python; a working copy
also says which version will run it.
"""

from __future__ import annotations

from collections.abc import Collection

import nbformat
from nbformat import NotebookNode

KERNEL = {
    "display_name": "Python 3 (ipykernel)",
    "language": "python",
    "name": "python3",
}
# As ipykernel describes itself, but for the version of Python.
LANGUAGE = {
    "codemirror_mode": {"name": "ipython", "version": 3},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}
# What cells keep. JupyterLab's times of a run, for one, are not stored.
OF_LESSONS = ("tags",)
OF_EXERCISES = ("deletable", "editable", "jupyter", "nbgrader", "tags")


def stored(version: str | None = None) -> NotebookNode:
    """Return a notebook's metadata. version: of the Python that will run it."""
    language = {**LANGUAGE, **({"version": version} if version else {})}
    return nbformat.from_dict({"kernelspec": KERNEL, "language_info": language})


def tidy(notebook: NotebookNode, of_cells: Collection[str]) -> None:
    """Leave only what is stored, in place. of_cells: the keys that cells keep."""
    notebook.metadata = stored()
    for cell in notebook.cells:
        kept = {key: cell.metadata[key] for key in of_cells if key in cell.metadata}
        cell.metadata = nbformat.from_dict({k: v for k, v in kept.items() if v != []})


def text_of(notebook: NotebookNode) -> str:
    """Return a notebook as it is written to a file."""
    return nbformat.writes(notebook).rstrip("\n") + "\n"
