"""The `--set name=value` options of the commands."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel

from credit_model.errors import DataError


def assigned(assignments: Sequence[str], model: type[BaseModel], kind: str, *, example: str) -> dict[str, str]:
    """Return the values assigned to fields of a model, as text.

    Args:
        assignments: Arguments of `--set`.
        model: Has the names that may be set.
        kind: What such a name is, for messages: `setting` or `limit`.
        example: An assignment, for messages.

    Raises:
        DataError: An argument is no assignment, or the name is unknown.

    Example:
        >>> from credit_model import GateLimits
        >>> assigned(["margin=0.005"], GateLimits, "limit", example="margin=0.005")
        {'margin': '0.005'}
    """
    values = dict(_pair(text, example) for text in assignments)
    unknown = [name for name in values if name not in model.model_fields]
    if unknown:
        raise DataError(f"unknown {kind} '{unknown[0]}'; known {kind}s: {', '.join(model.model_fields)}")
    return values


def _pair(text: str, example: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found:
        raise DataError(f"--set {text}: write it as name=value, for example --set {example}")
    return name, value
