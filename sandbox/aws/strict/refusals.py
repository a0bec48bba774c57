"""Error responses: the code that each service has for an invalid request, and the form of each protocol."""

import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from xml.sax.saxutils import escape

from sandbox.aws.strict.constraints import NULL, Violation
from sandbox.aws.strict.requests import Call

# The code of a request that the model does not allow; recorded answers of AWS are in localstack's snapshots
# (`tests/aws/services/*/*.snapshot.json`) and moto's tests.
_INVALID = {
    "athena": "InvalidRequestException",
    "ecr": "InvalidParameterException",
    "ecs": "InvalidParameterException",
    "logs": "InvalidParameterException",
    "iam": "ValidationError",
    "sts": "ValidationError",
    "cloudformation": "ValidationError",
    "sns": "ValidationError",
    "autoscaling": "ValidationError",
    "elasticloadbalancing": "ValidationError",
}
# CloudWatch Logs answers these newer operations like newer services.
_NEWER_LOGS = ("Delivery", "DeliverySource", "DeliveryDestination", "Deliveries", "DeliverySources")
_REPEATED = 10
_LONG_LOG = "Invalid LogGroup or LogStream, both must have length less than or equal to 512."
# Member, part of the constraint, and the message that the service has for it alone.
_OWN_WORDS = {
    "logs": (
        ("logGroupName", "length less than", _LONG_LOG),
        ("logStreamName", "length less than", _LONG_LOG),
    ),
}


@dataclass(frozen=True)
class Refusal:
    """An error of the client or of the sandbox.

    Attributes:
        code: AWS's code.
        message: AWS's message.
        status: HTTP status.
    """

    code: str
    message: str
    status: int = 400


def invalid(call: Call, violations: list[Violation]) -> Refusal:
    """Return what a service answers to a request that its model does not allow."""
    for path, length, message in _OWN_WORDS.get(call.service, ()):
        if violations[0].path == path and length in violations[0].constraint:
            return Refusal(_INVALID[call.service], message)
    special = _SPECIAL.get(call.service)
    if special is not None:
        return special(violations[0])
    code = _INVALID.get(call.service, "ValidationException")
    if call.service == "logs" and call.name.endswith(_NEWER_LOGS):
        code = "ValidationException"
    shown = violations[:_REPEATED]
    if call.service == "iam":  # its messages do not repeat values
        shown = [Violation(item.path, None, item.constraint) for item in shown]
    count = f"{len(shown)} validation error{'s' if len(shown) > 1 else ''} detected: "
    return Refusal(code, count + "; ".join(str(item) for item in shown))


def _sqs(wrong: Violation) -> Refusal:
    name = wrong.names[-1] if wrong.names else wrong.path
    if wrong.constraint == NULL:
        return Refusal("MissingParameter", f"The request must contain the parameter {name}.")
    if name in ("Attributes", "AttributeNames"):
        given, allowed = re.findall(r"[\w.-]+(?=[=,\]])", wrong.value or ""), re.findall(r"\w+", wrong.constraint)
        unknown = next((one for one in given if one not in allowed), wrong.value)
        return Refusal("InvalidAttributeName", f"Unknown Attribute {unknown}.")
    return Refusal(
        "InvalidParameterValue", f"Value {wrong.value} for parameter {name} is invalid. Reason: {wrong.constraint}."
    )


def _ec2(wrong: Violation) -> Refusal:
    name = wrong.names[-1] if wrong.names else wrong.path
    if wrong.constraint == NULL:
        return Refusal("MissingParameter", f"The request must contain the parameter {name}")
    return Refusal(
        "InvalidParameterValue", f"Value ({wrong.value}) for parameter {name} is invalid. {wrong.constraint}"
    )


def _ecr(wrong: Violation) -> Refusal:
    constraint = wrong.constraint.removeprefix("Member ").replace(
        "regular expression pattern: ", "regular expression '"
    )
    quoted = f"{constraint}'" if "regular expression '" in constraint else constraint
    return Refusal(
        "InvalidParameterException", f"Invalid parameter at '{wrong.path}' failed to satisfy constraint: '{quoted}'"
    )


_SPECIAL: dict[str, Callable[[Violation], Refusal]] = {"sqs": _sqs, "ec2": _ec2, "ecr": _ecr}


def response(protocol: str, refusal: Refusal) -> tuple[list[tuple[str, str]], bytes]:
    """Return the headers and body of an error in the form of a protocol."""
    request = str(uuid.uuid4())
    headers = [("x-amzn-RequestId", request)]
    if protocol in ("json", "rest-json", "smithy-rpc-v2-cbor"):
        kind = "application/json" if protocol == "rest-json" else "application/x-amz-json-1.1"
        query = [("x-amzn-ErrorType", refusal.code), ("x-amzn-query-error", f"{refusal.code};Sender")]
        body = json.dumps({"__type": refusal.code, "message": refusal.message})
        return [*headers, ("Content-Type", kind), *query], body.encode()
    return [*headers, ("Content-Type", "text/xml")], _xml(protocol, refusal, request).encode()


def _xml(protocol: str, refusal: Refusal, request: str) -> str:
    error = f"<Code>{escape(refusal.code)}</Code><Message>{escape(refusal.message)}</Message>"
    if protocol == "ec2":
        return f"<Response><Errors><Error>{error}</Error></Errors><RequestID>{request}</RequestID></Response>"
    if protocol == "query":
        side = "Sender" if refusal.status < 500 else "Receiver"
        inner = f"<Error><Type>{side}</Type>{error}</Error><RequestId>{request}</RequestId>"
        return f"<ErrorResponse>{inner}</ErrorResponse>"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{error}<RequestId>{request}</RequestId></Error>'
