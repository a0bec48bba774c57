"""What would stop a deployment, looked at before it begins: rights, secrets, names in use, Prefect, tools, quotas."""

import json
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from deployments import leftovers, secrets, stages, templates
from deployments.account import Place
from deployments.checks import quotas
from deployments.checks.findings import NOTE, OK, STOP, Finding
from deployments.errors import EstateError
from deployments.registry import images
from deployments.stacks import Stack

CLOUD = "https://api.prefect.cloud/"
# Services make their own roles when they are used first, if the caller may; the driver makes that of ECS.
LINKED_ROLES = {
    "AWSServiceRoleForAmazonEKS": "eks.amazonaws.com",
    "AWSServiceRoleForAmazonEKSNodegroup": "eks-nodegroup.amazonaws.com",
    "AWSServiceRoleForAutoScaling": "autoscaling.amazonaws.com",
    "AWSServiceRoleForElasticLoadBalancing": "elasticloadbalancing.amazonaws.com",
    "AWSServiceRoleForECS": "ecs.amazonaws.com",
}
TOOLS = {
    "git": ["git", "--version"],
    "aws": ["aws", "--version"],
    "kubectl": ["kubectl", "version", "--client", "--output=json"],
    "helm": ["helm", "version", "--short"],
}
SKEW = 1  # minor versions between kubectl and the cluster: kubernetes.io, version skew policy


def findings(stage: str, values: Mapping[str, str], place: Place) -> Iterator[Finding]:
    """Yield what every check has found; a check that AWS refuses becomes a finding too."""
    yield Finding(OK, "account", f"{place.account} in {place.region}, as {place.caller}")
    checks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("stage file", lambda: _stage_file(stage, values)),
        ("secrets", lambda: _secrets(values)),
        ("names in use", lambda: _names(stage, values)),
        ("budget", lambda: _budget(place)),
        ("service-linked roles", _roles),
        ("Prefect", lambda: _prefect(values)),
        ("tools", _tools),
        ("quotas", lambda: quotas.check(values)),
    ]
    for what, check in checks:
        try:
            yield from check()
        except (ClientError, BotoCoreError) as error:
            yield Finding(STOP, what, f"AWS refuses: {error}; an administrator's rights are needed")


def _stage_file(stage: str, values: Mapping[str, str]) -> Iterator[Finding]:
    try:
        stages.check_complete({**values, "Stage": stage})
        yield Finding(OK, "stage file", "complete and well-formed")
    except EstateError as error:
        yield Finding(STOP, "stage file", str(error))
    if images.uncommitted(str(stages.FOLDER)):
        level = STOP if values.get("Repository") else NOTE
        yield Finding(level, "stage file", "is not committed as it is here: commit and push it; the pipeline reads it")


def _secrets(values: Mapping[str, str]) -> Iterator[Finding]:
    for name in ("PrefectApiKeySecret", "ServeTokenSecret"):
        if secret := values.get(name):
            try:
                secrets.current_version(secret)
                yield Finding(OK, name, "exists and has a value, which was not read")
            except EstateError as error:
                yield Finding(STOP, name, str(error))


def _names(stage: str, values: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the log groups that a stack would make and that exist without it."""
    missing = [name for name in stages.wanted(values) if not Stack(stage, name).exists()]
    taken = {one: name for name in missing for one in leftovers.existing(leftovers.log_groups(stage, name))}
    for group, stack in taken.items():
        if f"credit-{stage}" in group:
            yield Finding(OK, "log group", f"{group} is left from a deleted cluster; deploy removes it")
        else:
            advice = f"export what you need and run aws logs delete-log-group --log-group-name {group}"
            yield Finding(STOP, "log group", f"{group} exists, and stack {stack} would make it: {advice}")
    if not taken:
        yield Finding(OK, "log groups", "no name that a stack would make is in use")


def _budget(place: Place) -> Iterator[Finding]:
    try:
        boto3.client("budgets").describe_budgets(AccountId=place.account, MaxResults=1)
        yield Finding(OK, "budget", "may be read and made")
    except ClientError as error:
        if "AccessDenied" not in error.response["Error"]["Code"]:
            raise
        advice = "as root, open Account, IAM user and role access to billing information, and activate it"
        yield Finding(STOP, "budget", f"{place.caller} may not see the bill: {advice}")


def _roles() -> Iterator[Finding]:
    client = boto3.client("iam")
    for role, service in LINKED_ROLES.items():
        try:
            client.get_role(RoleName=role)
            yield Finding(OK, "service-linked role", role)
        except client.exceptions.NoSuchEntityException:
            advice = f"made when first used; if not, aws iam create-service-linked-role --aws-service-name {service}"
            yield Finding(NOTE, "service-linked role", f"{role} is not there yet: {advice}")


def _prefect(values: Mapping[str, str]) -> Iterator[Finding]:
    url, hook = values.get("PrefectApiUrl", ""), values.get("PrefectWebhook", "")
    if not url.startswith("https://"):
        return  # the stage file's check says so
    if url.startswith(CLOUD) and not hook:
        yield Finding(
            STOP, "PrefectWebhook", "Prefect Cloud takes AWS's events at a webhook only: prefect-cloud.md, step 2"
        )
    if url.startswith(CLOUD):
        said = "a service account needs Pro; Hobby and Starter keep runs 7 days, Team 14 (docs.prefect.io, rate limits)"
        yield Finding(NOTE, "Prefect's plan", said)
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=10):  # noqa: S310 - https, see above
            yield Finding(OK, "Prefect's API", f"{url} answers")
    except urllib.error.HTTPError as error:  # without a key, Cloud answers 401 or 403, which is an answer
        level = STOP if error.code == 404 or error.code >= 500 else OK
        advice = "" if level == OK else "; is PrefectApiUrl right, with both ids?"
        yield Finding(level, "Prefect's API", f"{url} answers {error.code}{advice}")
    except OSError as error:
        yield Finding(STOP, "Prefect's API", f"{url} cannot be reached: {error}")


def _tools() -> Iterator[Finding]:
    builders = [name for name in images.BUILDERS if shutil.which(name)]
    if builders:
        yield Finding(OK, "image builder", builders[0])
    else:
        yield Finding(NOTE, "image builder", "neither docker nor buildah: only the pipeline can build images")
    for name, command in TOOLS.items():
        if shutil.which(name) is None:
            yield Finding(NOTE, name, "is not installed; steps of docs/aws.md need it")
            continue
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        said = (done.stdout or done.stderr).strip() or "does not say its version"
        if done.returncode:
            yield Finding(NOTE, name, f"does not run: {said.splitlines()[-1]}")
        else:
            yield _kubectl(said) if name == "kubectl" else Finding(OK, name, said.splitlines()[0])


def _kubectl(said: str) -> Finding:
    """Compare kubectl's version with the cluster's."""
    ours = str(templates.parameters("serving")["KubernetesVersion"]["Default"])
    theirs = str(json.loads(said)["clientVersion"]["gitVersion"])
    minor = re.match(r"v1\.(\d+)", theirs)
    if minor and abs(int(minor[1]) - int(ours.partition(".")[2])) <= SKEW:
        return Finding(OK, "kubectl", theirs)
    return Finding(
        NOTE, "kubectl", f"{theirs}, and the cluster is {ours}: install a kubectl within {SKEW} minor version"
    )
