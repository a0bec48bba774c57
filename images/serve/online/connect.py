"""Connects the look-up that the environment asks for."""

import os
from collections.abc import Mapping

from images.serve.online.lookup import Lookup, LookupSetupError


def lookup_from_environment(environment: Mapping[str, str] = os.environ) -> Lookup | None:
    """Return the look-up that the environment asks for, or None where it names no table.

    Args:
        environment: `CREDIT_ONLINE_TABLE` (a DynamoDB table) and `CREDIT_ONLINE_TIMEOUT_MS` are read.

    Raises:
        LookupSetupError: a setting is malformed, or there is no AWS region or no credentials.
    """
    table = environment.get("CREDIT_ONLINE_TABLE")
    if not table:
        return None
    # aiohttp and botocore load only where a table is named.
    from images.serve.online.dynamodb import DynamoLookup  # noqa: PLC0415

    return DynamoLookup.connect(table, timeout=_milliseconds(environment.get("CREDIT_ONLINE_TIMEOUT_MS") or "5"))


def _milliseconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 60_000:
        raise LookupSetupError(f"CREDIT_ONLINE_TIMEOUT_MS={text!r} is not a number of milliseconds from 0 to 60000")
    return number / 1000
