"""Errors of the API server; each renders itself as a Kubernetes `Status` object."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class FieldError:
    """One fault of one field, in the API server's wording.

    Attributes:
        field: Path such as `spec.predictor.minReplicas`.
        reason: Cause such as `FieldValueInvalid`.
        message: What is wrong, without the field.
    """

    field: str
    reason: str
    message: str

    @property
    def text(self) -> str:
        """The fault as written in a `Status` message."""
        return f"{self.field}: {self.message}"

    def cause(self) -> dict[str, str]:
        """Return the fault as a cause in a `Status`."""
        content = {"reason": self.reason, "message": self.message, "field": self.field}
        return {key: value for key, value in content.items() if value}


class ApiError(Exception):
    """An error response; subclasses set the code and reason."""

    code = 500
    reason = "InternalError"

    def __init__(
        self, message: str, *, causes: Sequence[FieldError] = (), details: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.causes = causes
        self.details = details
        self.headers: dict[str, str] = {}

    def status(self) -> dict[str, Any]:
        """Return the `Status` object of this error."""
        details = {key: value for key, value in (self.details or {}).items() if value}
        if self.causes:
            details["causes"] = [c.cause() for c in self.causes]
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            **({"reason": self.reason} if self.reason else {}),
            **({"details": details} if details or self.details is not None else {}),
            "code": self.code,
        }


class BadRequestError(ApiError):
    """The request cannot be read."""

    code, reason = 400, "BadRequest"


class ForbiddenError(ApiError):
    """An admission webhook denied the object."""

    code, reason = 403, "Forbidden"


class NotFoundError(ApiError):
    """The object, resource or namespace does not exist."""

    code, reason = 404, "NotFound"


class MethodNotAllowedError(ApiError):
    """The resource does not support the verb."""

    code, reason = 405, "MethodNotAllowed"


class AlreadyExistsError(ApiError):
    """An object with that name already exists."""

    code, reason = 409, "AlreadyExists"


class ConflictError(ApiError):
    """The object has changed since the caller read it."""

    code, reason = 409, "Conflict"


class ExpiredError(ApiError):
    """The requested resourceVersion is no longer in the history."""

    code, reason = 410, "Expired"


class NotAcceptableError(ApiError):
    """No form that the client accepts can be answered."""

    code, reason = 406, "NotAcceptable"


class TooLargeError(ApiError):
    """The request's body is too large."""

    code, reason = 413, "RequestEntityTooLarge"


class TooManyRequestsError(ApiError):
    """The server asks the client to come back later."""

    code, reason = 429, "TooManyRequests"


class InternalError(ApiError):
    """Something behind the API failed, such as a webhook."""

    code, reason = 500, "InternalError"


class UnknownError(ApiError):
    """The server has no reason of its own for what went wrong."""

    code, reason = 500, ""


class UnavailableError(ApiError):
    """The server does not serve for a while."""

    code, reason = 503, "ServiceUnavailable"


class UnsupportedMediaTypeError(ApiError):
    """The resource does not support the patch type."""

    code, reason = 415, "UnsupportedMediaType"


class InvalidError(ApiError):
    """The object breaks its schema or a rule; each fault is a cause."""

    code, reason = 422, "Invalid"


class TooLargeResourceVersionError(ApiError):
    """The requested resourceVersion is in the future."""

    code, reason = 504, "Timeout"
