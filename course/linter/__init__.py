"""The lesson linter: is a stored notebook formed as a lesson of this course must be?

`python -m course lint` checks all lessons; `--rules` lists the codes. A rule is one
function with the decorator `rule`; it yields (cell, message) for each place that breaks
it, where cell is an index from 0 or None for the whole lesson. Nothing is run.

core     what a lesson is here, the table of the rules, and how they are applied
files    L0: the file, its name and its metadata
anatomy  L1: sections, links, pictures, and what is said of AWS
code     L2: the code
outputs  L3: the outputs
"""

# Each of these modules enters its rules into the table, in this order.
from course.linter import files, anatomy, code, outputs  # isort: skip
from course.linter.anatomy import PICTURES
from course.linter.code import FIRST_CELL
from course.linter.core import RULES, Problem, lint, lint_lessons, rules_table
from course.linter.outputs import registry_accounts, what_is_wrong_with

__all__ = [
    "FIRST_CELL",
    "PICTURES",
    "RULES",
    "Problem",
    "anatomy",
    "code",
    "files",
    "lint",
    "lint_lessons",
    "outputs",
    "registry_accounts",
    "rules_table",
    "what_is_wrong_with",
]
