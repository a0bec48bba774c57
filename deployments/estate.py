"""A whole stage: plan, deploy and destroy its stacks in order."""

from collections.abc import Callable, Mapping
from typing import Any

import boto3
from botocore.exceptions import ClientError

from deployments import leftovers, secrets, stages, templates
from deployments.errors import EstateError, MissingImageError
from deployments.registry import images
from deployments.stacks import Stack

# Stacks with what cannot be restored: lake, model registry, images. Both cost next to nothing when idle.
KEPT = ("data", "training")
ABSENT = {"NoSuchBucket", "ResourceNotFoundException", "EntityNotFoundException", "NotFoundException"}
ABSENT |= {"KMSInvalidStateException"}  # a key whose deletion has been scheduled
Say = Callable[[str], None]


class Estate:
    """One stage in the account of the environment's AWS credentials.

    Args:
        stage: name of the stage.
        values: values of its file.
        say: prints a line for people.
    """

    def __init__(self, stage: str, values: Mapping[str, str], *, say: Say = print) -> None:
        self._stacks = {name: Stack(stage, name, stages.tags(stage, name, values)) for name in templates.STACKS}
        self._values = {**values, "Stage": stage}
        self._stage = stage
        self._say = say

    def outputs(self) -> dict[str, str]:
        """Return the outputs of all existing stacks."""
        return {name: value for stack in self._stacks.values() for name, value in stack.outputs().items()}

    def plan(self) -> None:
        """Print what `deploy` would change.

        Raises:
            EstateError: a value is missing or not well-formed.
        """
        stages.check_complete(self._values)
        values = self._known()
        for name, stack in self._wanted():
            lacking = sorted(self._not_yet(name) - values.keys())
            if lacking:
                kinds = [resource["Type"] for resource in templates.load(name)["Resources"].values()]
                self._say(
                    f"{stack.name}: new, {len(kinds)} resources; can be planned once {', '.join(lacking)} is known"
                )
                continue
            self._report(stack, stack.plan(stages.arguments(name, values)))

    def deploy(self) -> None:
        """Create or update every stack in order.

        Raises:
            MissingImageError: the images do not exist yet; all stacks but the one that runs them are deployed.
            EstateError: a value is missing, or CloudFormation refuses.
        """
        stages.check_complete(self._values)
        key = self._key_version()
        _create_ecs_role()
        for name, stack in self._wanted():
            values = {**self._values, **self.outputs(), **key}
            if name == "orchestration":
                values |= self._images()
            self._say(f"{stack.name} …")
            self._clear(name, stack)
            self._report(stack, stack.deploy(stages.arguments(name, values)))
            stack.protect(on=self._values.get("TerminationProtection") == "true")

    def destroy(self, *, with_data: bool) -> None:
        """Delete everything in reverse order; data, registry and images only on request.

        Raises:
            EstateError: a stack is protected, or a resource is still in use.
        """
        self._check_unprotected(with_data=with_data)
        network = self._stacks["network"].outputs().get("Vpc")
        for name in reversed(self.doomed(with_data=with_data)):
            stack = self._stacks[name]
            self._free(name, network)
            held = _held(stack)  # also if an interrupted destroy has deleted the stack but not these
            self._say(f"{stack.name} …")
            if name == "serving" and (zone := stack.outputs().get("ZoneId")):
                _empty_zone(zone)
            stack.delete()
            self._say(f"{stack.name}: gone")
            for kind, names in held.items():
                for one in names:
                    _remove(kind, one)
                    self._say(f"  {kind} {one}: gone")

    def doomed(self, *, with_data: bool) -> list[str]:
        """Return the stacks that `destroy` deletes, in the order of their creation."""
        return [name for name in self._stacks if with_data or name not in KEPT]

    def holders(self) -> list[str]:
        """Return what runs or is in use and would hold a stack; `destroy` ends it."""
        network = self._stacks["network"].outputs().get("Vpc")
        balancers = leftovers.load_balancers(network) if network else {}
        return [
            *(f"flow run, ECS task {task}" for task in leftovers.tasks(self._cluster())),
            *(f"load balancer {name}" for name in balancers.values()),
        ]

    def drift(self) -> dict[str, list[str]]:
        """Return what somebody has changed past CloudFormation, by the name of the stack."""
        existing = [stack for stack in self._stacks.values() if stack.exists()]
        return {stack.name: stack.drift() for stack in existing}

    def _wanted(self) -> list[tuple[str, Stack]]:
        return [(name, self._stacks[name]) for name in stages.wanted(self._values)]

    def _cluster(self) -> str:
        return f"credit-{self._stage}"

    def _clear(self, name: str, stack: Stack) -> None:
        """Remove what AWS has left under the names of a stack that does not exist."""
        if not stack.exists():
            for group in leftovers.remove_log_groups(self._stage, name):
                self._say(f"  log group {group}: left behind by a deleted cluster, removed")

    def _free(self, name: str, network: str | None) -> None:
        """End what holds a stack. Load balancers come after the cluster, which would make them again."""
        if name == "orchestration":
            for task in leftovers.stop_tasks(self._cluster()):
                self._say(f"  flow run, ECS task {task}: stopped")
        if name == "network" and network:
            for one in leftovers.remove_load_balancers(network):
                self._say(f"  {one}: removed")

    def _check_unprotected(self, *, with_data: bool) -> None:
        held = [self._stacks[name].name for name in self.doomed(with_data=with_data) if self._stacks[name].protected()]
        if held:
            raise EstateError(
                f"{', '.join(held)} are protected: set TerminationProtection=false in the file of stage {self._stage}, "
                "run make deploy, and destroy then"
            )

    def _key_version(self) -> dict[str, str]:
        """Return the current version of Prefect's key, whose change brings a rotated key to those who hold it."""
        return {"PrefectApiKeyVersion": secrets.current_version(self._values["PrefectApiKeySecret"])}

    def _images(self) -> dict[str, str]:
        tag = images.commit()
        return {**images.find(tag), "GitCommit": tag}

    def _known(self) -> dict[str, str]:
        values = {**self._values, **self.outputs(), **self._key_version()}
        try:
            return {**values, **self._images()}
        except MissingImageError:
            return values

    def _not_yet(self, name: str) -> set[str]:
        """Return the required parameters of a stack that come from other stacks or the images."""
        given = templates.all_outputs() | images.REPOSITORIES.keys()
        wanted = templates.parameters(name)
        return {one for one in wanted if "Default" not in wanted[one]} & given

    def _report(self, stack: Stack, changes: list[Any]) -> None:
        self._say(f"{stack.name}: {f'{len(changes)} changes' if changes else 'up to date'}")
        for change in changes:
            self._say(f"  {change}")


