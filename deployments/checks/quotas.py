"""What a stage needs of the quotas of its account. New accounts have none of some instance types."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import boto3

from deployments import templates
from deployments.checks.findings import NOTE, OK, STOP, Finding


@dataclass(frozen=True)
class Need:
    """How much of one quota a stage needs.

    Attributes:
        service: code of the service in Service Quotas.
        quota: name of the quota there.
        amount: what a new stage takes.
        stops: whether less of it ends the first deployment, and not only later work.
    """

    service: str
    quota: str
    amount: float
    stops: bool = True


# Compute types of CodeBuild, as its quotas name them.
SIZES = {
    "BUILD_GENERAL1_SMALL": "Small",
    "BUILD_GENERAL1_MEDIUM": "Medium",
    "BUILD_GENERAL1_LARGE": "Large",
}
# A worker of 0.5 vCPU, and four ingests and one of each other flow of 1 vCPU.
FARGATE_VCPUS = 10


def needs(values: Mapping[str, str]) -> list[Need]:
    """Return what a stage needs; instance types and numbers of nodes come from its file and the templates."""
    train, transform = (_value(values, "orchestration", f"{kind}InstanceType") for kind in ("Train", "Transform"))
    spot = "spot training" if _value(values, "orchestration", "TrainSpot") == "true" else "training"
    vcpus = "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances"
    found = [
        Need("vpc", "VPCs per Region", 1),
        Need("vpc", "NAT gateways per Availability Zone", _count("AWS::EC2::NatGateway")),
        Need("ec2", "EC2-VPC Elastic IPs", _count("AWS::EC2::EIP")),
        Need("ec2", vcpus, _vcpus(values)),
        Need("fargate", "Fargate On-Demand vCPU resource count", FARGATE_VCPUS, stops=False),
        Need("sagemaker", f"{train} for {spot} job usage", 1, stops=False),
        Need("sagemaker", f"{transform} for transform job usage", 1, stops=False),
    ]
    if values.get("Repository"):
        found += [Need("codebuild", f"Concurrently running builds for {size} environment", 1) for size in _builds()]
    return found


def check(values: Mapping[str, str]) -> Iterator[Finding]:
    """Compare what the account has with what a stage needs."""
    for need in needs(values):
        limit = _limit(need)
        taken = _TAKEN.get(need.quota, lambda: 0)()
        yield _judge(need, limit, taken)


def _judge(need: Need, limit: float | None, taken: int) -> Finding:
    what = f"quota {need.service}"
    if limit is None:
        return Finding(NOTE, what, f"{need.quota}: not found; look it up in the console, Service Quotas")
    said = f"{need.quota}: {limit:g}, {taken} in use, {need.amount:g} needed"
    if limit - taken >= need.amount:
        return Finding(OK, what, said)
    advice = "ask for more in the console, Service Quotas (answers take minutes to days)"
    return Finding(STOP if need.stops else NOTE, what, f"{said}: {advice}")


def _limit(need: Need) -> float | None:
    """Return the account's quota, else AWS's default; None if Service Quotas does not know the name."""
    client: Any = boto3.client("service-quotas")
    for listing in ("list_service_quotas", "list_aws_default_service_quotas"):
        for page in client.get_paginator(listing).paginate(ServiceCode=need.service):
            for quota in page["Quotas"]:
                if quota["QuotaName"] == need.quota:
                    return float(quota["Value"])
    return None


def _addresses() -> int:
    return len(boto3.client("ec2").describe_addresses()["Addresses"])


def _networks() -> int:
    pages = boto3.client("ec2").get_paginator("describe_vpcs").paginate()
    return sum(len(page["Vpcs"]) for page in pages)


_TAKEN = {"EC2-VPC Elastic IPs": _addresses, "VPCs per Region": _networks}


def _count(kind: str) -> int:
    """Return how many resources of a type the templates make."""
    return sum(one["Type"] == kind for stack in templates.STACKS for one in templates.load(stack)["Resources"].values())


def _value(values: Mapping[str, str], stack: str, name: str) -> str:
    return values.get(name) or str(templates.parameters(stack).get(name, {}).get("Default", ""))


def _builds() -> list[str]:
    """Return the environments of the pipeline's builds as the quotas name them: `Linux/Large`."""
    projects = [
        one["Properties"]["Environment"]
        for one in templates.load("pipeline")["Resources"].values()
        if one["Type"] == "AWS::CodeBuild::Project"
    ]
    sizes = {SIZES[one["ComputeType"]] for one in projects if one["ComputeType"] in SIZES}
    return [f"Linux/{size}" for size in sorted(sizes)]


def _vcpus(values: Mapping[str, str]) -> int:
    """Return the processors of the fewest nodes of the cluster."""
    nodes = [one for one in templates.load("serving")["Resources"].values() if one["Type"] == "AWS::EKS::Nodegroup"]
    wanted = [
        (_resolve(values, kind), int(_resolve(values, one["Properties"]["ScalingConfig"]["MinSize"])))
        for one in nodes
        for kind in one["Properties"].get("InstanceTypes", [])[:1]
    ]
    types = {kind for kind, _ in wanted}
    found = boto3.client("ec2").describe_instance_types(InstanceTypes=sorted(types))["InstanceTypes"]
    each = {one["InstanceType"]: one["VCpuInfo"]["DefaultVCpus"] for one in found}
    return sum(each[kind] * number for kind, number in wanted)


def _resolve(values: Mapping[str, str], given: Any) -> str:  # noqa: ANN401 - a part of a template
    return _value(values, "serving", given["Ref"]) if isinstance(given, dict) and "Ref" in given else str(given)
