"""Test that the documents are right: commands and code run as written, examples are valid, links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from credit_model.contract.contract import parse_contract

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
LONGEST_LINE = 120


def blocks(document: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / document).read_text(), re.MULTILINE | re.DOTALL)


def run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.integration
def test_the_laptop_commands_and_notebook_run(tmp_path):
    [commands], [notebook] = blocks("docs/laptop.md", "sh"), blocks("docs/laptop.md", "python")
    script = commands.replace(".venv/bin/python", sys.executable)
    run(["bash", "-euo", "pipefail", "-c", script], tmp_path)
    assert (tmp_path / "model" / "report.html").is_file()
    assert (tmp_path / "scores.parquet").is_file()
    run([sys.executable, "-c", notebook], tmp_path)


def test_the_example_contract_is_valid():
    [text] = blocks("docs/data.md", "yaml")
    contract = parse_contract(text, label="docs/data.md")
    assert contract.name == "my_cards"
    assert [column.name for column in contract.protected] == ["sex"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_make_targets_exist(document):
    text = document.read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    assert [link for link in links if not (document.parent / link).exists()] == []
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_line_outside_tables_and_code_is_too_long(document):
    prose = re.sub(r"^ *```.*?^ *```", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    lines = [line for line in prose.splitlines() if not line.startswith("|")]
    assert [line for line in lines if len(line) > LONGEST_LINE] == []


def test_make_passes_the_readmes_variables_to_the_demo():
    variables = re.findall(r"^\| `([A-Z]+)=", (ROOT / "README.md").read_text(), re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text()
    assert variables
    assert all(re.search(rf"\$\({name}\)|^{name} \?=", makefile, re.MULTILINE) for name in variables)
