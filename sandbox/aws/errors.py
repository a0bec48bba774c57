"""Errors of the AWS sandbox, and the error responses of its APIs."""

from moto.core.exceptions import JsonRESTError


class SandboxAwsError(Exception):
    """Base of the AWS sandbox's errors; the message says what is wrong, where, and what to do."""


class ServerError(SandboxAwsError):
    """The server cannot start or stop."""


class QueryError(SandboxAwsError):
    """A statement failed; the message is Athena's `StateChangeReason`."""


class UnsupportedSqlError(QueryError):
    """The statement uses a feature whose Athena meaning the sandbox cannot reproduce."""

    def __init__(self, what: str) -> None:
        super().__init__(f"NOT_SUPPORTED: {what} (Athena may accept this; the sandbox cannot reproduce it)")


class JobError(SandboxAwsError):
    """A SageMaker job failed; the message is its `FailureReason`."""


class ApiError(JsonRESTError):
    """An error response of a JSON-protocol service: HTTP 400 with `__type` and `message`."""

    code = 400

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(kind, message)
