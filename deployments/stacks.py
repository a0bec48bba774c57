"""One CloudFormation stack: plans change sets, executes them, deletes the stack, detects drift."""

import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

from deployments import templates
from deployments.errors import StackError

POLL_SECONDS = 5.0
LONGEST_WAIT_SECONDS = 10_800.0
# How long DescribeStacks may lag behind the events of a stack.
LAG_SECONDS = 120.0
# CloudFormation limits the rate of calls of an account, and a person may watch the same stacks in the console.
PATIENT = Config(retries={"mode": "standard", "max_attempts": 10})
NOTHING = ("didn't contain changes", "No updates are to be performed")
# Created by a change set that was never executed.
PROPOSED = "REVIEW_IN_PROGRESS"
# Cannot be changed; must be deleted before it can be created again.
BROKEN = ("CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED")
ENDED = ("_COMPLETE", "_FAILED")  # CloudFormation says `…_IN_PROGRESS` until then
DRIFTED = ("MODIFIED", "DELETED")


@dataclass(frozen=True)
class Change:
    """A change set's change to one resource.

    Attributes:
        action: Add, Modify, Remove or Import.
        replaced: True, False or Conditional: whether the resource is replaced.
    """

    action: str
    logical_id: str
    kind: str
    replaced: str = "False"

    def __str__(self) -> str:
        """Return a line for people."""
        note = {"True": ", replaced", "Conditional": ", may be replaced"}.get(self.replaced, "")
        return f"{self.action:<7} {self.logical_id} ({self.kind}{note})"


