"""Print how the sandbox answers a file of probes: `python -m tests.sandbox.fidelity.sql FILE`, or our own tables."""

import sys
import tempfile
import time
import uuid
from pathlib import Path

import boto3

from sandbox.estate import REGION
from sandbox.services import Service
from tests.sandbox.fidelity.outcome import Outcome, score
from tests.sandbox.fidelity.sql.probes import Probe, load, own
from tests.sandbox.fidelity.sql.runner import Prober
from tests.sandbox.fidelity.sql.world import DATABASE, furnish, named

ROOT = Path(__file__).parents[4]


def main(arguments: list[str]) -> None:
    """Run the probes of the files (ours if none are named) in a new sandbox, and print the score."""
    probes = [probe for name in arguments for probe in load(Path(name))] if arguments else own()
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        environment = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}
        command = [sys.executable, "-m", "sandbox.aws", "--state", str(state)]
        server = Service("aws", command, state=state, env=environment, cwd=ROOT)
        try:
            _report(server.announced()["endpoint"], probes)
        finally:
            server.stop()


def _report(endpoint: str, probes: list[Probe]) -> None:
    session = boto3.Session("test", "test", region_name=REGION)
    statements = [probe.sql for probe in probes]
    bucket = named(statements, r"s3://([\w-]+)/\w+/", f"probes-{uuid.uuid4().hex[:12]}")
    session.client("s3", endpoint_url=endpoint).create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    database = furnish(session, endpoint, bucket, named(statements, r"\b(probe_\w+)\b", DATABASE))
    prober = Prober(session.client("athena", endpoint_url=endpoint), f"s3://{bucket}/results/", database)
    started = time.monotonic()
    findings = prober.judge_all(probes)
    asked = {probe.id: probe for probe in probes}
    for finding in findings:
        if finding.outcome is not Outcome.RIGHT:
            probe = asked[finding.probe]
            print(f"{finding.outcome:10} {finding.probe:7} {probe.sql}")
            print(f"{'':18} {finding.answered[:300]!r}, not {probe.error or probe.expected!r}")
    print({str(name): count for name, count in score(findings).items()}, f"{time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
