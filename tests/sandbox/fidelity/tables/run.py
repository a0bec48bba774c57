"""Runs the probes about tables: `python -m tests.sandbox.fidelity.tables.run ENDPOINT` prints what is not right."""

import sys

from tests.sandbox.fidelity.outcome import Finding, Outcome, score
from tests.sandbox.fidelity.tables import changing, reading
from tests.sandbox.fidelity.tables.probe import compare
from tests.sandbox.fidelity.tables.world import World

PROBES = [*reading.PROBES, *changing.PROBES]


def run(endpoint: str) -> list[Finding]:
    """Run all probes against an AWS that has none of their tables yet."""
    world = World(endpoint)
    return [compare(probe, world.run(probe.sql, probe.parameters)) for probe in PROBES]


def main(endpoint: str) -> None:
    """Print the findings that are not right, and the score."""
    findings = run(endpoint)
    for finding in findings:
        if finding.outcome is not Outcome.RIGHT:
            print(f"{finding.probe:<24} {finding.outcome:<10} {finding.answered}")
    print({str(outcome): count for outcome, count in score(findings).items()})


if __name__ == "__main__":
    main(sys.argv[1])