class Stack:
    """One stack of a stage.

    Attributes:
        name: `credit-STAGE-STACK`.
    """

    def __init__(self, stage: str, template: str, tags: Mapping[str, str] = MappingProxyType({})) -> None:
        self.name = f"credit-{stage}-{template}"
        self.template = template
        self._tags = tags
        self._id = ""  # of the stack that the last change set belongs to; DescribeStacks may not know it yet
        self._client: Any = boto3.client("cloudformation", config=PATIENT)

    def status(self) -> str | None:
        """Return the stack's status, None if it does not exist."""
        found = self._describe()
        return str(found["StackStatus"]) if found else None

    def exists(self) -> bool:
        """Return whether it was created successfully and not only begun."""
        return self.status() not in (None, PROPOSED, "CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED")

    def outputs(self) -> dict[str, str]:
        """Return its outputs by name, none if it does not exist."""
        found = (self._describe() or {}).get("Outputs", [])
        return {output["OutputKey"]: output["OutputValue"] for output in found}

    def parameters(self) -> dict[str, str]:
        """Return the parameters that it runs with by name, none if it does not exist."""
        found = (self._describe() or {}).get("Parameters", [])
        return {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in found}

    def plan(self, values: Mapping[str, str]) -> list[Change]:
        """Return what deploying would change, without changing anything.

        Raises:
            StackError: it cannot be changed, because its creation or deletion failed.
        """
        if (status := self._settle()) in BROKEN:
            raise StackError(f"stack {self.name} is {status}: deploy will delete the remains and create it again")
        fresh = not self.exists()
        try:
            change_set = self._propose(values)
            if change_set is None:
                return []
            changes = self._changes(change_set)
            self._client.delete_change_set(ChangeSetName=change_set)
            return changes
        finally:
            if fresh and self._id:
                self._delete(self._id)

    def deploy(self, values: Mapping[str, str]) -> list[Change]:
        """Create or update it; return what has changed, nothing if it was up to date.

        Raises:
            StackError: CloudFormation has rolled back the change; the message has its reasons.
        """
        if self._settle() in BROKEN:
            self.delete()
        change_set = self._propose(values)
        if change_set is None:
            return []
        changes, token, stack = self._changes(change_set), _token(), self._id
        self._client.execute_change_set(ChangeSetName=change_set, ClientRequestToken=token)
        status = self._outcome(stack, token)
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise StackError(f"stack {self.name} is {status}:\n{self._reasons(stack, token)}")
        self._catch_up(status)
        return changes

    def delete(self) -> None:
        """Delete it; resources that its template retains stay.

        Raises:
            StackError: a resource is still in use, or the stack is protected.
        """
        if self._settle() is not None and (found := self._describe()):
            self._delete(str(found["StackId"]))

    def _delete(self, stack: str) -> None:
        token = _token()
        self._client.delete_stack(StackName=stack, ClientRequestToken=token)
        status = self._outcome(stack, token)
        if status != "DELETE_COMPLETE":
            raise StackError(f"stack {self.name} is {status}:\n{self._reasons(stack, token)}")
        self._catch_up(None)

    def protect(self, *, on: bool) -> None:
        """Switch termination protection on or off."""
        if self.protected() != on:
            self._client.update_termination_protection(StackName=self.name, EnableTerminationProtection=on)

    def protected(self) -> bool:
        """Return whether CloudFormation refuses to delete it."""
        return bool((self._describe() or {}).get("EnableTerminationProtection"))

    def drift(self) -> list[str]:
        """Return the resources that somebody has changed or deleted past CloudFormation, a line each.

        Raises:
            StackError: CloudFormation could not compare them.
        """
        started = self._client.detect_stack_drift(StackName=self.name)["StackDriftDetectionId"]
        while True:
            found = self._client.describe_stack_drift_detection_status(StackDriftDetectionId=started)
            if found["DetectionStatus"] != "DETECTION_IN_PROGRESS":
                break
            time.sleep(POLL_SECONDS)
        if found["DetectionStatus"] != "DETECTION_COMPLETE":
            raise StackError(f"drift of stack {self.name} is not known: {found.get('DetectionStatusReason')}")
        return [_drifted(one) for one in self._drifts()]

    def _drifts(self) -> Iterator[dict[str, Any]]:
        more: dict[str, str] = {}
        while True:
            page = self._client.describe_stack_resource_drifts(
                StackName=self.name, StackResourceDriftStatusFilters=list(DRIFTED), **more
            )
            yield from page["StackResourceDrifts"]
            if not page.get("NextToken"):
                return
            more = {"NextToken": page["NextToken"]}

    def resources(self) -> dict[str, str]:
        """Return the physical ids of its resources by logical id; for a deleted stack, the last ones."""
        named = self.name if self.exists() else self._last_deleted()
        if named is None:
            return {}
        pages = self._client.get_paginator("list_stack_resources").paginate(StackName=named)
        listed = [item for page in pages for item in page["StackResourceSummaries"]]
        return {item["LogicalResourceId"]: item.get("PhysicalResourceId", "") for item in listed}

    def _last_deleted(self) -> str | None:
        """Return the id of the last deleted stack of this name; CloudFormation keeps it for 90 days."""
        pages = self._client.get_paginator("list_stacks").paginate(StackStatusFilter=["DELETE_COMPLETE"])
        gone = [one for page in pages for one in page["StackSummaries"] if one["StackName"] == self.name]
        return max(gone, key=lambda one: one["CreationTime"])["StackId"] if gone else None

    def _describe(self, stack: str | None = None) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._client.describe_stacks(StackName=stack or self.name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in error.response["Error"]["Message"]:
                return None
            raise
        return found

    def _propose(self, values: Mapping[str, str]) -> str | None:
        """Create a change set and return its ARN, None if it would change nothing."""
        try:
            change_set = self._create_change_set(values)
        except ClientError as error:
            if _means_no_change(error.response["Error"]["Message"]):
                return None
            raise
        waiter = self._client.get_waiter("change_set_create_complete")
        often = {"Delay": POLL_SECONDS, "MaxAttempts": int(LONGEST_WAIT_SECONDS / max(POLL_SECONDS, 1))}
        try:
            waiter.wait(ChangeSetName=change_set, WaiterConfig=often)
        except WaiterError as error:
            self._discard(change_set, error)
            return None
        return change_set

    def _discard(self, change_set: str, error: WaiterError) -> None:
        """Delete a change set that has failed, and raise unless that is because there is nothing to change."""
        reason = str(error.last_response.get("StatusReason") or error)
        details = "" if _means_no_change(reason) else self._validation(change_set)
        self._client.delete_change_set(ChangeSetName=change_set)
        if not _means_no_change(reason):
            raise StackError(f"stack {self.name} cannot be changed: {reason}{details}")

    def _validation(self, change_set: str) -> str:
        """Return what CloudFormation's validation before the deployment has found; only DescribeEvents says it."""
        try:
            found = self._client.describe_events(ChangeSetName=change_set, Filters={"FailedEvents": True})
        except ClientError:  # without the permission, the reason of the change set has to do
            return ""
        lines = [
            f"\n  {event.get('LogicalResourceId')}: {event['ValidationStatusReason']}"
            for event in found["OperationEvents"]
            if event.get("ValidationStatusReason")
        ]
        return "".join(lines)

    def _create_change_set(self, values: Mapping[str, str]) -> str:
        created = self._client.create_change_set(
            StackName=self.name,
            ChangeSetName=f"credit-{time.time_ns()}",
            ChangeSetType="UPDATE" if self.exists() else "CREATE",
            TemplateBody=templates.text(self.template),
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in sorted(values.items())],
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Tags=[{"Key": name, "Value": value} for name, value in self._tags.items()],
        )
        self._id = str(created["StackId"])
        return str(created["Id"])

    def _changes(self, change_set: str) -> list[Change]:
        pages = self._client.get_paginator("describe_change_set").paginate(ChangeSetName=change_set)
        found = [change["ResourceChange"] for page in pages for change in page["Changes"]]
        return [
            Change(one["Action"], one["LogicalResourceId"], one["ResourceType"], str(one.get("Replacement", "False")))
            for one in found
        ]

    def _settle(self) -> str | None:
        """Wait until an operation that somebody else has begun has ended; return the stack's status."""
        while (status := self.status()) is not None and not status.endswith((*ENDED, PROPOSED)):
            time.sleep(POLL_SECONDS)
        if status == "UPDATE_ROLLBACK_FAILED":
            raise StackError(
                f"stack {self.name} is {status}: remove what its events complain of, run aws cloudformation "
                f"continue-update-rollback --stack-name {self.name}, and run this command again"
            )
        return status

    def _outcome(self, stack: str, token: str) -> str:
        """Wait for the end of the operation with this token; return the stack's status then.

        Its own events say so. DescribeStacks, and so botocore's waiters of stacks, may still answer with the end of
        the operation before.

        Raises:
            StackError: it has not ended within hours.
        """
        deadline = time.monotonic() + LONGEST_WAIT_SECONDS
        while time.monotonic() < deadline:
            for event in self._client.describe_stack_events(StackName=stack)["StackEvents"]:
                if _ends(event, stack, token):
                    return str(event["ResourceStatus"])
            if (self._describe(stack) or {}).get("StackStatus") == "DELETE_COMPLETE":
                return "DELETE_COMPLETE"  # a stack without resources may leave no event
            time.sleep(POLL_SECONDS)
        raise StackError(f"stack {self.name} has not ended in {LONGEST_WAIT_SECONDS / 3600:.0f} hours: see its events")

    def _catch_up(self, status: str | None) -> None:
        """Wait until DescribeStacks has learnt of an end that the events have told, as later stacks need outputs."""
        deadline = time.monotonic() + LAG_SECONDS
        while self.status() != status and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)

    def _reasons(self, stack: str, token: str) -> str:
        """Return the reasons for the failures of an operation, oldest first."""
        pages = self._client.get_paginator("describe_stack_events").paginate(StackName=stack)
        lines = [
            f"  {event['LogicalResourceId']}: {event.get('ResourceStatusReason', 'no reason given')}"
            for page in pages
            for event in page["StackEvents"]
            if event.get("ClientRequestToken") == token and event["ResourceStatus"].endswith("_FAILED")
        ]
        return "\n".join(reversed(lines)) or "  CloudFormation gives no reason; see the stack's events"


def _token() -> str:
    """Return a token for one operation; CloudFormation writes it into each of the operation's events."""
    return f"credit-{uuid.uuid4()}"


def _ends(event: Mapping[str, Any], stack: str, token: str) -> bool:
    mine = event.get("ClientRequestToken") == token and event.get("PhysicalResourceId") == stack
    return mine and event["ResourceStatus"].endswith(ENDED)


def _means_no_change(reason: str) -> bool:
    """Return whether a reason means that there is nothing to change."""
    return any(words in reason for words in NOTHING)


def _drifted(found: Mapping[str, Any]) -> str:
    paths = ", ".join(one["PropertyPath"] for one in found.get("PropertyDifferences", []))
    change = f"changed at {paths}" if paths else str(found["StackResourceDriftStatus"]).lower()
    return f"{found['LogicalResourceId']} ({found['ResourceType']}): {change}"
