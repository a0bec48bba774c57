"""The contract, commands and error messages of the guide to contracts work exactly as written."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest

from credit_model.bundle.bundle import Bundle
from credit_model.contract.contract import parse_contract
from credit_model.data.reading import read_applications
from credit_model.errors import ContractError, CreditModelError
from tests.docs.german import write_german_csv

pytestmark = pytest.mark.integration

GUIDE = (Path(__file__).parents[2] / "docs" / "contracts.md").read_text()
[CONTRACT] = re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
[COMMANDS] = re.findall(r"^```sh\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("german")
    (made / "german_credit.yaml").write_text(CONTRACT)
    write_german_csv(made / "german.csv")
    write_german_csv(made / "later.csv", seed=2)
    return made


@pytest.fixture(scope="module")
def printed(folder):
    script = COMMANDS.replace(".venv/bin/python", sys.executable)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_commands_validate_train_score_and_compare(folder, printed):
    assert "1,000 of 1,000 rows keep the contract" in printed
    assert "may replace" in printed
    bundle = Bundle.load(folder / "model")
    assert bundle.contract.name == "german_credit"
    assert bundle.metrics["holdout"]["roc_auc"] > 0.65
    assert "Against the champion" in (folder / "comparison.html").read_text()
    with (folder / "scores.csv").open() as file:
        assert sum(1 for _ in csv.DictReader(file)) == 1000


def test_protected_columns_are_reported_but_never_features(folder, printed):
    document = Bundle.load(folder / "model").document
    protected = {"personal_status_sex", "age", "foreign_worker"}
    assert {column.name for column in document.contract.protected} == protected
    assert not protected & set(document.features)
    assert set(document.evidence["fairness"]) == protected


def messages(heading):
    rows = re.findall(r"^\| (.+?) \| `(.+)` \|$", GUIDE[GUIDE.index(heading) :], re.MULTILINE)
    return dict(rows)


@pytest.mark.parametrize(
    ("row", "before", "after"),
    [
        ("`monotone: increasing` at `purpose`", "open: true ", "open: true\n    monotone: increasing "),
        ("no `reason` at `amount`", ", reason: Amount of the loan}", "}"),
        ("`levels: [no, yes]`", "levels: [A191, A192]", "levels: [no, yes]"),
    ],
)
def test_a_faulty_contract_gives_the_guides_error_message(row, before, after):
    assert before in CONTRACT
    with pytest.raises(ContractError) as refused:
        parse_contract(CONTRACT.replace(before, after), label="german_credit.yaml")
    assert str(refused.value) == messages("What the errors look like")[row]


@pytest.mark.parametrize(
    ("row", "column", "value"),
    [
        ("`A99` in a closed column", "savings", "A99"),
        ("an age of 203", "age", "203"),
        ("the published 2 for bad", "bad", "2"),
        ("an empty field", "duration", ""),
    ],
)
def test_a_faulty_row_gives_the_guides_error_message(folder, tmp_path, row, column, value):
    with (folder / "german.csv").open() as file:
        rows = list(csv.DictReader(file))
    rows[16][column] = value
    with (tmp_path / "bad.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    rejected = read_applications(tmp_path / "bad.csv", parse_contract(CONTRACT)).rejected.to_pylist()
    said = [f"column '{fault['column']}' row {fault['row']}: {fault['reason']}" for fault in rejected]
    assert said == [messages("What the errors look like")[row]]


def test_a_missing_column_is_named(folder, tmp_path):
    text = (folder / "german.csv").read_text().replace("housing", "lodging", 1)
    (tmp_path / "german.csv").write_text(text)
    with pytest.raises(CreditModelError) as refused:
        read_applications(tmp_path / "german.csv", parse_contract(CONTRACT), label="german.csv")
    assert str(refused.value) == messages("What the errors look like")["no such column at all"]
