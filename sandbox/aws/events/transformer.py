"""EventBridge's input transformer: JSON paths into an event, and a template with `<placeholders>`."""

import json
import re
from typing import Any

_STEP = re.compile(r"\.([\w-]+)|\['([^']+)'\]|\[(\d+)\]")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|<[\w.:-]+>')
_PLACEHOLDER = re.compile(r"<([\w.:-]+)>")
MISSING = object()


def find(path: str, event: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value at a JSON path, or `MISSING`.

    >>> find("$.resources[0]", {"resources": ["arn:aws:s3:::b"]})
    'arn:aws:s3:::b'
    """
    value, position = event, 1
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None:
            return MISSING
        key: str | int = int(step[3]) if step[3] else (step[1] or step[2])
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return MISSING
        position = step.end()
    return value


def transform(transformer: dict[str, Any], event: dict[str, Any], rule: dict[str, str]) -> str:
    """Render an `InputTransformer` for an event.

    A placeholder outside quotes becomes a JSON value (strings are quoted); inside a quoted text it becomes the bare
    text, escaped. `<aws.events.event.json>` is the whole event, `<aws.events.event>` the event without its detail.

    Args:
        transformer: `InputPathsMap` and `InputTemplate`.
        event: The event.
        rule: `arn` and `name` of the rule.

    Returns:
        The text for the target.
    """
    values = {name: find(path, event) for name, path in (transformer.get("InputPathsMap") or {}).items()}
    values |= {
        "aws.events.event.json": event,
        "aws.events.event": {key: value for key, value in event.items() if key != "detail"},
        "aws.events.event.ingestion-time": event["time"],
        "aws.events.rule-arn": rule["arn"],
        "aws.events.rule-name": rule["name"],
    }

    def render(found: re.Match[str]) -> str:
        token = found[0]
        if not token.startswith('"'):
            return _json(values.get(token[1:-1], token))
        return _PLACEHOLDER.sub(lambda inner: _inside(values.get(inner[1], inner[0])), token)

    return _TOKEN.sub(render, transformer["InputTemplate"])


def _json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return json.dumps("" if value is MISSING else value)


def _inside(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if value is MISSING:
        return ""
    text = value if isinstance(value, str) else json.dumps(value)
    return json.dumps(text)[1:-1]
