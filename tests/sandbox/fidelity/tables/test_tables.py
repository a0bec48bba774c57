"""The probes about tables: the sandbox answers as Athena does, or refuses clearly what it does not model."""

from tests.sandbox.fidelity.outcome import Outcome
from tests.sandbox.fidelity.tables.run import PROBES, run

REFUSED = {"avro", "iceberg-create", "iceberg-ctas"}


def test_each_probe_is_answered_as_by_athena_or_refused_clearly(aws):
    findings = run(aws.endpoint)
    wrong = {
        finding.probe: finding.answered
        for finding in findings
        if finding.outcome not in {Outcome.RIGHT, Outcome.REFUSED}
    }
    assert wrong == {}
    assert {finding.probe for finding in findings if finding.outcome is Outcome.REFUSED} == REFUSED


def test_each_probe_has_its_own_name():
    names = [probe.probe for probe in PROBES]
    assert len(set(names)) == len(names) >= 60
