"""Old spellings of the SageMaker Python SDK (v1, v2) in somebody's notebook.

`python -m course migrate FILE` lists them with what is written today. It reads code as
Python does, by its syntax tree, and knows which object is an estimator and which is
not; so `fit` of a scikit-learn model is none.

spellings.toml  the old spellings, what is written today, and why
spellings       the same as objects, and as the tables of appendix A
cells           the code of a notebook or a Python file, with its lines
tracing         what the names in it stand for
finding         where it uses an old spelling
moved           where v3 has what it imports
command         the command
"""

from course.migration.cells import Cell, Unreadable, read
from course.migration.finding import Finding, find
from course.migration.spellings import SPELLINGS, STEPS, Spelling, table

__all__ = [
    "SPELLINGS",
    "STEPS",
    "Cell",
    "Finding",
    "Spelling",
    "Unreadable",
    "find",
    "read",
    "table",
]
