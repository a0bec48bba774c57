"""Botocore's service models, as moto has loaded them, with the compiled check of each operation's request."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from botocore.exceptions import UnknownServiceError
from botocore.model import OperationNotFoundError
from moto.core.utils import get_service_model

from sandbox.aws.strict.constraints import Check, compile_shape

# Services that sign with another name than their model has.
_SIGNED_AS = {
    "monitoring": "cloudwatch",
    "states": "stepfunctions",
    "tagging": "resourcegroupstaggingapi",
    "elasticloadbalancing": "elbv2",
    "email": "ses",
}


@dataclass(frozen=True)
class Operation:
    """One operation of a service.

    Attributes:
        name: For example `CreateTrainingJob`.
        model: Botocore's model of it.
        check: The compiled check of its request; None if it takes nothing.
    """

    name: str
    model: Any
    check: Check | None


@cache
def service(signing_name: str) -> Any:  # noqa: ANN401 - botocore's models are untyped
    """Return the model of a service by the name that signs its requests; None if there is none."""
    try:
        return get_service_model(_SIGNED_AS.get(signing_name, signing_name))
    except UnknownServiceError:
        return None


@cache
def operation(signing_name: str, name: str) -> Operation | None:
    """Return an operation of a service; None if the service does not have it."""
    model = service(signing_name)
    try:
        found = model.operation_model(name)
    except OperationNotFoundError:
        return None
    shape = found.input_shape
    return Operation(name, found, compile_shape(shape) if shape is not None else None)
