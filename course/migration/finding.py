"""Where a program uses old spellings."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from course.migration.cells import Cell, as_python
from course.migration.spellings import Spelling, Table, load
from course.migration.tracing import SOMETHING, Function, Names, Thing

# Calls that may install packages; the first are what IPython makes of `!` and `%`.
SHELL = {
    *("system", "getoutput", "run_line_magic", "run_cell_magic"),
    *("call", "check_call", "check_output", "run", "Popen"),  # of subprocess
}
PACKAGE = re.compile(
    r"(?<![\w.-])sagemaker(?:\[[\w, -]*\])?\s*(?P<bounds>[=<>~!][^\s\"']*)"
)
# Python in a line for the shell: {estimator.model_data}, or $estimator.model_data.
IN_SHELL = re.compile(r"\{([^{}]+)\}|\$([A-Za-z_][\w.]*)")
MOST_BROKEN_LINES = 20  # of a cell; one with more is no Python
# In 3.14, `except Exception, e:` of Python 2 is syntax again, and means another thing.
NEWEST_SYNTAX = (3, 13)


@dataclass(frozen=True)
class Finding:
    """A place at which a program uses an old spelling."""

    cell: Cell
    line: int
    code: str
    spelling: Spelling
    name: str = ""  # with its packages, where it is a name that is old


@dataclass(frozen=True)
class Found:
    """All that was found. unread: (cell, lines) of what is no Python."""

    findings: list[Finding] = field(default_factory=list)
    unread: list[tuple[Cell, list[int]]] = field(default_factory=list)


def find(cells: Sequence[Cell], table: Table | None = None) -> Found:
    """Find the old spellings in code, in the order in which it stands there."""
    table = table or load()
    finder, unread = _Finder(table), []
    for index, cell in enumerate(cells):
        tree, broken = parse(cell)
        if broken:
            unread.append((cell, [line + cell.first_line - 1 for line in broken]))
        if cell.apart:
            alone = _Finder(table)
            alone.read(index, cell, tree)
            alone.read_functions_again()
            finder.places |= alone.places
        else:
            finder.read(index, cell, tree)
    finder.read_functions_again()
    findings = [finder.places[key] for key in sorted(finder.places)]
    return Found(findings, unread)


def parse(cell: Cell) -> tuple[ast.Module, list[int]]:
    """Parse a cell; what can't be is left out, and its lines are returned.

    A single line is taken out at a time, such as `print x` of Python 2. If that does
    not help, each statement that begins at the left is parsed by itself.
    """
    lines = cell.source.split("\n")
    broken: list[int] = []
    while len(broken) <= MOST_BROKEN_LINES:
        tree, line = _tried(lines, cell.number)
        if tree is not None:
            return tree, sorted(broken)
        if line in broken or not 0 < line <= len(lines):
            break
        broken.append(line)
        indentation = re.match(r"\s*", lines[line - 1])[0]
        lines[line - 1] = f"{indentation}pass"
    return _by_statements(cell)


def _tried(lines: list[str], number: int | None) -> tuple[ast.Module | None, int]:
    """Parse lines; if they are no Python, None and the line that is wrong, or 0."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SyntaxWarning: of old escapes
            text = as_python(Cell("\n".join(lines), number))
            return ast.parse(text, feature_version=NEWEST_SYNTAX), 0
    except SyntaxError as error:
        return None, error.lineno or 0
    except (ValueError, RecursionError, MemoryError):  # ast's for odd texts
        return None, 0


def _by_statements(cell: Cell) -> tuple[ast.Module, list[int]]:
    """Parse what begins at the left, one after the other; leave out what can't be."""
    lines = cell.source.split("\n")
    left = {i for i, line in enumerate(lines) if re.match(r"[^\s)\]}#]", line)}
    starts = sorted(left | {0})
    module, broken = ast.Module([], []), []
    for start, end in pairwise([*starts, len(lines)]):
        tree, _ = _tried(lines[start:end], cell.number)
        if tree is None:
            broken += range(start + 1, end + 1)
        else:
            module.body += ast.increment_lineno(tree, start).body
    return module, broken


