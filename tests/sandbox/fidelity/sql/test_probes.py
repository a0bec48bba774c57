"""The sandbox answers each of our probes of Athena's SQL as their sources say, or refuses it if the table says so."""

import boto3
import pytest

from sandbox.estate import REGION
from tests.sandbox.fidelity.outcome import Outcome
from tests.sandbox.fidelity.sql.probes import own
from tests.sandbox.fidelity.sql.runner import Prober
from tests.sandbox.fidelity.sql.world import furnish

PROBES = own()


@pytest.fixture(scope="module")
def findings(aws):
    """Return what came of each probe; they run together, because most of a query's time is waiting."""
    session = boto3.Session(region_name=REGION)
    session.client("s3", endpoint_url=aws.endpoint).create_bucket(
        Bucket="sql-probes", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    database = furnish(session, aws.endpoint, "sql-probes")
    prober = Prober(session.client("athena", endpoint_url=aws.endpoint), "s3://sql-probes/results/", database)
    return {finding.probe: finding for finding in prober.judge_all(PROBES)}


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.id)
def test_the_answer_is_that_of_the_source(findings, probe):
    finding = findings[probe.id]
    wanted = Outcome.REFUSED if probe.refused else Outcome.RIGHT
    assert finding.outcome is wanted, f"{probe.sql}: {finding.answered}"


def test_each_probe_has_an_id_of_its_own_and_a_source():
    assert len({probe.id for probe in PROBES}) == len(PROBES)
    assert all(probe.source for probe in PROBES)
