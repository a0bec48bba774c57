"""Build contexts: each holds what its image needs and nothing else, and its entry point runs from a copy of that."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.images import context
from tests.images.test_dockerfiles import IMAGES, ROOT, copied

pytestmark = pytest.mark.integration

# What an image's code may be made of; a data set, a key or a notebook in a package's folder is none of it.
KINDS = {".py", ".yaml", ".j2", ".css"}
EXTRA = {"pyproject.toml", "requirements.lock", "Dockerfile", "Dockerfile.dockerignore", "without.txt"}
OURS = {"benchmarks", "credit_model", "deployments", "flows", "images", "sandbox", "tasks", "tests"}
# What every module of an image's own folders may import of ours, as DESIGN has it.
PACKAGES = {
    "train": {"credit_model", "images"},
    "serve": {"credit_model", "images"},
    "worker": {"credit_model", "flows", "tasks", "images"},
}


def tracked() -> set[Path]:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("this is no git checkout")
    return {Path(line) for line in done.stdout.splitlines()}


@pytest.mark.parametrize("image", IMAGES)
def test_the_context_is_the_images_packages_and_nothing_else(image):
    found = context.files(image)
    assert {path.parts[0] for path in found if len(path.parts) > 1} == PACKAGES[image]
    assert {path for path in found if len(path.parts) == 1} == {Path("pyproject.toml"), Path("requirements.lock")}
    own = {Path("images/__init__.py")} | {path for path in found if path.parts[:2] == ("images", image)}
    assert {path for path in found if path.parts[0] == "images"} == own
    strange = [path for path in found if path.suffix not in KINDS and path.name not in EXTRA]
    assert strange == []
    assert sum((ROOT / path).stat().st_size for path in found if path.name != "requirements.lock") < 2_000_000


@pytest.mark.parametrize("image", IMAGES)
def test_a_file_of_settings_left_in_a_package_stays_outside(image):
    for path in ("credit_model/.env", f"images/{image}/.env", "credit_model/contracts/.git/config"):
        assert not context._passes(Path(path), context.rules(image)), path


@pytest.mark.parametrize("image", IMAGES)
def test_every_tracked_file_that_is_copied_is_in_the_context(image):
    sources = set(map(Path, copied(image)))
    wanted = {path for path in tracked() if sources & {path, *path.parents} and (ROOT / path).exists()}
    assert wanted <= set(context.files(image))


@pytest.mark.parametrize("image", IMAGES)
def test_whatever_a_module_of_the_context_imports_of_ours_is_there(image):
    """Imports inside functions count as well: they would fail in the middle of a run."""
    found = set(context.files(image))
    for path in found:
        if path.suffix != ".py":
            continue
        for name in imported(path):
            place = Path(*name.split("."))
            assert {place.with_suffix(".py"), place / "__init__.py"} & found or is_attribute(place, found), (path, name)


def imported(path: Path) -> set[str]:
    """Return what of ours a file imports, as dotted names; of `from a import b` that is `a.b`."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.partition(".")[0] in OURS}


def is_attribute(place: Path, found: set[Path]) -> bool:
    """Whether the last part is a name inside a module rather than a module."""
    module = place.parent
    held = {module.with_suffix(".py"), module / "__init__.py"} & found
    return bool(held) and not (ROOT / place).is_dir() and not (ROOT / place).with_suffix(".py").exists()


@pytest.mark.parametrize("image", IMAGES)
def test_the_entry_point_answers_from_a_copy_of_the_context_alone(image, tmp_path):
    context.copy(image, tmp_path)
    modules = sorted(p for p in context.files(image) if p.parts[:2] == ("images", image) and p.suffix == ".py")
    names = [".".join(path.with_suffix("").parts) for path in modules if path.stem != "__main__"]
    loaded_from = "(module.__file__ for module in sys.modules.values() if getattr(module, '__file__', None))"
    code = f"import sys, {', '.join(names)}; print(*{loaded_from})"
    # The environment knows the checkout too (it is installed as editable): nothing may come from there.
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    ).stdout.split()
    packages = [ROOT / name for name in OURS]
    assert not [path for path in loaded if any(Path(path).is_relative_to(package) for package in packages)]
    command = [sys.executable, "-m", f"images.{image}", "--help"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage: python -m images." in done.stdout


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*", "a", True),
        ("*", "a/b", False),
        ("**/__pycache__", "a/b/__pycache__", True),
        ("**/__pycache__", "__pycache__", True),
        ("images/serve", "images/serve", True),
        ("images/serve", "images/server", False),
        ("a?c", "abc", True),
        ("*.pyc", "a.pyc", True),
        ("**/.*", "a/b/.env", True),
        ("**/.*", "a/b.env", False),
    ],
)
def test_patterns_are_dockers(pattern, path, matches):
    assert bool(context._regular(pattern).fullmatch(path)) is matches
