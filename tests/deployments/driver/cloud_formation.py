"""A CloudFormation that answers as slowly and as late as the service does, behind the real client.

Sources of its behaviour: the API reference and botocore's model (statuses, errors, tokens of events); aws-cdk-cli #1802
and #1848 (DescribeStacks still says `REVIEW_IN_PROGRESS` after a change set has been executed); the issue trackers of
serverless and the AWS CLI (texts of reasons); terraform-aws-eks #2486 (EKS writes its log group once more).
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

import boto3
import yaml
from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from tests.deployments.driver.cloud_formation_templates import (
    Document,
    Record,
    RefusalError,
    log_groups,
    parameters,
    physical,
    resolved,
    text,
    xml,
)

MODEL = ServiceModel(Loader().load_service_model("cloudformation", "service-2"))
STATUSES = set(MODEL.shape_for("StackStatus").enum)
HERE = "eu-west-1:123456789012"
UNCHANGED = "The submitted information didn't contain changes. Submit different information to create a change set."
EARLY = (
    "The following hook(s)/validation failed: [AWS::EarlyValidation::ResourceExistenceCheck]. To troubleshoot Early "
    "Validation errors, use the DescribeEvents API for detailed failure information."
)
LAG = 3  # reads for which DescribeStacks answers with what was before
LATE, STEPS = 4, 3  # calls after which an event is listed, and that a step takes
GONE = "DELETE_COMPLETE"
THROTTLED = 211  # each so many-th call is refused


@dataclass
class ChangeSet:
    id: str
    stack: Record
    template: dict[str, Any]
    parameters: dict[str, str]
    born: int
    failed: str = ""
    executed: bool = False


class CloudFormation:
    """The service on loopback; `endpoint` is its address.

    Attributes:
        holders: texts by logical id: why a resource cannot be deleted now.
        early: whether name conflicts fail the change set (early validation) and not the stack.
        calls: names of all actions that were called.
    """

    def __init__(self) -> None:
        self._logs = boto3.client("logs")
        self.holders: dict[str, Any] = {}
        self.early = False
        self.calls: list[str] = []
        self.drifted: list[dict[str, Any]] = []
        self._stacks: dict[str, Record] = {}
        self._sets: dict[str, ChangeSet] = {}
        self._work: list[Iterator[None]] = []
        self._detections: dict[str, int] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()

    def stands(self) -> dict[str, str]:
        """Statuses of the stacks by name, as they are."""
        return {one.name: one.status for one in self._stacks.values() if one.status != "DELETE_COMPLETE"}

    def answer(self, form: dict[str, str]) -> str:
        with self._lock:
            action = form["Action"]
            self.calls.append(action)
            if len(self.calls) % THROTTLED == 0:
                raise RefusalError("Throttling", "Rate exceeded")
            self._work = [one for one in self._work if next(one, self) is not self]
            found = getattr(self, f"_{xform_name(action)}")(form) or {}
            shape = MODEL.operation_model(action).output_shape
            if shape:
                problems = ParamValidator().validate(found, shape)
                assert not problems.has_errors(), problems.generate_report()
            return f"<{action}Response><{action}Result>{xml(found)}</{action}Result></{action}Response>"

    # --- Reading ---

    def _describe_stacks(self, form):
        named = form.get("StackName")
        known = [one for one in self._stacks.values() if named in (None, one.id) or self._lives_as(one, named)]
        views = [
            view for one in known if (view := self._view(one)) and (named == one.id or view["StackStatus"] != GONE)
        ]
        if named and not views:
            raise RefusalError("ValidationError", f"Stack with id {named} does not exist")
        return {"Stacks": views}

    def _lives_as(self, one: Record, name: str) -> bool:
        return one.name == name and (one.status != "DELETE_COMPLETE" or one.stale > 0)

    def _view(self, one: Record) -> dict[str, Any] | None:
        if one.stale > 0:
            one.stale -= 1
            return one.seen
        one.seen = {
            "StackId": one.id,
            "StackName": one.name,
            "StackStatus": one.status,
            "CreationTime": _now(len(self.calls)),
            "EnableTerminationProtection": one.protected,
            "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in one.parameters.items()],
            "Outputs": [
                {"OutputKey": name, "OutputValue": text(resolved(output["Value"], one))}
                for name, output in one.template.get("Outputs", {}).items()
                if not one.status.startswith(("REVIEW", "ROLLBACK"))
            ],
        }
        return one.seen

    def _describe_stack_events(self, form):
        one = self._stacks.get(form["StackName"]) or self._current(form["StackName"])
        assert one is not None, form
        listed = [event for due, event in one.events if due <= len(self.calls)]
        return {"StackEvents": listed[::-1]}

    def _list_stack_resources(self, form):
        one = self._stacks.get(form["StackName"]) or self._current(form["StackName"])
        listed = [
            {
                "LogicalResourceId": name,
                "PhysicalResourceId": physical(name, one),
                "ResourceType": it["Type"],
                "LastUpdatedTimestamp": _now(0),
                "ResourceStatus": "CREATE_COMPLETE",
            }
            for name, it in one.template["Resources"].items()
        ]
        return {"StackResourceSummaries": listed}

    def _list_stacks(self, form):
        gone = [one for one in self._stacks.values() if one.status == "DELETE_COMPLETE" and one.stale == 0]
        end = {"CreationTime": _now(0), "StackStatus": "DELETE_COMPLETE"}
        return {"StackSummaries": [{"StackName": one.name, "StackId": one.id, **end} for one in gone]}

    def _current(self, name: str) -> Record | None:
        return next(
            (one for one in self._stacks.values() if one.name == name and one.status != "DELETE_COMPLETE"), None
        )

    # --- Change sets ---

    def _create_change_set(self, form):
        name, kind = form["StackName"], form["ChangeSetType"]
        one = self._current(name)
        if kind == "UPDATE" and (one is None or one.status == "REVIEW_IN_PROGRESS"):
            raise RefusalError("ValidationError", f"Stack [{name}] does not exist")
        if kind == "CREATE" and one is not None and one.status != "REVIEW_IN_PROGRESS":
            set_name = form["ChangeSetName"]
            raise RefusalError(
                "ValidationError",
                f"Stack [{name}] already exists and cannot be created again with the changeSet [{set_name}].",
            )
        if one is not None and one.status.endswith("_IN_PROGRESS") and one.status != "REVIEW_IN_PROGRESS":
            raise RefusalError("ValidationError", f"Stack:{one.id} is in {one.status} state and can not be updated.")
        template = yaml.load(form["TemplateBody"], Document)
        given = parameters(template, form)
        if one is None:
            one = Record(name, f"arn:aws:cloudformation:{HERE}:stack/{name}/{len(self._stacks)}", "")
            self._stacks[one.id] = one
            self._set(one, "REVIEW_IN_PROGRESS", "", "User Initiated")
        arn = f"arn:aws:cloudformation:{HERE}:changeSet/{form['ChangeSetName']}/{len(self._sets)}"
        made = self._sets[arn] = ChangeSet(arn, one, template, given, len(self.calls))
        if not self._differences(made):
            made.failed = UNCHANGED
        elif self.early and self._conflicts(made):
            made.failed = EARLY
        return {"Id": arn, "StackId": one.id}

    def _status_of(self, one: ChangeSet) -> str:
        age = len(self.calls) - one.born
        if age <= 2:
            return "CREATE_PENDING" if age <= 1 else "CREATE_IN_PROGRESS"
        return "FAILED" if one.failed else "CREATE_COMPLETE"

    def _find_set(self, form) -> ChangeSet:
        found = self._sets.get(form["ChangeSetName"])
        if found is None:
            raise RefusalError("ChangeSetNotFound", f"ChangeSet [{form['ChangeSetName']}] does not exist")
        return found

    def _describe_change_set(self, form):
        one = self._find_set(form)
        status = self._status_of(one)
        found = {"ChangeSetId": one.id, "StackId": one.stack.id, "Status": status}
        if status == "FAILED":
            found |= {"StatusReason": one.failed}
        if status == "CREATE_COMPLETE":
            found |= {"Changes": [{"Type": "Resource", "ResourceChange": it} for it in self._differences(one)]}
        return found

    def _describe_events(self, form):
        one = self._find_set(form)
        events = [
            {
                "EventId": str(number),
                "StackId": one.stack.id,
                "LogicalResourceId": name,
                "EventType": "VALIDATION_ERROR",
                "ValidationStatusReason": f"Resource of type 'AWS::Logs::LogGroup' with identifier '{group}' exists.",
            }
            for number, (name, group) in enumerate(self._conflicts(one).items())
        ]
        return {"OperationEvents": events}

    def _delete_change_set(self, form):
        one = self._find_set(form)
        if self._status_of(one) in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
            raise RefusalError("InvalidChangeSetStatus", f"ChangeSet [{one.id}] is in status [{self._status_of(one)}].")
        del self._sets[one.id]

    def _execute_change_set(self, form):
        one = self._find_set(form)
        status = self._status_of(one)
        if status != "CREATE_COMPLETE" or one.executed:
            raise RefusalError(
                "InvalidChangeSetStatus", f"ChangeSet [{one.id}] cannot be executed in its current status of [{status}]"
            )
        one.executed = True
        self._work.append(self._execute(one, form.get("ClientRequestToken", "")))

    def _differences(self, one: ChangeSet) -> list[dict[str, Any]]:
        after = Record(one.stack.name, one.stack.id, "", one.template, one.parameters)
        old, new = one.stack.template.get("Resources", {}), one.template["Resources"]
        found = []
        for name in sorted(old.keys() | new.keys()):
            if name not in old:
                action = "Add"
            elif name not in new:
                action = "Remove"
            elif resolved(old[name], one.stack) != resolved(new[name], after):
                action = "Modify"
            else:
                continue
            kind = (new.get(name) or old[name])["Type"]
            found.append({"Action": action, "LogicalResourceId": name, "ResourceType": kind})
        return found

    def _conflicts(self, one: ChangeSet) -> dict[str, str]:
        after = Record(one.stack.name, one.stack.id, "", one.template, one.parameters)
        added = {it["LogicalResourceId"] for it in self._differences(one) if it["Action"] == "Add"}
        return {
            name: group
            for name, group in log_groups(after).items()
            if name in added and group in self._existing_groups()
        }

    # --- Work that takes its time ---

    def _execute(self, one: ChangeSet, token: str) -> Iterator[None]:
        stack, word = one.stack, "CREATE" if one.stack.status == "REVIEW_IN_PROGRESS" else "UPDATE"
        yield from [None] * STEPS
        self._set(stack, f"{word}_IN_PROGRESS", token, "User Initiated")
        yield from [None] * STEPS
        conflicts = self._conflicts(one)
        for name, group in conflicts.items():
            reason = (
                f"Resource handler returned message: \"Resource of type 'AWS::Logs::LogGroup' with identifier "
                f'\'{{"/properties/LogGroupName":"{group}"}}\' already exists." (RequestToken: 1, HandlerErrorCode: '
                "AlreadyExists)"
            )
            self._note(stack, name, "", f"{word}_FAILED", token, reason)
        if conflicts:
            before = "ROLLBACK" if word == "CREATE" else "UPDATE_ROLLBACK"
            self._set(stack, f"{before}_IN_PROGRESS", token, f"The following resource(s) failed: {list(conflicts)}.")
            yield from [None] * STEPS
            self._set(stack, f"{before}_COMPLETE", token, "")
            return
        stack.template, stack.parameters = one.template, one.parameters
        for group in set(log_groups(stack).values()) - self._existing_groups():
            self._logs.create_log_group(logGroupName=group)
        if word == "UPDATE":
            self._set(stack, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", token, "")
            yield from [None] * STEPS
        self._set(stack, f"{word}_COMPLETE", token, "")

    def _delete_stack(self, form):
        one = self._stacks.get(form["StackName"]) or self._current(form["StackName"])
        if one is not None and one.protected:
            raise RefusalError(
                "ValidationError", f"Stack [{one.id}] cannot be deleted while TerminationProtection is enabled"
            )
        if one is not None and one.status != "DELETE_COMPLETE":
            self._work.append(self._remove(one, form.get("ClientRequestToken", "")))

    def _remove(self, one: Record, token: str) -> Iterator[None]:
        yield from [None] * STEPS
        self._set(one, "DELETE_IN_PROGRESS", token, "User Initiated")
        yield from [None] * STEPS
        held = {name: why for name in one.template.get("Resources", {}) if (why := self._held(name))}
        for name, why in held.items():
            self._note(one, name, "", "DELETE_FAILED", token, why)
        if held:
            self._set(one, "DELETE_FAILED", token, f"The following resource(s) failed to delete: {list(held)}. ")
            return
        for group in set(log_groups(one).values()) & self._existing_groups():
            if not group.startswith("/aws/eks/"):  # EKS writes its group once more when the cluster has gone
                self._logs.delete_log_group(logGroupName=group)
        self._set(one, "DELETE_COMPLETE", token, "")

    def _existing_groups(self) -> set[str]:
        return {one["logGroupName"] for one in self._logs.describe_log_groups()["logGroups"]}

    def _held(self, name: str) -> str:
        return self.holders[name]() if name in self.holders else ""

    def _update_termination_protection(self, form):
        one = self._current(form["StackName"])
        one.protected, one.stale = form["EnableTerminationProtection"] == "true", LAG
        return {"StackId": one.id}

    def _detect_stack_drift(self, form):
        self._detections[form["StackName"]] = 3
        return {"StackDriftDetectionId": form["StackName"]}

    def _describe_stack_drift_detection_status(self, form):
        detection = form["StackDriftDetectionId"]
        self._detections[detection] -= 1
        done = self._detections[detection] <= 0
        status = "DETECTION_COMPLETE" if done else "DETECTION_IN_PROGRESS"
        common = {"StackId": self._current(detection).id, "Timestamp": _now(0)}
        return {"StackDriftDetectionId": detection, "DetectionStatus": status, **common}

    def _describe_stack_resource_drifts(self, form):
        one = self._current(form["StackName"])
        mine = [it for it in self.drifted if it["LogicalResourceId"] in one.template["Resources"]]
        return {"StackResourceDrifts": [{"StackId": one.id, "Timestamp": _now(0), **it} for it in mine]}

    def _set(self, one: Record, status: str, token: str, reason: str) -> None:
        assert status in STATUSES, status
        one.status, one.stale = status, LAG
        self._note(one, one.name, one.id, status, token, reason)

    def _note(self, one: Record, logical: str, physical_id: str, status: str, token: str, reason: str) -> None:
        event = {
            "StackId": one.id,
            "EventId": f"{one.name}-{len(one.events)}",
            "StackName": one.name,
            "LogicalResourceId": logical,
            "PhysicalResourceId": physical_id,
            "Timestamp": _now(len(self.calls)),
            "ResourceStatus": status,
            **({"ResourceStatusReason": reason} if reason else {}),
            **({"ClientRequestToken": token} if token else {}),
        }
        one.events.append((len(self.calls) + LATE, event))


def _now(clock: int) -> str:
    return f"2026-11-28T{clock // 3600 % 24:02d}:{clock // 60 % 60:02d}:{clock % 60:02d}Z"


def _handler(service: CloudFormation) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            try:
                self._send(200, service.answer({key: one[0] for key, one in parse_qs(body, True).items()}))
            except RefusalError as refusal:
                code, message = refusal.args
                error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
                self._send(400, f"<ErrorResponse>{error}</ErrorResponse>")

        def _send(self, status: int, text: str) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    return Handler
