"""Rules of EventBridge, some of them about what exists; recorded in localstack's `tests/aws/services/events`."""

import re
from typing import Any

from moto.events.models import events_backends

from sandbox.aws.strict.requests import Call
from sandbox.aws.strict.rules.rule import Rule

_RATE = re.compile(r"rate\((?:1 (?:minute|hour|day)|(?!1 )[1-9]\d* (?:minutes|hours|days))\)")
_CRON = re.compile(r"cron\((.+)\)")
_MONTHS = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC"
_DAYS = "SUN|MON|TUE|WED|THU|FRI|SAT"
_MOST_TARGETS = 5


def _field(value: str, most: int, *, least: int = 0, names: str = "", more: str = "") -> bool:
    one = rf"(?:\d+{'|' + names if names else ''})"
    for part in value.split(","):
        if part == "*" or (more and re.fullmatch(more, part)):
            continue
        if not re.fullmatch(rf"(?:\*|{one}(?:-{one})?)(?:/\d+)?", part):
            return False
        if not all(least <= int(number) <= most for number in re.findall(r"\d+", part.split("/")[0])):
            return False
    return True


def _cron(text: str) -> bool:
    found = _CRON.fullmatch(text)
    fields = found[1].split() if found else []
    if len(fields) != 6:
        return False
    minutes, hours, day, month, weekday, year = fields
    return (
        (day == "?") != (weekday == "?")
        and _field(minutes, 59)
        and _field(hours, 23)
        and _field(day, 31, least=1, more=r"\?|L|\d{0,2}W|LW")
        and _field(month, 12, least=1, names=_MONTHS)
        and _field(weekday, 7, least=1, names=_DAYS, more=rf"\?|L|(?:[1-7]|{_DAYS})(?:L|#[1-5])")
        and _field(year, 2199, least=1970)
    )


def _schedule(call: Call) -> str | None:
    text = call.get("ScheduleExpression")
    if not text:
        return None
    if _bus(call) != "default":
        return "ScheduleExpression is supported only on the default event bus."
    return None if _RATE.fullmatch(text) or _cron(text) else "Parameter ScheduleExpression is not valid."


def _bus(call: Call) -> str:
    return str(call.get("EventBusName") or "default").rsplit("/", 1)[-1]


def _backend(call: Call) -> Any:  # noqa: ANN401 - moto's
    return events_backends[call.account][call.region]


def _unknown_bus(call: Call) -> str | None:
    return None if _bus(call) in _backend(call).event_buses else f"Event bus {_bus(call)} does not exist."


def _rule_of(call: Call) -> Any:  # noqa: ANN401 - moto's
    bus = _backend(call).event_buses.get(_bus(call))
    return bus and bus.rules.get(call.get("Rule") or call.get("Name"))


def _unknown_rule(call: Call) -> str | None:
    if _rule_of(call):
        return None
    return f"Rule {call.get('Rule') or call.get('Name')} does not exist on EventBus {_bus(call)}."


def _inputs(call: Call) -> str | None:
    for target in call.get("Targets") or []:
        if sum(target.get(name) is not None for name in ("Input", "InputPath", "InputTransformer")) > 1:
            return f"Only one of Input, InputPath, or InputTransformer must be provided for target {target['Id']}."
    return None


def _placeholders(call: Call) -> str | None:
    for target in call.get("Targets") or []:
        given = target.get("InputTransformer") or {}
        for name in re.findall(r"<([\w-]+)>", given.get("InputTemplate", "")):
            if name not in (given.get("InputPathsMap") or {}):
                return f"InputTemplate for target {target['Id']} contains invalid placeholder {name}."
    return None


def _targets(call: Call) -> str | None:
    rule = _rule_of(call)
    known = {target["Id"] for target in rule.targets} if rule else set()
    total = known | {target["Id"] for target in call.get("Targets") or []}
    return "The requested resource exceeds the maximum number allowed." if len(total) > _MOST_TARGETS else None


def _connection(call: Call) -> str | None:
    name = call.get("ConnectionArn").split(":connection/")[-1].partition("/")[0]
    return None if name in _backend(call).connections else f"Connection '{name}' does not exist."


def _describe_connection(call: Call) -> str | None:
    if call.get("Name") in _backend(call).connections:
        return None
    return f"Failed to describe the connection(s). Connection '{call.get('Name')}' does not exist."


def _describe_destination(call: Call) -> str | None:
    if call.get("Name") in _backend(call).destinations:
        return None
    return f"Failed to describe the api-destination(s). An api-destination '{call.get('Name')}' does not exist."


def _token(call: Call) -> str | None:
    token = call.get("NextToken")
    return "Parameter NextToken is not valid." if token and token not in _backend(call).next_tokens else None


_MISSING, _ALL_RULES = (
    "ResourceNotFoundException",
    "DescribeRule EnableRule DisableRule ListTargetsByRule RemoveTargets PutTargets",
)
RULES = (
    Rule(f"PutRule DeleteRule ListRules {_ALL_RULES}", "test_events", _unknown_bus, _MISSING),
    Rule("PutRule", "test_events_schedule", _schedule),
    Rule(_ALL_RULES, "test_describe_nonexistent_rule", _unknown_rule, _MISSING),
    Rule("PutTargets", "test_put_event_input_path_and_input_transformer", _inputs),
    Rule("PutTargets", "test_put_events_with_input_transformer_missing_keys", _placeholders),
    Rule("PutTargets", "test_add_exceed_fife_targets_per_rule", _targets, "LimitExceededException"),
    Rule("CreateApiDestination", "API CreateApiDestination", _connection, _MISSING),
    Rule("DescribeConnection", "test_delete_connection", _describe_connection, _MISSING),
    Rule("DescribeApiDestination", "test_api_destinations", _describe_destination, _MISSING),
    Rule("ListRules ListTargetsByRule ListRuleNamesByTarget", "API ListRules.NextToken", _token),
)
