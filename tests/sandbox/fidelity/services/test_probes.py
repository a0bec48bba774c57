"""Every probe of every table: the sandbox answers as AWS does, or says that it does not model the call."""

import pytest

from tests.sandbox.fidelity.outcome import Outcome
from tests.sandbox.fidelity.services.probes import Probe, Table, filled, tables
from tests.sandbox.fidelity.services.runner import ask, prepare

ALL = list(tables())


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("table", ALL, ids=lambda table: table.service)
def test_the_sandbox_answers_as_aws_does(table: Table) -> None:
    """One test for each service: a test for each probe would cost more than the probes."""
    shared = prepare(table)
    findings = [(probe, ask(table, probe, shared)) for probe in table.probes]
    wrong = [finding for probe, finding in findings if finding.outcome is not expected(probe)]
    assert wrong == []


def expected(probe: Probe) -> Outcome:
    return Outcome.REFUSED if probe.refused else Outcome.RIGHT


def test_the_tables_are_large_enough_and_every_probe_has_a_name_and_a_source() -> None:
    names = [(table.service, probe.id) for table in ALL for probe in table.probes]
    assert len(set(names)) == len(names)
    assert len(names) >= 250
    assert all(probe.source and (probe.error or probe.at) for table in ALL for probe in table.probes)


def test_values_are_put_into_parameters() -> None:
    values = {"u": "7", "base": {"a": 1, "b": "$u"}, "url": "http://x"}
    assert filled({"a": "n-$u", "b": "$url"}, values) == {"a": "n-7", "b": "http://x"}
    assert filled({"$times": 3, "$of": "x"}, values) == "xxx"
    assert filled({"$times": 2, "$of": {"k": "k$i"}}, values) == [{"k": "k0"}, {"k": "k1"}]
    assert filled({"$less": "base", "a": None, "c": 3}, values) == {"b": "7", "c": 3}
    assert filled({"$bytes": "ü"}, values) == "ü".encode()
