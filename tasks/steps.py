"""Decorators that turn a function into a step of a flow: an uncached Prefect task with readable AWS errors."""

import re
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from prefect import Task, task
from prefect.assets import materialize
from prefect.cache_policies import NO_CACHE
from prefect.tasks import MaterializingTask

from tasks.errors import AccessError, BusyError, RequestError, TaskError

P = ParamSpec("P")
R = TypeVar("R")

_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "Forbidden", "403"}
_INVALID = {
    *("ValidationException", "ValidationError", "InvalidRequestException", "InvalidInputException"),
    *("InvalidParameterException", "InvalidParameterValue", "BadRequestException", "InvalidArgument"),
}
_BUSY = {
    *("ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded", "SlowDown"),
    *("InternalServerException", "InternalFailure", "InternalServerError", "ServiceUnavailable", "500", "503"),
}
_WHAT_IS_MISSING = re.compile(r"not authorized to perform:? (?P<action>[\w:]+)(?: on resource:? (?P<resource>\S+))?")
# S3 answers a HEAD request without a message. The permission needed differs from the operation's name.
_ACTIONS = {"HeadObject": "s3:GetObject", "ListObjectsV2": "s3:ListBucket"}


def step(function: Callable[P, R]) -> Task[P, R]:
    """Turn a function into a task of a flow."""
    return task(cache_policy=NO_CACHE)(explained(function))


def making(asset: str, *, of: tuple[str, ...], by: str) -> Callable[[Callable[P, R]], MaterializingTask[P, R]]:
    """Turn a function into a task that materialises an asset; `tasks.assets.of` fills in the portfolio.

    Args:
        asset: Key of the asset.
        of: Keys of the assets it is derived from.
        by: Service that makes it.
    """

    def made(function: Callable[P, R]) -> MaterializingTask[P, R]:
        return materialize(asset, by=by, asset_deps=list(of), cache_policy=NO_CACHE)(explained(function))

    return made


def explained(function: Callable[P, R]) -> Callable[P, R]:
    """Convert AWS errors into our own, whose messages say what to do."""

    @wraps(function)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except (BotoCoreError, ClientError, Boto3Error) as error:
            found = translated(error)
            if found is None:
                raise
            raise found from error

    return inner


def translated(error: Exception) -> TaskError | None:
    """Return our error for an AWS error, None if it needs no translation."""
    if isinstance(error, ParamValidationError):
        return RequestError(f"a request to AWS is malformed and was not sent: {error}; fix the parameter it names")
    if isinstance(error, ClientError):
        return _answered(error)
    cause = error.__cause__ or error.__context__
    if isinstance(error, Boto3Error) and isinstance(cause, ClientError):
        return _answered(cause)
    if isinstance(error, BotoCoreError):
        return BusyError(f"AWS cannot be reached: {error}; run the flow again, it resumes from the finished steps")
    return None


def _answered(error: ClientError) -> TaskError | None:
    code, said = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    operation = error.operation_name
    if code in _DENIED:
        return _denied(operation, said)
    if code in _INVALID:
        return RequestError(f"AWS refuses {operation}: {said} ({code}); fix the parameter or setting it names")
    if code in ("ResourceLimitExceeded", "LimitExceededException"):
        return RequestError(f"AWS refuses {operation}: {said}; request a higher quota or choose another instance type")
    if code in _BUSY:
        attempts = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0) + 1
        advice = "run the flow again, it resumes from the finished steps"
        return BusyError(f"AWS kept answering {code} to {operation} ({attempts} attempts): {said}; {advice}")
    return None


def _denied(operation: str, said: str) -> AccessError:
    found = _WHAT_IS_MISSING.search(said)
    action = found["action"] if found else _ACTIONS.get(operation, operation)
    resource = (found["resource"] if found else None) or "a resource that AWS does not name"
    return AccessError(
        f"permission {action} on {resource.rstrip('.,')} is missing ({operation} was denied: {said}); "
        "add it to the policy of the role that runs the flow"
    )
