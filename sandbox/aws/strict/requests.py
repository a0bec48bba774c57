"""Reads a request before moto does: its service, operation and parameters."""

import io
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.core.parse import EC2QueryParser, QueryParser
from werkzeug.datastructures import MultiDict

from sandbox.aws.strict import models
from sandbox.aws.strict.models import Operation

Environ = dict[str, Any]
_SCOPE = re.compile(r"Credential=[^/]+/\d{8}/([^/]+)/([^/]+)/")
_JSON = "application/x-amz-json"
_LARGEST = 64 << 20


class UnreadableError(Exception):
    """The request cannot be read: `code` and the message are AWS's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Call:
    """A request as one operation with its parameters.

    Attributes:
        service: The name that signs requests of the service, for example `sagemaker`.
        protocol: json, query, ec2, rest-json or rest-xml.
        region: Region of the request.
        name: The operation as asked for; empty if only its path says.
        operation: The operation's model; None if the service does not have it or only its path says which it is.
        parameters: The parameters by the model's names, as JSON values.
        account: Account of the request.
    """

    service: str
    protocol: str
    region: str
    name: str = ""
    operation: Operation | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    account: str = DEFAULT_ACCOUNT_ID

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """Return the value at a dotted path, or None if any part is missing."""
        value: Any = self.parameters
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return value


def identify(environ: Environ) -> Call | None:
    """Return a request's service and operation without its parameters; None if it is not signed for a known service."""
    scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    if scope is None or (model := models.service(scope[2])) is None:
        return None
    service, protocol = scope[2], str(model.metadata["protocol"])
    call = Call(service, protocol, scope[1])
    target = environ.get("HTTP_X_AMZ_TARGET")
    if protocol == "json" and target:
        prefix, _, call.name = target.rpartition(".")
        if prefix != model.metadata.get("targetPrefix"):
            return None
    elif environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        # SQS too: it spoke this protocol before, and old clients still do.
        call.protocol = "query" if protocol == "json" else protocol
        form = dict(parse_qsl(read_body(environ).decode(), keep_blank_values=True))
        call.name = form.get("Action", "")
    if call.name:
        call.operation = models.operation(service, call.name)
    return call


def read_parameters(call: Call, environ: Environ) -> None:
    """Fill in the parameters of a call.

    Raises:
        UnreadableError: The body is not what the protocol says.
    """
    if call.operation is None:
        return
    if call.protocol == "json":
        call.parameters = _json(read_body(environ))
    elif call.protocol in ("query", "ec2"):
        call.parameters = _form(call, read_body(environ))


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise UnreadableError("SerializationException", f"could not parse the body as JSON: {error}") from error
    if not isinstance(found, dict):
        raise UnreadableError("SerializationException", "Unexpected value type in payload")
    return found


def _form(call: Call, body: bytes) -> dict[str, Any]:
    kind = EC2QueryParser if call.protocol == "ec2" else QueryParser
    values: MultiDict[str, str] = MultiDict(parse_qsl(body.decode(), keep_blank_values=True))
    if call.operation is None or call.operation.model.input_shape is None:
        return {}
    # Its parser takes whole requests, of which this protocol needs only the form.
    parse: Any = kind(call.operation.model)._do_parse
    try:
        found: dict[str, Any] = parse({"values": values}, call.operation.model.input_shape)
    except (ValueError, TypeError) as error:
        raise UnreadableError(
            "MalformedInput", f"a parameter has another type than {call.name} takes: {error}"
        ) from error
    return found


def read_body(environ: Environ) -> bytes:
    """Return the body, and leave it in place for moto."""
    length = min(int(environ.get("CONTENT_LENGTH") or 0), _LARGEST)
    stream = environ["wsgi.input"]
    if isinstance(stream, io.BytesIO):
        return stream.getvalue()
    body: bytes = stream.read(length)
    environ["wsgi.input"] = io.BytesIO(body)
    return body
