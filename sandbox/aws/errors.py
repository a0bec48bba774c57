"""The error family of the AWS sandbox and the service exceptions its APIs answer with."""

from moto.core.exceptions import JsonRESTError


class SandboxAwsError(Exception):
    """Base of everything the AWS sandbox raises; the message says what is wrong, where, and what to do."""


class ServerError(SandboxAwsError):
    """The server cannot start or stop as asked."""


class QueryError(SandboxAwsError):
    """A statement fails; the message is the `StateChangeReason` that Athena would give."""


class UnsupportedSqlError(QueryError):
    """The statement uses something whose Athena meaning the sandbox cannot reproduce, so it is refused."""

    def __init__(self, what: str) -> None:
        super().__init__(f"NOT_SUPPORTED: {what} (Athena may accept this; the sandbox refuses what it cannot match)")


class JobError(SandboxAwsError):
    """A SageMaker job fails; the message is its `FailureReason`."""


class ApiError(JsonRESTError):
    """An error answer of a JSON-protocol service: HTTP 400 with `__type` and `message`."""

    code = 400

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(kind, message)
