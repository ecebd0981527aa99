"""Who imports whom inside local_aws is what CONTRIBUTING.md says."""

import ast
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

from course.install import ROOT
from local_aws.services import Service

PACKAGE = ROOT / "local_aws"


def permitted() -> dict[str, set[str]]:
    """Each room and the rooms that it may import, from CONTRIBUTING.md."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)/` \| .*? \|(.*)\|$", text, re.MULTILINE)
    return {room: set(re.findall(r"`(\w+)`", others)) for room, others in rows}


def imported_rooms(code: str) -> set[str]:
    """The packages of local_aws that a module imports, but for annotations only."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    parts = [module.split(".") for module in modules]
    inside = {part[1] for part in parts if part[0] == "local_aws" and len(part) > 1}
    return {name for name in inside if (PACKAGE / name).is_dir()}


def rooms() -> list[str]:
    return sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


def modules_of(room: str) -> list[Path]:
    return sorted((PACKAGE / room).rglob("*.py"))


TABLE = "the table of rooms in CONTRIBUTING.md says otherwise"


def test_every_room_is_in_the_table() -> None:
    assert sorted(permitted()) == rooms(), TABLE


@pytest.mark.parametrize("room", rooms())
def test_a_room_imports_the_rooms_that_it_may(room: str) -> None:
    for path in modules_of(room):
        others = imported_rooms(path.read_text(encoding="utf-8")) - {room}
        assert others <= permitted().get(room, set()), f"{path}: {TABLE}"


def test_no_room_is_permitted_what_it_does_not_import() -> None:
    for room, others in permitted().items():
        texts = [path.read_text(encoding="utf-8") for path in modules_of(room)]
        assert set().union(*map(imported_rooms, texts)) - {room} == others, room


def test_the_rooms_have_an_order() -> None:
    """No room is imported, in however many steps, by one that it imports."""
    left = permitted()
    while left:
        lowest = [room for room, others in left.items() if not others & set(left)]
        assert lowest, f"a circle among {sorted(left)}"
        for room in lowest:
            del left[room]


def test_a_container_imports_nothing_outside_its_room() -> None:
    for path in modules_of("containers"):
        code = path.read_text(encoding="utf-8")
        found = set(re.findall(r"(?:from|import) (local_aws(?:\.\w+)?)", code))
        assert found <= {"local_aws.containers"}, path


def test_the_examples_are_the_code() -> None:
    """But for two of the four additions: a row and a class that could be added."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (spelling,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert spelling in (ROOT / "course/migration/spellings.toml").read_text("utf-8")
    text = text.partition("\n## Four additions")[2].partition("\n## ")[0]
    *examples, row, own = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    code = [" ".join(path.read_text("utf-8").split()) for path in PACKAGE.rglob("*.py")]
    assert len(examples) == 2
    for example in examples:
        words = " ".join(example.split())
        assert [module for module in code if words in module], example
    service = eval(row, {"Service": Service})
    assert service.protocols
    assert pkgutil.resolve_name(f"local_aws.{service.responder}")
    compile(own, "CONTRIBUTING.md", "exec")


def test_the_commands_run_something() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    commands = re.findall(r"-m (pytest .*?) +#", text)
    assert len(commands) == 2
    for command in commands:
        arguments = [*command.split(), "--collect-only", "-q", "-p", "no:cacheprovider"]
        done = subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, check=False)
        assert done.returncode == 0, command


def test_an_import_is_found() -> None:
    code = (
        "from local_aws import jobs, errors\n"
        "def f():\n    import local_aws.hosting.engine\n"
        "if TYPE_CHECKING:\n    from local_aws.server.body import Body\n"
    )
    assert imported_rooms(code) == {"jobs", "hosting"}
