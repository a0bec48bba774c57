"""The errors an API server answers, each of which renders itself as a Kubernetes `Status` object."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class FieldError:
    """One fault of one field, as the API server words it.

    Attributes:
        field: path such as `spec.predictor.minReplicas`.
        reason: a cause of the API, such as `FieldValueInvalid`.
        message: what is wrong, without the field.
    """

    field: str
    reason: str
    message: str

    @property
    def text(self) -> str:
        """The fault as it stands in a `Status` message."""
        return f"{self.field}: {self.message}"


class ApiError(Exception):
    """An answer other than success; subclasses fix code and reason."""

    code = 500
    reason = "InternalError"

    def __init__(
        self, message: str, *, causes: Sequence[FieldError] = (), details: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.causes = causes
        self.details = details or {}

    def status(self) -> dict[str, Any]:
        """Return the `Status` object of this error."""
        details = dict(self.details)
        if self.causes:
            details["causes"] = [{"reason": c.reason, "message": c.message, "field": c.field} for c in self.causes]
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": details,
            "code": self.code,
        }


class BadRequestError(ApiError):
    """The request cannot be understood."""

    code, reason = 400, "BadRequest"


class ForbiddenError(ApiError):
    """An admission webhook refused the object."""

    code, reason = 403, "Forbidden"


class NotFoundError(ApiError):
    """No such object, resource or namespace."""

    code, reason = 404, "NotFound"


class MethodNotAllowedError(ApiError):
    """The verb does not exist for this resource."""

    code, reason = 405, "MethodNotAllowed"


class AlreadyExistsError(ApiError):
    """An object of that name is there already."""

    code, reason = 409, "AlreadyExists"


class ConflictError(ApiError):
    """The object changed since the caller read it."""

    code, reason = 409, "Conflict"


class ExpiredError(ApiError):
    """The resourceVersion asked for is no longer in the history."""

    code, reason = 410, "Expired"


class UnsupportedMediaTypeError(ApiError):
    """The patch type is not served for this resource."""

    code, reason = 415, "UnsupportedMediaType"


class InvalidError(ApiError):
    """The object breaks its schema or a rule; every fault is a cause."""

    code, reason = 422, "Invalid"


class TooLargeResourceVersionError(ApiError):
    """The resourceVersion asked for lies in the future."""

    code, reason = 504, "Timeout"
