"""One CloudFormation stack: plans change sets, executes them, deletes the stack."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import ClientError

from deployments import templates
from deployments.errors import StackError

POLL_SECONDS = 5.0
NOTHING = ("didn't contain changes", "No updates are to be performed")
# Created by a change set that was never executed.
PROPOSED = "REVIEW_IN_PROGRESS"
# Cannot be changed; must be deleted before it can be created again.
BROKEN = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED")
SETTLED = ("_COMPLETE", "_FAILED", PROPOSED)  # CloudFormation says `…_IN_PROGRESS` until then


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

    def __init__(self, stage: str, template: str, tags: Mapping[str, str]) -> None:
        self.name = f"credit-{stage}-{template}"
        self.template = template
        self._tags = tags
        self._client: Any = boto3.client("cloudformation")

    def status(self) -> str | None:
        """Return the stack's status, None if it does not exist."""
        found = self._describe()
        return str(found["StackStatus"]) if found else None

    def exists(self) -> bool:
        """Return whether it was created successfully and not only begun."""
        return self.status() not in (None, PROPOSED, "ROLLBACK_COMPLETE", "ROLLBACK_FAILED")

    def outputs(self) -> dict[str, str]:
        """Return its outputs by name, none if it does not exist."""
        found = (self._describe() or {}).get("Outputs", [])
        return {output["OutputKey"]: output["OutputValue"] for output in found}

    def plan(self, values: Mapping[str, str]) -> list[Change]:
        """Return what deploying would change, without changing anything.

        Raises:
            StackError: it cannot be changed, because its creation or deletion failed.
        """
        if (status := self._settle()) in BROKEN:
            raise StackError(f"stack {self.name} is {status}: deploy will delete the remains and create it again")
        fresh = not self.exists()
        change_set = self._propose(values)
        if change_set is None:
            return []
        changes = self._changes(change_set)
        self._client.delete_change_set(ChangeSetName=change_set)
        if fresh:
            self._client.delete_stack(StackName=self.name)
        return changes

    def deploy(self, values: Mapping[str, str]) -> list[Change]:
        """Create or update it; return what has changed, nothing if it was up to date.

        Raises:
            StackError: CloudFormation has rolled back the change; the message has its reasons.
        """
        if self._settle() in (*BROKEN, PROPOSED):
            self.delete()
        change_set = self._propose(values)
        if change_set is None:
            return []
        changes, since = self._changes(change_set), self._newest_event()
        self._client.execute_change_set(ChangeSetName=change_set)
        status = self._settle()
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise StackError(f"stack {self.name} is {status}:\n{self._reasons(since)}")
        return changes

    def delete(self) -> None:
        """Delete it; resources that its template retains stay.

        Raises:
            StackError: a resource is still in use.
        """
        if self._settle() is None:
            return
        since = self._newest_event()
        self._client.delete_stack(StackName=self.name)
        status = self._settle()
        if status not in (None, "DELETE_COMPLETE"):
            raise StackError(f"stack {self.name} is {status}:\n{self._reasons(since)}")

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

    def _describe(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._client.describe_stacks(StackName=self.name)["Stacks"][0]
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
        while (found := self._client.describe_change_set(ChangeSetName=change_set))["Status"].endswith("_IN_PROGRESS"):
            time.sleep(POLL_SECONDS)
        if found["Status"] == "FAILED":
            self._client.delete_change_set(ChangeSetName=change_set)
            if _means_no_change(found["StatusReason"]):
                return None
            raise StackError(f"stack {self.name} cannot be changed: {found['StatusReason']}")
        return change_set

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
        return str(created["Id"])

    def _changes(self, change_set: str) -> list[Change]:
        pages = self._client.get_paginator("describe_change_set").paginate(ChangeSetName=change_set)
        found = [change["ResourceChange"] for page in pages for change in page["Changes"]]
        return [
            Change(one["Action"], one["LogicalResourceId"], one["ResourceType"], str(one.get("Replacement", "False")))
            for one in found
        ]

    def _settle(self) -> str | None:
        """Wait until CloudFormation has finished or rolled back; return the stack's status."""
        while (status := self.status()) is not None and not status.endswith(SETTLED):
            time.sleep(POLL_SECONDS)
        return status

    def _newest_event(self) -> str:
        events = self._client.describe_stack_events(StackName=self.name)["StackEvents"]
        return str(events[0]["EventId"]) if events else ""

    def _reasons(self, since: str) -> str:
        """Return the reasons for failures since an event, oldest first."""
        lines: list[str] = []
        for event in self._client.describe_stack_events(StackName=self.name)["StackEvents"]:
            if event["EventId"] == since:
                break
            if event["ResourceStatus"].endswith("_FAILED"):
                lines.append(f"  {event['LogicalResourceId']}: {event.get('ResourceStatusReason', 'no reason given')}")
        return "\n".join(reversed(lines)) or "  CloudFormation gives no reason; see the stack's events"


def _means_no_change(reason: str) -> bool:
    """Return whether a reason means that there is nothing to change."""
    return any(words in reason for words in NOTHING)
