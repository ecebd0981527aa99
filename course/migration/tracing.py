"""What the names of a program stand for, as far as old spellings go.

A notebook runs from top to bottom, so it is read like that: an import or an assignment
says what a name stands for until the next one. Nothing is run or imported.
"""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass, replace

from course.migration.spellings import Table

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Thing:
    """What an expression stands for; all of it None for something else.

    name: of a module, a class or a function, with its package. kind: of an object that
    one of the SDK's classes has made. makes: the kind of the objects of a class that is
    derived from such a one here. items: what a container holds. parts: the values
    of a tuple. function: one that is defined here.
    """

    name: str | None = None
    kind: str | None = None
    makes: str | None = None
    items: Thing | None = None
    parts: tuple[Thing, ...] = ()
    function: Function | None = None


SOMETHING = Thing()


class Names:
    """The names of a program at one point, and what they stand for.

    Attributes and items that were assigned to count as names: `self.estimator`.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        self.known: dict[str, Thing] = {}
        self.stars: list[str] = []  # modules of which all names were imported
        self.results: dict[Function, Thing] = {}  # of functions that are defined here
        self.passed: dict[Function, dict[str, Thing]] = {}  # what they were called with

    def bind(self, target: ast.expr, value: Thing) -> None:
        """Note what a target of an assignment stands for from now on."""
        if isinstance(target, ast.Tuple | ast.List):
            parts = value.parts or (value.items or SOMETHING,) * len(target.elts)
            for element, part in zip(target.elts, parts, strict=False):
                self.bind(element, part)
        elif isinstance(target, ast.Starred):
            self.bind(target.value, SOMETHING)
        else:
            self.known[ast.unparse(target)] = value
            if isinstance(target, ast.Subscript):
                self.holds(target.value, value)

    def holds(self, container: ast.expr, value: Thing) -> None:
        """Note what a container holds."""
        before = self.known.get(ast.unparse(container), SOMETHING)
        if value.kind:
            self.known[ast.unparse(container)] = replace(before, items=value)

    def merge(self, other: dict[str, Thing]) -> None:
        """Take from another way through the program what is unknown on this one."""
        for key, thing in other.items():
            if self.known.get(key, SOMETHING) == SOMETHING:
                self.known[key] = thing

    def of(self, node: ast.expr | None) -> Thing:
        """Say what an expression stands for."""
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
            return self._of_name(node)
        if isinstance(node, ast.Call):
            return self._of_call(node)
        if isinstance(node, ast.Await | ast.NamedExpr):
            return self.of(node.value)
        if isinstance(node, ast.IfExp):
            return self._first(node.body, node.orelse)
        if isinstance(node, ast.BoolOp):
            return self._first(*node.values)
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            parts = tuple(self.of(element) for element in node.elts)
            return Thing(parts=parts, items=self._first(*node.elts))
        if isinstance(node, ast.Dict):
            return Thing(items=self._first(*node.values))
        if isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp):
            return Thing(items=self.of(node.elt))
        if isinstance(node, ast.DictComp):
            return Thing(items=self.of(node.value))
        return SOMETHING

    def element_of(self, node: ast.expr) -> Thing:
        """Say what a loop over an expression gives, one after the other."""
        if not isinstance(node, ast.Call):
            return self.of(node).items or SOMETHING
        if isinstance(node.func, ast.Attribute):
            held = self.of(node.func.value).items or SOMETHING
            if node.func.attr == "items":
                return Thing(parts=(SOMETHING, held))
            return held if node.func.attr == "values" else SOMETHING
        function = node.func.id if isinstance(node.func, ast.Name) else ""
        if function == "enumerate" and node.args:
            return Thing(parts=(SOMETHING, self.element_of(node.args[0])))
        if function == "zip":
            return Thing(parts=tuple(self.element_of(item) for item in node.args))
        return self.of(node).items or SOMETHING

    def is_unknown(self, node: ast.expr) -> bool:
        """Say whether nothing is known of an expression, so that it may be anything."""
        thing = self.of(node)
        return thing == replace(SOMETHING, items=thing.items, parts=thing.parts)

    def _first(self, *nodes: ast.expr | None) -> Thing:
        things = [self.of(node) for node in nodes]
        return next((thing for thing in things if thing != SOMETHING), SOMETHING)

    def _of_name(self, node: ast.Name | ast.Attribute | ast.Subscript) -> Thing:
        if (known := self.known.get(ast.unparse(node))) is not None:
            return known
        if isinstance(node, ast.Name):
            return self._from_star(node.id)
        base = self.of(node.value)
        if isinstance(node, ast.Subscript):
            return base.items or SOMETHING
        if base.name:
            return Thing(name=f"{base.name}.{node.attr}")
        held = self.table.holds.get((base.kind, node.attr))
        return Thing(kind=held) if held else SOMETHING

    def _from_star(self, name: str) -> Thing:
        """Take a name that nothing else explains for one of `from module import *`."""
        if hasattr(builtins, name):
            return SOMETHING
        for module in reversed(self.stars):
            row = self.table.by_name(f"{module}.{name}")
            if row and (name[0].isupper() or f"{module}.{name}" in row.names):
                return Thing(name=f"{module}.{name}")
        return SOMETHING

    def _of_call(self, node: ast.Call) -> Thing:
        called = self.of(node.func)
        if called.function is not None:
            return self.results.get(called.function, SOMETHING)
        if kind := self.made_by(called):
            return Thing(kind=kind)
        if isinstance(node.func, ast.Attribute):
            kind = self.kind_of(node.func.value)
            made = self.table.returns.get((kind, node.func.attr))
            return Thing(kind=made) if made else SOMETHING
        return SOMETHING

    def kind_of(self, node: ast.expr) -> str | None:
        """Say of which kind an object is, or the objects of a class."""
        thing = self.of(node)
        return thing.kind or self.made_by(thing)

    def made_by(self, thing: Thing) -> str | None:
        """Say of which kind the objects are that a class makes."""
        return thing.makes or (thing.name and self.table.kind_of_class(thing.name))