class _Finder(ast.NodeVisitor):
    """Walks through cells, one after the other."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.names = Names(table)
        self.places: dict[tuple[int, int, int, str], Finding] = {}
        self.told: set[tuple[int, int, str, str]] = set()  # in which line, which row
        self.functions: list[tuple[int, Cell, Function]] = []
        self.at: tuple[int, Cell] = (0, Cell(""))
        self.called: ast.expr | None = None
        self.imported = False  # whether anything of the SDK has been
        self.returned: list[Thing] = []
        self.inside: list[Function] = []  # what is being walked through

    def read(self, index: int, cell: Cell, tree: ast.Module) -> None:
        """Walk through a cell."""
        self.at = (index, cell)
        self.visit(tree)

    def read_functions_again(self) -> None:
        """Walk through functions with the names that are there when all has run.

        A function may use what a later cell makes, and what it is called with.
        """
        at_the_end = dict(self.names.known)
        for index, cell, function in list(self.functions):
            self.at = (index, cell)
            self.names.known = dict(at_the_end)
            self._inside(function)

    # --- what is reported -------------------------------------------------------------

    def report_name(self, name: str, node: ast.AST, code: str = "") -> None:
        self.report(self.table.by_name(name), node, code, name)

    def report(
        self, spelling: Spelling | None, node: ast.AST, code: str = "", name: str = ""
    ) -> None:
        if spelling is None:
            return
        index, cell = self.at
        attribute = isinstance(node, ast.Attribute)
        line = (node.end_lineno if attribute else node.lineno) + cell.first_line - 1
        key = (index, line, node.col_offset, spelling.id)
        # Each name of an import that has moved has a place of its own today.
        imported = name if spelling.moved and code.startswith("from ") else ""
        if (told := (index, line, spelling.id, imported)) not in self.told:
            self.told.add(told)
            text = " ".join((code or ast.unparse(node)).split())
            self.places[key] = Finding(cell, line, text, spelling, name)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            first = alias.name.partition(".")[0]
            name = alias.name if alias.asname else first
            self.names.known[alias.asname or first] = Thing(name=name)
            self.imported |= first == "sagemaker"
            self.report_name(alias.name, alias, f"import {alias.name}")

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = "." * node.level + (node.module or "")
        self.imported |= module.partition(".")[0] == "sagemaker"
        for alias in node.names:
            name = module if alias.name == "*" else f"{module}.{alias.name}"
            if alias.name == "*":
                self.names.stars.append(module)
            else:
                self.names.known[alias.asname or alias.name] = Thing(name=name)
            self.report_name(name, alias, f"from {module} import {alias.name}")

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load) and (name := self.names.of(node).name):
            self.report_name(name, node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        kind, row, name = self.names.kind_of(node.value), None, ""
        if kind or (node is self.called and self._may_be_the_sdks(node.value)):
            row = self.table.by_attribute(kind, node.attr)
        if row is None and (name := self.names.of(node).name or ""):
            row = self.table.by_name(name)
        if row is None:
            self.visit(node.value)
        else:
            self.report(row, node, name=name)
            self._visit_unless_a_name(node.value)

    def _may_be_the_sdks(self, node: ast.expr) -> bool:
        return self.imported and self.names.is_unknown(node)

    def _visit_unless_a_name(self, node: ast.expr) -> None:
        """In `sagemaker.estimator.Estimator`, one finding is enough."""
        while isinstance(node, ast.Attribute):
            node = node.value
        if not isinstance(node, ast.Name):
            self.visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        called = self.names.of(node.func)
        kind = self._kind_of_call(node)
        if called.function is not None:
            self._note_arguments(called.function, node)
        elif kind or (self.imported and called.name is None):
            makes = self.names.kind_of(node.func) is not None
            for keyword in node.keywords:
                self._argument(kind, keyword, makes)
        attribute = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if attribute == "append" and node.args:
            self.names.holds(node.func.value, self.names.of(node.args[0]))
        if attribute in SHELL:
            self._packages(node)
        if ast.unparse(node.func).startswith("get_ipython()."):
            self._in_shell(node)
        outer, self.called = self.called, node.func
        self.visit(node.func)
        self.called = outer
        for part in [*node.args, *node.keywords]:
            self.visit(part)

    def _kind_of_call(self, node: ast.Call) -> str | None:
        """Say of which kind the object is that a call makes, or whose method it is."""
        if kind := self.names.kind_of(node.func):
            return kind
        if isinstance(node.func, ast.Attribute):
            return self.names.kind_of(node.func.value)
        return None

    def _argument(self, kind: str | None, keyword: ast.keyword, makes: bool) -> None:
        if keyword.arg is None:
            return
        self.report(self.table.by_argument(kind, keyword.arg, makes), keyword)
        for part in ast.walk(keyword.value) if kind else []:
            if isinstance(part, ast.Constant):
                row = self.table.by_value(kind, keyword.arg, part.value)
                self.report(row, keyword)

    def _note_arguments(self, function: Function, node: ast.Call) -> None:
        """Note what a function is called with, and what it returns then."""
        parameters = [*function.args.posonlyargs, *function.args.args]
        passed = self.names.passed.setdefault(function, {})
        before = dict(passed)
        named = {item.arg: item.value for item in node.keywords if item.arg}
        given = zip((item.arg for item in parameters), node.args, strict=False)
        for name, value in [*given, *named.items()]:
            if (thing := self.names.of(value)) != SOMETHING:
                passed[name] = thing
        if passed != before and function not in self.inside:
            at, known = self.at, dict(self.names.known)
            self.at = next(item[:2] for item in self.functions if item[2] is function)
            self._inside(function)
            self.at, self.names.known = at, known

    def _in_shell(self, node: ast.Call) -> None:
        """Walk through the Python that IPython puts into a `!` or `%` line."""
        for match in IN_SHELL.finditer(_texts_in(node)):
            try:
                part = ast.parse(match[1] or match[2], mode="eval").body
            except SyntaxError:  # the braces are the shell's own
                continue
            for inner in ast.walk(part):
                ast.copy_location(inner, node)
            self.visit(part)

    def _packages(self, node: ast.Call) -> None:
        """Find the SDK among the packages that pip is to install."""
        text = _texts_in(node)
        if not re.search(r"\bpip3?\b.*\binstall\b", text, re.DOTALL):
            return
        for match in PACKAGE.finditer(text):
            if major := _old_version(match["bounds"]):
                code = f"pip install sagemaker{match['bounds']}"
                self.report(self.table.by_package(major), node, code)

    def visit_Dict(self, node: ast.Dict) -> None:
        for key in node.keys if self.imported else []:
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                self.report(self.table.by_argument(None, key.value), key)
        self.generic_visit(node)

    # --- what the names stand for -----------------------------------------------------

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self._assign(target, node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
            self._assign(node.target, node.value)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self._assign(node.target, node.value)

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        self.visit(target)
        # `estimator = None` says that one will come, or that it has been used.
        if not (isinstance(value, ast.Constant) and value.value is None):
            self.names.bind(target, self.names.of(value))

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        self.names.bind(node.target, self.names.element_of(node.iter))
        self._ways(node.body, node.orelse)

    visit_AsyncFor = visit_For

    def visit_While(self, node: ast.While | ast.If) -> None:
        self.visit(node.test)
        self._ways(node.body, node.orelse)

    visit_If = visit_While

    def visit_Try(self, node: ast.Try) -> None:
        self._ways(node.body, *(handler.body for handler in node.handlers))
        self._all([*node.orelse, *node.finalbody])

    def visit_With(self, node: ast.With | ast.AsyncWith) -> None:
        for item in node.items:
            self.visit(item.context_expr)
            if item.optional_vars is not None:
                self._assign(item.optional_vars, item.context_expr)
        self._all(node.body)

    visit_AsyncWith = visit_With

    def _ways(self, *bodies: list[ast.stmt]) -> None:
        """Walk through bodies of which one runs, or several one after the other."""
        before, after = dict(self.names.known), []
        for body in bodies:
            self.names.known = dict(before)
            self._all(body)
            after.append(self.names.known)
        self.names.known = after[0]
        for other in after[1:]:
            self.names.merge(other)

    def _all(self, body: list[ast.stmt]) -> None:
        for statement in body:
            self.visit(statement)

    def visit_Return(self, node: ast.Return) -> None:
        self.generic_visit(node)
        self.returned.append(self.names.of(node.value))

    def visit_FunctionDef(self, node: Function) -> None:
        for part in [*node.decorator_list, node.args]:
            self.visit(part)
        self.names.known[node.name] = Thing(function=node)
        self.functions.append((*self.at, node))
        before = dict(self.names.known)
        self._inside(node)
        # What a class's methods share, and what is global.
        shared = {
            name
            for n in ast.walk(node)
            if isinstance(n, ast.Global)
            for name in n.names
        }
        known = self.names.known.items()
        kept = {k: v for k, v in known if k.startswith("self.") or k in shared}
        self.names.known = before | kept

    visit_AsyncFunctionDef = visit_FunctionDef

    def _inside(self, function: Function) -> None:
        """Walk through a function's body and note what it returns."""
        every = function.args
        passed = self.names.passed.get(function, {})
        parameters = [*every.posonlyargs, *every.args, *every.kwonlyargs]
        for item in [*parameters, every.vararg, every.kwarg]:
            if item is not None:
                annotated = self.names.kind_of(item.annotation)
                thing = Thing(kind=annotated) if annotated else SOMETHING
                self.names.known[item.arg] = passed.get(item.arg, thing)
        outer, self.returned = self.returned, []
        self.inside.append(function)
        self._all(function.body)
        self.inside.pop()
        given = next((t for t in self.returned if t != SOMETHING), SOMETHING)
        self.names.results[function], self.returned = given, outer

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.generic_visit(node)
        # What is derived from one of the SDK's classes makes objects like it.
        kinds = [self.names.kind_of(base) for base in node.bases]
        makes = next((kind for kind in kinds if kind), None)
        self.names.known[node.name] = Thing(makes=makes)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        before = dict(self.names.known)
        for item in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]:
            self.names.known[item.arg] = SOMETHING
        self.generic_visit(node)
        self.names.known = before

    def _visit_comprehension(self, node: ast.AST) -> None:
        before = dict(self.names.known)
        for generator in node.generators:
            self.visit(generator.iter)
            self.names.bind(generator.target, self.names.element_of(generator.iter))
        self.generic_visit(node)
        self.names.known = before

    visit_ListComp = visit_SetComp = visit_DictComp = _visit_comprehension
    visit_GeneratorExp = _visit_comprehension


def _texts_in(node: ast.Call) -> str:
    """Join all texts that a call is given."""
    texts = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)]
    return " ".join(text for text in texts if isinstance(text, str))


def _old_version(bounds: str) -> str | None:
    """Say which old version of the SDK these bounds lead to: "1", "2" or None."""
    for bound in bounds.split(","):
        match = re.match(r"(==|~=|<=?)\s*v?(\d+)(\.\d+)*(.*)", bound.strip())
        if match is None:
            continue
        major = int(match[2])
        if match[1] == "<" and not re.search(r"\.[1-9]", bound):
            major -= 1  # <3 and <3.0 lead to 2
        if 1 <= major < 3:
            return str(major)
    return None
