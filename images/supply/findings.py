"""Reads the findings of pip-audit and of ECR's scans."""

from collections.abc import Iterator, Mapping
from typing import Any

import boto3
from botocore.exceptions import ClientError, WaiterError

from images.supply.errors import ToolError
from images.supply.exceptions import Finding

# Lower ones come with every base image, mostly without a fix.
STOPPING = {"HIGH", "CRITICAL"}


def of_lock(report: Mapping[str, Any]) -> list[Finding]:
    """Return the findings of a report of pip-audit.

    Args:
        report: what `pip-audit --format json` has written.

    Raises:
        ToolError: pip-audit has not found some packages in its index; of those it knows nothing.
    """
    skipped = [package["name"] for package in report["dependencies"] if "skip_reason" in package]
    if skipped:
        raise ToolError(
            f"pip-audit could not look up {len(skipped)} packages, among them {', '.join(skipped[:3])}: it asks the "
            "public index itself, so run it where that can be reached"
        )
    return [
        Finding(
            id=fault["id"],
            package=package["name"],
            where="requirements.lock",
            aliases=frozenset(fault.get("aliases", [])),
            fix=f"take {' or '.join(fault['fix_versions'])}" if fault["fix_versions"] else "",
        )
        for package in report["dependencies"]
        for fault in package.get("vulns", [])
    ]


def of_image(repository: str, digest: str) -> list[Finding]:
    """Return ECR's grave findings in an image, once its scan is complete.

    Args:
        repository: name of the repository, `credit-serve`.
        digest: the image's digest.

    Raises:
        ToolError: there is no scan, it has failed, or AWS refuses.
    """
    client: Any = boto3.client("ecr")
    asked = {"repositoryName": repository, "imageId": {"imageDigest": digest}}
    try:
        client.get_waiter("image_scan_complete").wait(**asked)
        pages = list(client.get_paginator("describe_image_scan_findings").paginate(**asked))
    except (ClientError, WaiterError) as error:
        raise ToolError(
            f"{repository}@{digest}: its scan cannot be read: {error}; start one with aws ecr start-image-scan"
        ) from None
    return [finding for page in pages for finding in _grave(page["imageScanFindings"], repository)]


def _grave(found: Mapping[str, Any], where: str) -> Iterator[Finding]:
    """Yield basic and enhanced findings; a registry has one kind of scan."""
    for one in found.get("findings", []):
        if one["severity"] in STOPPING:
            facts = {item["key"]: item["value"] for item in one.get("attributes", [])}
            yield Finding(one["name"], facts.get("package_name", "?"), where)
    for one in found.get("enhancedFindings", []):
        if one["severity"] in STOPPING and "packageVulnerabilityDetails" in one:
            yield from _enhanced(one, where)


def _enhanced(one: Mapping[str, Any], where: str) -> Iterator[Finding]:
    details = one["packageVulnerabilityDetails"]
    for package in details["vulnerablePackages"]:
        fixed = package.get("fixedInVersion", "")
        fix = f"take {fixed}" if fixed and fixed != "NotAvailable" else ""
        yield Finding(details["vulnerabilityId"], package["name"], where, fix=fix)
