"""CloudWatch's evaluation of an alarm, written after its documentation: moto's CloudWatch does not evaluate any.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html and alarms-and-missing-data.html
"""

import operator
import re
from collections.abc import Sequence
from typing import Any

# A data point for each period, the newest last; None where there is none.
Points = Sequence[float | None]
_COMPARISONS = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
_QUERY = re.compile(r'SELECT (SUM|MAX|MIN)\((\w+)\) FROM SCHEMA\("([\w/]+)", ([\w, ]+)\)')
Metric = tuple[str, str, frozenset[str]]


def state(alarm: dict[str, Any], points: Points, *, before: str = "OK") -> str:
    """Return the state of an alarm.

    Args:
        alarm: Properties as in a template.
        points: The evaluation range: at least `EvaluationPeriods`, as far back as CloudWatch looks.
        before: The state so far.
    """
    wanted = alarm["EvaluationPeriods"]
    needed = alarm.get("DatapointsToAlarm", wanted)
    breaches = _COMPARISONS[alarm["ComparisonOperator"]]
    marks = [None if point is None else breaches(point, alarm["Threshold"]) for point in points]
    real = [mark for mark in marks if mark is not None]
    if len(real) >= wanted:
        return _judged(real[-wanted:], needed)
    treatment = alarm.get("TreatMissingData", "missing")
    if treatment in ("breaching", "notBreaching"):
        return _judged([*real, *[treatment == "breaching"] * (wanted - len(real))], needed)
    return _sparse(marks, real, needed, treatment, before)


def _judged(marks: Sequence[bool], needed: int) -> str:
    return "ALARM" if sum(marks) >= needed else "OK"


def _sparse(marks: Sequence[bool | None], real: Sequence[bool], needed: int, treatment: str, before: str) -> str:
    """Judge too few points where missing ones count neither way; one old breach among gaps is enough."""
    if not real:
        return before if treatment == "ignore" else "INSUFFICIENT_DATA"
    if sum(real) >= needed:
        return "ALARM"
    if not all(real):
        return "OK"
    age = len(marks) - next(place for place, mark in enumerate(marks) if mark)
    return "ALARM" if treatment == "missing" and age >= needed else before


def metric(alarm: dict[str, Any]) -> Metric:
    """Return the namespace, the name and the names of the dimensions of what an alarm watches."""
    if "Metrics" not in alarm:
        names = frozenset(one["Name"] for one in alarm.get("Dimensions", []))
        return alarm["Namespace"], alarm["MetricName"], names
    (query,) = alarm["Metrics"]
    found = _QUERY.fullmatch(query["Expression"])
    assert found, f"{query['Expression']}: not a query that is understood here"
    return found[3], found[2], frozenset(found[4].split(", "))


def queried(alarm: dict[str, Any], series: Sequence[Points]) -> Points:
    """Return what an alarm's query makes of the series of a metric, one for each set of dimensions."""
    found = _QUERY.fullmatch(alarm["Metrics"][0]["Expression"])
    assert found
    merge = {"SUM": sum, "MAX": max, "MIN": min}[found[1]]
    columns = [[point for point in column if point is not None] for column in zip(*series, strict=True)]
    return [float(merge(column)) if column else None for column in columns]
