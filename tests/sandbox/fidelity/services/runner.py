"""Puts the probes to a server and says how its answers stand to those of AWS."""

import time
import uuid
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import boto3
import jmespath
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.sandbox.fidelity.outcome import Finding, Outcome
from tests.sandbox.fidelity.services.probes import Probe, Step, Table, filled

NOT_MODELLED = "NotImplemented"
PATIENCE_SECONDS = 30.0
# Requests reach the server as they are: botocore itself checks a part of what the service checks.
_CONFIG = Config(parameter_validation=False, retries={"max_attempts": 1}, s3={"addressing_style": "path"})
Values = dict[str, Any]


class StepError(Exception):
    """A call that had to succeed did not."""


def run(tables: Iterable[Table]) -> Iterator[Finding]:
    """Put every probe of the tables to the server that boto3's own settings name."""
    for table in tables:
        shared = prepare(table)
        for probe in table.probes:
            yield ask(table, probe, shared)


def prepare(table: Table) -> Values:
    """Make what the probes of a table share; return the values of its names."""
    values: Values = {**table.values, "t": uuid.uuid4().hex[:10]}
    for step in table.once:
        _given(table.service, step, values)
    return values


def ask(table: Table, probe: Probe, shared: Values) -> Finding:
    """Put one probe to the server; it has names of its own, so probes do not meet each other."""
    values: Values = {**shared, "u": uuid.uuid4().hex[:10]}
    try:
        for step in [*table.given, *probe.given]:
            _given(table.service, step, values)
        answer = _call(table.service, probe, values)
    except ClientError as error:
        answer = error
    except (StepError, BotoCoreError) as error:
        return Finding(_name(table, probe), Outcome.MISLEADING, str(error))
    outcome, said = judge(probe, answer, values)
    return Finding(_name(table, probe), outcome, said)


def judge(probe: Probe, answer: dict[str, Any] | ClientError, values: Values) -> tuple[Outcome, str]:
    """Return how an answer stands to AWS's, and what it says."""
    if isinstance(answer, ClientError):
        code, said = answer.response["Error"]["Code"], str(answer.response["Error"].get("Message"))
        if code == NOT_MODELLED:
            return (Outcome.RIGHT if probe.error == code else Outcome.REFUSED), said
        right = code == probe.error and str(filled(probe.message, values)) in said
        return (Outcome.RIGHT if right else Outcome.MISLEADING), f"{code}: {said[:300]}"
    if probe.error:
        return Outcome.LENIENT, "accepted"
    found = jmespath.search(probe.at, answer) if probe.at else None
    right = found == filled(probe.value, values)
    return (Outcome.RIGHT if right else Outcome.WRONG), f"{probe.at} is {found!r}"


def _given(service: str, step: Step, values: Values) -> None:
    try:
        answer = _call(service, step, values)
    except ClientError as error:
        raise StepError(f"given {step.call}: {error}") from error
    for name, path in step.save.items():
        values[name] = jmespath.search(path, answer)


def _call(service: str, step: Step, values: Values) -> dict[str, Any]:
    owner, _, operation = step.call.rpartition(".")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        method = getattr(_client(owner or service), operation)
        answer: dict[str, Any] = _plain(method(**filled(step.with_, values)))
        if step.until is None or jmespath.search(filled(step.until, values), answer):
            return answer
        if time.monotonic() > deadline:
            raise StepError(f"{step.call}: {step.until} did not become true of {answer}")
        time.sleep(0.05)


def _plain(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer whose binary parts are text, so that a table can name them."""
    return {name: _read(value) for name, value in answer.items() if name != "ResponseMetadata"}


def _read(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _read(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_read(item) for item in value]
    if hasattr(value, "read"):
        value = value.read()
    return value.decode(errors="replace") if isinstance(value, bytes) else value


@cache
def _client(service: str) -> Any:
    return boto3.client(service, config=_CONFIG)


def _name(table: Table, probe: Probe) -> str:
    return f"{table.service}/{probe.id}"
