"""The layout of the house: imports go one way, no folder or file outgrows its room."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PRODUCT = ("credit_model", "deployments", "flows", "images", "sandbox", "tasks")
MOST_MODULES = 15
MOST_LINES = 400
# Rooms from the ground up; rooms of one row do not know each other.
DIRECTIONS = {
    "credit_model": (
        "errors parallel types",
        "settings",
        "contract",
        "data metrics",
        "calibration explain features trees",
        "bundle",
        "policy",
        "scoring",
        "evaluation",
        "report",
        "training",
        "simulation",
        "gate monitoring",
        "cli",
        "__main__",
    ),
    "tasks": (
        "assets errors events naming s3",
        "settings steps",
        "layout",
        "run",
        "lake",
        "sagemaker",
        "batch gate monitor release trigger",
        "recovery",
    ),
    "images/serve": (
        "errors logs metrics online prediction_log settings",
        "engine",
        "protocols",
        "http",
        "__main__",
    ),
}
# What each top-level package may import of the others.
MAY_IMPORT = {
    "credit_model": set(),
    "tasks": {"credit_model"},
    "flows": {"credit_model", "tasks"},
    "images": {"credit_model"},
    "deployments": set(),
    "sandbox": {"credit_model", "deployments"},
}


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@cache
def imports(path: Path) -> tuple[str, ...]:
    """Return the full name of everything that a module imports, wherever in it."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    return tuple(found)


def room(name: str, base: str) -> str:
    return name.removeprefix(f"{base}.").split(".")[0]


@pytest.mark.parametrize("folder", DIRECTIONS)
def test_rooms_import_only_from_rows_listed_before_their_own(folder):
    base = folder.replace("/", ".")
    level = {name: row for row, names in enumerate(DIRECTIONS[folder]) for name in names.split()}
    wrong = []
    for path in modules(folder):
        own = room(path.relative_to(ROOT).with_suffix("").as_posix().replace("/", "."), base)
        if own == "__init__":
            continue
        for name in imports(path):
            if name.startswith(f"{base}.") and (other := room(name, base)) != own and level[other] >= level[own]:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert wrong == []


@pytest.mark.parametrize("package", PRODUCT)
def test_packages_import_only_those_below_them(package):
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(package)
        for name in imports(path)
        if (top := name.split(".")[0]) in {*PRODUCT, "tests", "benchmarks"}
        and top not in {package, *MAY_IMPORT[package]}
    ]
    assert wrong == []


def module_graph(package: str) -> dict[str, set[str]]:
    named = {path.relative_to(ROOT).with_suffix("").as_posix().replace("/", "."): path for path in modules(package)}
    return {
        name: {target for found in imports(path) for target in (found, found.rpartition(".")[0]) if target in named}
        for name, path in named.items()
    }


@pytest.mark.parametrize("package", PRODUCT)
def test_no_two_modules_import_each_other_in_a_circle(package):
    graph, done = module_graph(package), set[str]()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"a circle of imports: {' -> '.join([*path[path.index(name) :], name])}"
        if name not in done:
            for other in sorted(graph[name]):
                visit(other, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_no_folder_holds_too_many_modules_and_no_file_too_many_lines():
    files = [path for package in PRODUCT for path in modules(package)]
    counts = {
        folder: sum(path.parent == folder and path.stem != "__init__" for path in files)
        for folder in {path.parent for path in files}
    }
    wide = [str(folder.relative_to(ROOT)) for folder, count in counts.items() if count > MOST_MODULES]
    long = [str(path.relative_to(ROOT)) for path in files if len(path.read_text().splitlines()) > MOST_LINES]
    assert (wide, long) == ([], [])
