"""The bucket: code, page, policies and lifecycle rules name the same prefixes, and no other module spells them."""

import ast
import re

import pytest

from deployments import templates
from tasks import layout
from tasks.layout import Prefix
from tasks.settings import Settings
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "bucket.md").read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| `")]
TABLE = {cells[0].strip("`/"): cells for cells in ROWS}


def test_the_page_lists_every_prefix_in_the_order_of_the_code():
    assert list(TABLE) == [prefix.value for prefix in Prefix]
    assert all(len(cells) == 5 and all(cells) for cells in TABLE.values())


def test_the_page_gives_the_keys_of_every_prefix_but_athenas_own():
    [keys] = re.findall(r"^```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert {line.split("/")[0] for line in keys.splitlines()} == set(Prefix) - {Prefix.ATHENA}


def test_the_page_says_what_the_lifecycle_rules_do():
    bucket = templates.load("data")["Resources"]["Bucket"]["Properties"]
    rules = {rule["Prefix"].strip("/"): rule for rule in bucket["LifecycleConfiguration"]["Rules"] if "Prefix" in rule}
    assert rules.keys() <= set(Prefix)
    for prefix, cells in TABLE.items():
        days = rules.get(prefix, {}).get("ExpirationInDays")
        assert cells[4] == f"{days} days" if days else "days" not in cells[4]


def test_policies_name_known_prefixes_and_together_all_of_them():
    granted = {
        prefix for stack in templates.STACKS for prefix in re.findall(r"\$\{Bucket\}/([a-z]+)/", templates.text(stack))
    }
    assert granted == set(Prefix)


@pytest.fixture
def bucket(monkeypatch):
    here = Settings(bucket="lake", database="credit", sagemaker_role="r", train_image="t", serve_image="s")
    monkeypatch.setattr(layout, "settings", lambda: here)


@pytest.mark.parametrize(
    ("address", "uri"),
    [
        (lambda: layout.landing("case"), "s3://lake/landing/case/"),
        (lambda: layout.quarantine("case", "outcomes", "1f"), "s3://lake/quarantine/case/outcomes/1f.parquet"),
        (lambda: layout.ledger("case", "1f"), "s3://lake/ledger/case/1f.json"),
        (lambda: layout.lake("scores"), "s3://lake/lake/scores/"),
        (lambda: layout.online("t", "1.000", "1f"), "s3://lake/online/t/1.000/1f.json"),
        (layout.query_results, "s3://lake/athena/"),
        (lambda: layout.snapshot("1f"), "s3://lake/snapshots/1f/"),
        (lambda: layout.training("case"), "s3://lake/training/case"),
        (lambda: layout.checkpoints("case", "job"), "s3://lake/checkpoints/case/job"),
        (lambda: layout.bundle("case", "v1"), "s3://lake/models/case/v1/"),
        (lambda: layout.gate("case", "v1"), "s3://lake/gates/case/v1.json"),
        (lambda: layout.release("case"), "s3://lake/releases/case.json"),
        (lambda: layout.batch("case", "1f"), "s3://lake/batch/case/1f/"),
        (lambda: layout.monitor("case", "draw"), "s3://lake/monitor/case/draw/"),
        (lambda: layout.drift("case", "v1", "2026-01"), "s3://lake/drift/case/v1/2026-01.json"),
        (lambda: layout.run("train", "id"), "s3://lake/runs/train/id.json"),
    ],
)
def test_addresses_stay_what_objects_in_old_buckets_have(bucket, address, uri):
    assert address() == uri


def test_no_other_module_asks_for_an_address_by_a_literal():
    calls = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for folder in ("tasks", "flows")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path.name != "layout.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "uri"
    ]
    assert calls == []
