"""The gate on known vulnerabilities: what is explained may ship until its day, and nothing else."""

import json
import os
import sys
from datetime import date
from pathlib import Path

import boto3
import pytest
from botocore.stub import Stubber

from images.supply import __main__ as command
from images.supply import exceptions, findings
from images.supply.errors import ExceptionsError, ToolError
from images.supply.exceptions import Exempted, Finding

TODAY = date(2026, 11, 28)
ZLIB = Finding("CVE-2026-1", "zlib", "credit-serve", aliases=frozenset({"GHSA-1"}))
GRACE = Exempted("CVE-2026-1", "zlib", date(2026, 12, 31), "the server never calls it")


def test_an_explained_finding_ships_until_its_day_and_not_a_day_longer():
    assert exceptions.judge([ZLIB], [GRACE], TODAY) == []
    assert exceptions.judge([ZLIB], [GRACE], GRACE.until) == []
    (fault,) = exceptions.judge([ZLIB], [GRACE], date(2027, 1, 1))
    assert "its exception ended on 2026-12-31" in fault


@pytest.mark.parametrize(
    "other",
    [
        Exempted("CVE-2026-2", "zlib", GRACE.until, "another vulnerability"),
        Exempted("CVE-2026-1", "openssl", GRACE.until, "another package"),
    ],
)
def test_an_exception_covers_one_vulnerability_of_one_package(other):
    (fault,) = exceptions.judge([ZLIB], [other], TODAY)
    assert fault == "credit-serve: zlib has CVE-2026-1; no fix is known"
    assert exceptions.idle([ZLIB], [GRACE, other]) == [f"{other.package} {other.id}"]


def test_an_exception_may_name_any_id_of_a_vulnerability():
    alias = Exempted("GHSA-1", "zlib", GRACE.until, "the same")
    assert exceptions.judge([ZLIB], [alias], TODAY) == []


ENTRY = "- {id: CVE-1, package: zlib, until: 2026-12-31, why: never called}\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (ENTRY.replace(", why: never called", ""), "entry 1: give exactly id, package, until, why"),
        (ENTRY.replace("never called", '""'), "each with a value"),
        (ENTRY.replace("why", "because"), "give exactly"),
        (ENTRY.replace("2026-12-31", "soon"), "until is 'soon'; write the last day as YYYY-MM-DD"),
        (ENTRY + "- CVE-2\n", "entry 2"),
        ("id: CVE-1\n", "is a list of exceptions"),
    ],
)
def test_a_list_that_leaves_something_open_is_refused(text, told, tmp_path):
    (tmp_path / "exceptions.yaml").write_text(text)
    with pytest.raises(ExceptionsError, match=told):
        exceptions.read(tmp_path / "exceptions.yaml")


def test_the_lists_entries_are_read(tmp_path):
    (tmp_path / "exceptions.yaml").write_text(ENTRY)
    assert exceptions.read(tmp_path / "exceptions.yaml") == [Exempted("CVE-1", "zlib", GRACE.until, "never called")]
    assert all(one.why for one in exceptions.read())


# A report as pip-audit's documentation shows it.
REPORT = {
    "dependencies": [
        {"name": "flask", "version": "0.5", "vulns": [
            {"id": "PYSEC-2019-179", "fix_versions": ["1.0"], "aliases": ["CVE-2019-1010083"], "description": "x"},
            {"id": "PYSEC-2018-66", "fix_versions": [], "aliases": [], "description": "x"},
        ]},
        {"name": "jinja2", "version": "3.0.2", "vulns": []},
    ],
    "fixes": [],
}  # fmt: skip


def test_a_report_of_pip_audit_is_read():
    found = findings.of_lock(REPORT)
    assert [(one.id, one.package, one.fix) for one in found] == [
        ("PYSEC-2019-179", "flask", "take 1.0"),
        ("PYSEC-2018-66", "flask", ""),
    ]
    assert exceptions.judge(found, [Exempted("CVE-2019-1010083", "flask", TODAY, "a test")], TODAY) == [
        "requirements.lock: flask has PYSEC-2018-66; no fix is known"
    ]


def test_packages_that_were_not_looked_up_do_not_pass():
    unknown = {"name": "flask", "skip_reason": "Dependency not found on PyPI and could not be audited: flask (0.12)"}
    with pytest.raises(ToolError, match="could not look up 1 packages, among them flask"):
        findings.of_lock({"dependencies": [*REPORT["dependencies"], unknown], "fixes": []})


DIGEST = "sha256:" + "0" * 64
BASIC = {
    "findings": [
        {"name": "CVE-2026-1", "severity": "CRITICAL", "attributes": [{"key": "package_name", "value": "zlib"}]},
        {"name": "CVE-2026-2", "severity": "MEDIUM", "attributes": [{"key": "package_name", "value": "zlib"}]},
    ]
}
ENHANCED = {
    "enhancedFindings": [
        {
            "severity": "HIGH",
            "packageVulnerabilityDetails": {
                "vulnerabilityId": "CVE-2026-3",
                "vulnerablePackages": [
                    {"name": "openssl", "fixedInVersion": "3.0.18"},
                    {"name": "libssl3", "fixedInVersion": "NotAvailable"},
                ],
            },
        },
        {"severity": "HIGH", "title": "no package"},
    ]
}


@pytest.fixture
def ecr(monkeypatch):
    client = boto3.client("ecr", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    monkeypatch.setattr(findings.boto3, "client", lambda service: client)
    with Stubber(client) as stub:
        yield stub


@pytest.mark.parametrize(
    ("scan", "expected"),
    [
        (BASIC, [("CVE-2026-1", "zlib", "")]),
        (ENHANCED, [("CVE-2026-3", "openssl", "take 3.0.18"), ("CVE-2026-3", "libssl3", "")]),
        ({}, []),
    ],
)
def test_grave_findings_of_a_scan_are_read_and_lesser_ones_are_not(scan, expected, ecr):
    for _ in range(2):  # the waiter, then the reader
        answer = {"imageScanStatus": {"status": "COMPLETE"}, "imageScanFindings": scan}
        ecr.add_response("describe_image_scan_findings", answer)
    found = findings.of_image("credit-serve", DIGEST)
    assert [(one.id, one.package, one.fix) for one in found] == expected


def test_an_image_without_a_scan_does_not_pass(ecr):
    ecr.add_client_error("describe_image_scan_findings", "ScanNotFoundException", "no scan", 400)
    with pytest.raises(ToolError, match="start one with aws ecr start-image-scan"):
        findings.of_image("credit-serve", DIGEST)


def fake(folder: Path, name: str, output: str, code: int) -> None:
    (folder / name).write_text(f"#!{sys.executable}\nimport sys\nprint({output!r})\nsys.exit({code})\n")
    os.chmod(folder / name, 0o755)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("output", "code", "expected", "told"),
    [
        (json.dumps({"dependencies": []}), 0, 0, ""),
        (json.dumps(REPORT), 1, 1, "flask has PYSEC-2018-66"),
        ("", 1, 1, "pip-audit has written no report"),
        ("", 2, 1, "pip-audit ended with 2"),
    ],
)
def test_the_command_fails_where_something_is_not_explained(output, code, expected, told, tmp_path, capsys):
    fake(tmp_path, "pip-audit", output, code)
    assert command.main(["audit", "--tools", str(tmp_path)]) == expected
    assert told in capsys.readouterr().err


@pytest.mark.integration
def test_a_missing_tool_is_named(tmp_path, capsys):
    assert command.main(["audit", "--tools", str(tmp_path)]) == 1
    assert "make audit, which install it" in capsys.readouterr().err