def _create_ecs_role() -> None:
    """Create the service-linked role of ECS; a cluster created together with it would not find it in time."""
    try:
        boto3.client("iam").create_service_linked_role(AWSServiceName="ecs.amazonaws.com")
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("InvalidInput", "EntityAlreadyExists"):
            raise


def _empty_zone(zone: str) -> None:
    """Delete records that CloudFormation does not manage: a zone with records cannot be deleted."""
    client: Any = boto3.client("route53")
    pages = client.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone)
    try:
        records = [one for page in pages for one in page["ResourceRecordSets"] if one["Type"] not in ("NS", "SOA")]
    except client.exceptions.NoSuchHostedZone:  # an earlier destroy was interrupted
        return
    if records:
        changes = [{"Action": "DELETE", "ResourceRecordSet": one} for one in records]
        client.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})


def _held(stack: Stack) -> dict[str, list[str]]:
    """Return the physical ids of the resources that a stack's template retains, by type."""
    ids, found = stack.resources(), dict[str, list[str]]()
    for logical, resource in templates.load(stack.template)["Resources"].items():
        if resource.get("DeletionPolicy") == "RetainExceptOnCreate" and ids.get(logical):
            found.setdefault(resource["Type"], []).append(ids[logical])
    # The key comes last: without it, the bucket cannot be read, though it can be emptied.
    return dict(sorted(found.items(), key=lambda item: item[0] == "AWS::KMS::Key"))


def _remove(kind: str, name: str) -> None:
    """Remove a retained resource if it still exists; an earlier destroy may have been interrupted."""
    try:
        _REMOVERS[kind](name)
    except ClientError as error:
        found = error.response["Error"]
        if found["Code"] not in ABSENT and "does not exist" not in found.get("Message", ""):
            raise


def _remove_bucket(name: str) -> None:
    bucket = boto3.resource("s3").Bucket(name)
    bucket.object_versions.delete()
    bucket.delete()


def _remove_group(name_or_arn: str) -> None:
    client: Any = boto3.client("sagemaker")
    name = name_or_arn.rsplit("/", 1)[-1]
    for page in client.get_paginator("list_model_packages").paginate(ModelPackageGroupName=name):
        for package in page["ModelPackageSummaryList"]:
            client.delete_model_package(ModelPackageName=package["ModelPackageArn"])
    client.delete_model_package_group(ModelPackageGroupName=name)


def _remove_table(name: str) -> None:
    client: Any = boto3.client("dynamodb")
    client.update_table(TableName=name, DeletionProtectionEnabled=False)
    client.get_waiter("table_exists").wait(TableName=name)
    client.delete_table(TableName=name)


def _remove_database(name: str) -> None:
    boto3.client("glue").delete_database(Name=name)


def _remove_key(name: str) -> None:
    boto3.client("kms").schedule_key_deletion(KeyId=name, PendingWindowInDays=30)


_REMOVERS: dict[str, Callable[[str], None]] = {
    "AWS::S3::Bucket": _remove_bucket,
    "AWS::SageMaker::ModelPackageGroup": _remove_group,
    "AWS::DynamoDB::Table": _remove_table,
    "AWS::Glue::Database": _remove_database,
    "AWS::KMS::Key": _remove_key,
}
