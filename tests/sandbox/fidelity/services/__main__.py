"""Command line: print the score of the sandbox's AWS, and every answer that is not right."""

import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

from sandbox.aws.server import AwsServer
from tests.sandbox.fidelity.outcome import Finding, Outcome, score
from tests.sandbox.fidelity.services.probes import tables
from tests.sandbox.fidelity.services.runner import run

HERE = Path(__file__).resolve().parents[2]


def main() -> int:
    """Ask a server of its own; return 1 if an answer is neither right nor refused."""
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder) / "images.json"
        probe = [sys.executable, str(HERE / "aws" / "probe_image.py")]
        images.write_text(json.dumps({"probe": probe, "shell": ["/bin/bash", "-c"]}), encoding="utf-8")
        server = AwsServer(state=Path(folder) / "state")
        os.environ |= {"SANDBOX_IMAGES": str(images), "AWS_DEFAULT_REGION": "eu-west-1"}
        os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        server.start()
        os.environ["AWS_ENDPOINT_URL"] = server.endpoint
        try:
            findings = list(run(tables()))
        finally:
            server.stop()
    _print(findings)
    return int(any(finding.outcome not in (Outcome.RIGHT, Outcome.REFUSED) for finding in findings))


def _print(findings: list[Finding]) -> None:
    for finding in findings:
        if finding.outcome is not Outcome.RIGHT:
            print(f"{finding.outcome:<11} {finding.probe}: {finding.answered}")
    per_service = Counter((finding.probe.partition("/")[0], finding.outcome) for finding in findings)
    for service in sorted({service for service, _ in per_service}):
        print(f"{service:<15}", {str(outcome): count for (of, outcome), count in per_service.items() if of == service})
    print({str(outcome): count for outcome, count in score(findings).items()}, "of", len(findings))


if __name__ == "__main__":
    sys.exit(main())
