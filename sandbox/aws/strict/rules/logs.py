"""Rules of CloudWatch Logs; recorded in localstack's `tests/aws/services/logs`."""

from typing import Any

from moto.logs.models import logs_backends

from sandbox.aws.strict.requests import Call
from sandbox.aws.strict.rules.rule import Rule

# API PutRetentionPolicy.retentionInDays
_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip


def _retention(call: Call) -> str | None:
    days = call.get("retentionInDays")
    if days in _DAYS:
        return None
    return (
        f"1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: Member must "
        f"satisfy enum value set: [{', '.join(map(str, _DAYS))}]"
    )


def _exclusive(call: Call) -> str | None:
    if call.get("logGroupNamePrefix") and call.get("logGroupNamePattern"):
        return "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters."
    return None


def _group(call: Call) -> Any:  # noqa: ANN401 - moto's
    return logs_backends[call.account][call.region].groups.get(call.get("logGroupName"))


def _known_stream(call: Call) -> str | None:
    group = _group(call)
    return "The specified log stream already exists" if group and call.get("logStreamName") in group.streams else None


def _unknown_stream(call: Call) -> str | None:
    group = _group(call)
    if group is None or call.get("logStreamName") in group.streams:
        return None
    return "The specified log stream does not exist."


def _unknown_filter(call: Call) -> str | None:
    known = logs_backends[call.account][call.region].filters.metric_filters
    names = {(item["logGroupName"], item["filterName"]) for item in known}
    if (call.get("logGroupName"), call.get("filterName")) in names:
        return None
    return "The specified metric filter does not exist."


def _token(call: Call) -> str | None:
    token, group = call.get("nextToken"), _group(call)
    if not token or group is None or "@" in token:  # moto's tokens are GROUP@STREAM@EVENT
        return None
    return "The specified nextToken is invalid."


_INVALID, _MISSING = "InvalidParameterException", "ResourceNotFoundException"
RULES = (
    Rule("PutRetentionPolicy", "API PutRetentionPolicy", _retention, _INVALID),
    Rule("DescribeLogGroups", "test_describe_log_groups_prefix_and_pattern_error", _exclusive, _INVALID),
    Rule("CreateLogStream", "test_create_log_stream_duplicate_error", _known_stream, "ResourceAlreadyExistsException"),
    Rule("GetLogEvents DeleteLogStream", "test_put_log_events_to_invalid_stream", _unknown_stream, _MISSING),
    Rule("DeleteMetricFilter", "API DeleteMetricFilter", _unknown_filter, _MISSING),
    Rule("FilterLogEvents", "test_filter_log_events_unknown_token", _token, _INVALID),
)
