"""The rooms of the package: each imports only from the rooms before it, and none is too large to be read."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "asyncthink"
# Ground floor first. The science ends with `reporting`; after it comes what serves people and workflow tools.
ROOMS = (
    *("errors", "settings", "files", "locks", "progress", "randomness"),
    *("protocol", "schedule", "episode", "rewards", "terminal"),
    *("tasks", "models", "engines", "thinking", "synthesis", "training", "evaluation", "reporting"),
    *("config", "workflow", "cli"),
)
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
LONGEST_FUNCTION, LONGEST_FILE = 60, 400


def room(path: Path) -> str:
    return path.with_suffix("").parts[0]


def imported(path: Path) -> set[str]:
    """The rooms that a module imports from, at any depth of its code."""
    rooms = set()
    for node in ast.walk(ast.parse((PACKAGE / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            rooms |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("asyncthink.")}
        elif isinstance(node, ast.ImportFrom) and node.module == "asyncthink":
            rooms |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("asyncthink."):
            rooms.add(node.module.split(".")[1])
    return rooms


@pytest.mark.parametrize("path", [path for path in MODULES if not room(path).startswith("__")], ids=str)
def test_a_room_imports_only_from_itself_and_the_rooms_before_it(path):
    before = ROOMS[: ROOMS.index(room(path)) + 1]
    assert imported(path) <= set(before)


def test_every_room_has_its_place():
    assert {room(path) for path in MODULES} - {"__init__", "__main__"} == set(ROOMS)


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_file_is_one_idea_and_a_function_fits_on_a_screen(path):
    text = (PACKAGE / path).read_text(encoding="utf-8")
    assert text.count("\n") <= LONGEST_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < LONGEST_FUNCTION, node.name
