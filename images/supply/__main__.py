"""`python -m images.supply sbom | audit | scan`: what is in the lock and the images, and whether it may ship."""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from images.supply import exceptions, findings
from images.supply.errors import SupplyError, ToolError
from images.supply.exceptions import Finding

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements.lock"
# The group of pyproject.toml that each image installs.
GROUPS = {"train": "train", "serve": "serve", "worker": "flows"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for; return the exit code."""
    asked = _parser().parse_args(arguments)
    try:
        if asked.verb == "sbom":
            return _sbom(asked.tools, asked.to)
        found = _audited(asked.tools) if asked.verb == "audit" else findings.of_image(asked.repository, asked.digest)
        return _judged(found, of_lock=asked.verb == "audit")
    except SupplyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m images.supply", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    sbom = verbs.add_parser("sbom", help="write a CycloneDX document of the lock and of each image's Python packages")
    audit = verbs.add_parser("audit", help="look the lock up among known vulnerabilities; needs the network")
    scan = verbs.add_parser("scan", help="judge what ECR has found in an image")
    for one in (sbom, audit):
        one.add_argument("--tools", type=Path, required=True, help="folder of cyclonedx-py and pip-audit")
    sbom.add_argument("--to", type=Path, required=True, help="folder to write")
    scan.add_argument("repository", help="credit-train, credit-serve or credit-worker")
    scan.add_argument("digest", help="the image's digest, sha256:…")
    return parser


def _judged(found: list[Finding], *, of_lock: bool) -> int:
    exempted = exceptions.read()
    faults = exceptions.judge(found, exempted, datetime.now(UTC).date())
    for fault in faults:
        print(fault, file=sys.stderr)
    if of_lock:
        for one in exceptions.idle(found, exempted):
            print(f"note: the exception for {one} matches nothing in the lock; remove it unless an image needs it")
    if faults:
        print(f"{len(faults)} findings: take fixed versions, or explain each in {exceptions.FILE}", file=sys.stderr)
        return 1
    print(f"{len(found)} findings, all explained")
    return 0


def _audited(tools: Path) -> list[Finding]:
    command: list[str | Path] = [tools / "pip-audit", "--requirement", LOCK, "--disable-pip", "--require-hashes"]
    done = _run([*command, "--format", "json", "--progress-spinner", "off"], codes=(0, 1))
    try:
        report: dict[str, Any] = json.loads(done)
    except ValueError:
        raise ToolError("pip-audit has written no report; is the network there?") from None
    return findings.of_lock(report)


def _sbom(tools: Path, folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    _write_sbom(tools, LOCK.read_text(), folder / "lock.cdx.json")
    for image, group in GROUPS.items():
        _write_sbom(tools, _installed(image, group), folder / f"{image}.cdx.json")
    return 0


def _installed(image: str, group: str) -> str:
    """Return what an image installs, as its Dockerfile resolves it."""
    uv = Path(sys.executable).with_name("uv")
    without = ROOT / "images" / image / "without.txt"
    resolve: list[str | Path] = [uv, "pip", "compile", ROOT / "pyproject.toml", "--group", group, "--constraint", LOCK]
    return _run([*resolve, "--excludes", without, "--python-version", "3.11", "--generate-hashes", "--quiet"])


def _write_sbom(tools: Path, requirements: str, path: Path) -> None:
    command: list[str | Path] = [tools / "cyclonedx-py", "requirements", "--output-reproducible", "--of", "JSON"]
    _run([*command, "--output-file", path, "-"], given=requirements)
    print(path)


def _run(command: Sequence[str | Path], *, given: str = "", codes: Sequence[int] = (0,)) -> str:
    name = Path(command[0]).name
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, cwd=ROOT)
    except FileNotFoundError:
        raise ToolError(f"{command[0]} is missing: run make sbom or make audit, which install it") from None
    if done.returncode not in codes:
        raise ToolError(f"{name} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
