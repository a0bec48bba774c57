"""The default event bus: matches all events against the rules and sends them to API destinations."""

import contextlib
import copy
import json
import logging
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, cast

from moto.events.exceptions import InvalidEventPatternException
from moto.events.models import EventPattern, EventPatternParser, EventsBackend, Rule, events_backends
from moto.events.responses import EventsHandler
from moto.s3 import notifications
from moto.s3.models import S3Backend
from moto.s3.responses import S3Response

from sandbox.aws.errors import ApiError
from sandbox.aws.events import patterns
from sandbox.aws.events.courier import Courier, delivery
from sandbox.aws.events.patterns import PatternError
from sandbox.aws.events.sources import Event, object_event
from sandbox.aws.events.transformer import MISSING, find, transform

_log = logging.getLogger(__name__)
_completing: ContextVar[bool] = ContextVar("completing", default=False)
_tagging: ContextVar[bool] = ContextVar("tagging", default=False)
_DESTINATION = ":api-destination/"
_send_elsewhere: Callable[..., None] = Rule.send_to_targets
_send_events: Callable[..., list[dict[str, Any]]] = EventsBackend.put_events
_put_tags: Callable[..., Any] = S3Response.put_object_tagging
_complete_upload: Callable[..., Any] = S3Backend.complete_multipart_upload


def publish(event: Event) -> None:
    """Publish an AWS service's event on the default bus of its account and region."""
    bus = events_backends[event["account"]][event["region"]].event_buses["default"]
    for rule in list(bus.rules.values()):
        rule.send_to_targets(cast("Any", copy.deepcopy(event)))


def attach(courier: Courier) -> None:
    """Make moto's rules deliver through `courier`, and make S3 publish its object events."""

    def send_to_targets(rule: Any, original_event: Event, transform_input: bool = True) -> None:  # noqa: ANN401 - moto
        # A rule with a schedule alone matches no event.
        wanted = rule.state == "ENABLED" and rule.event_pattern.get_pattern()
        if wanted and rule.event_pattern.matches_event(original_event):
            for target in rule.targets:
                with _logged(f"rule {rule.name}, target {target['Id']}"):
                    _send(courier, rule, target, original_event, transform_input)

    for owner, name, ours in ((Rule, "send_to_targets", send_to_targets), *_replacements()):
        setattr(owner, name, ours)


def _replacements() -> list[tuple[Any, str, Callable[..., Any]]]:
    """Return what replaces parts of moto: the owner, its attribute, and ours."""
    return [
        (S3Response, "put_object_tagging", _tagged),
        (S3Backend, "complete_multipart_upload", _uploaded),
        (notifications, "_send_event_bridge_message", _object_changed),
        (EventPattern, "matches_event", _matches),
        (EventPatternParser, "parse", _parse),
        (EventsHandler, "test_event_pattern", _test_event_pattern),
        (EventsBackend, "put_events", _put_events),
    ]


def _object_changed(account_id: str, bucket: Any, event_name: Any, key: Any) -> None:  # noqa: ANN401 - moto
    name = str(getattr(event_name, "value", event_name))
    if name == "s3:ObjectCreated:Put" and _completing.get():
        return  # moto announces the assembled object twice, S3 only as CompleteMultipartUpload
    if name == "s3:ObjectTagging:Put" and not _tagging.get():
        return  # moto announces the tags of a new object too
    with _logged(f"event {name} of s3://{bucket.name}"):
        event = object_event(account_id, bucket, name, key)
        if event is not None:
            publish(event)


def _uploaded(backend: Any, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - moto's signature
    token = _completing.set(True)
    try:
        return _complete_upload(backend, *arguments, **named)
    finally:
        _completing.reset(token)


def _tagged(response: Any, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - moto's signature
    token = _tagging.set(True)
    try:
        return _put_tags(response, *arguments, **named)
    finally:
        _tagging.reset(token)


def _matches(pattern: EventPattern, event: Event) -> bool:
    return patterns.matches(pattern.get_pattern(), event)


def _parse(parser: EventPatternParser) -> dict[str, Any]:
    try:
        return patterns.parse(parser.pattern)
    except PatternError as error:
        raise InvalidEventPatternException(reason=str(error)) from error


def _put_events(backend: EventsBackend, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """PutEvents: an entry for a bus that does not exist is lost without an error, one for `aws.` is refused."""
    answers: list[dict[str, Any]] = []
    for entry in entries:
        bus = str(entry.get("EventBusName") or "default").rsplit("/", 1)[-1]
        if str(entry.get("Source", "")).startswith("aws."):
            answers.append(
                {"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": "Not authorized for the source."}
            )
        elif bus not in backend.event_buses:
            answers.append({"EventId": str(uuid.uuid4())})
        else:
            answers += _send_events(backend, [entry])
    return answers


def _test_event_pattern(handler: EventsHandler) -> tuple[str, dict[str, Any]]:
    """TestEventPattern, which moto answers with nothing."""
    pattern = EventPatternParser(handler._get_param("EventPattern")).parse()
    try:
        event = json.loads(handler._get_param("Event"))
    except ValueError as error:
        raise ApiError("ValidationException", "Parameter Event is not valid.") from error
    if not isinstance(event, dict):
        raise ApiError("ValidationException", "Parameter Event is not valid.")
    return json.dumps({"Result": patterns.matches(pattern, event)}), {}


@contextlib.contextmanager
def _logged(what: str) -> Any:  # noqa: ANN401 - a context manager
    """Log a failure and continue: the request that caused the event has already succeeded."""
    try:
        yield
    except Exception:
        _log.exception(what)


def _send(courier: Courier, rule: Any, target: dict[str, Any], event: Event, transform_input: bool) -> None:  # noqa: ANN401
    if _DESTINATION not in target["Arn"]:
        alone = copy.copy(rule)
        alone.targets = [target]
        original = {**event, "time": _epoch(event["time"])}
        original.setdefault("ingestion-time", original["time"])
        _send_elsewhere(alone, original, transform_input and "InputTransformer" in target)
        return
    backend = events_backends[rule.account_id][rule.region_name]
    destination = backend.destinations[target["Arn"].split(_DESTINATION)[1].split("/")[0]]
    connection = next(item for item in backend.connections.values() if item.arn == destination.connection_arn)
    body = _body(target, _clean(event), {"arn": rule.arn, "name": rule.name})
    attempts = 1 + int((target.get("RetryPolicy") or {}).get("MaximumRetryAttempts", 5))
    courier.send(delivery(destination, connection, target, body), min(attempts, 6))


def _body(target: dict[str, Any], event: Event, rule: dict[str, str]) -> str:
    if target.get("InputTransformer"):
        return transform(target["InputTransformer"], event, rule)
    if target.get("Input"):
        return str(target["Input"])
    if target.get("InputPath"):
        found = find(target["InputPath"], event)
        return json.dumps(None if found is MISSING else found)
    return json.dumps(event)


def _clean(event: Event) -> Event:
    """Return an event as a target sees it: with an ISO time and without moto's own fields."""
    cleaned = {name: value for name, value in event.items() if name != "ingestion-time"}
    if not isinstance(cleaned["time"], str):
        cleaned["time"] = f"{datetime.fromtimestamp(float(cleaned['time']), UTC):%Y-%m-%dT%H:%M:%SZ}"
    return cleaned


def _epoch(moment: str | float) -> float:
    return datetime.fromisoformat(moment).timestamp() if isinstance(moment, str) else float(moment)
