"""One rule that a service model does not have."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sandbox.aws.strict.requests import Call


@dataclass(frozen=True)
class Rule:
    """What AWS refuses beyond its model.

    Attributes:
        operations: The operations that it holds for, separated by spaces.
        source: Where AWS, or somebody who asked AWS, says so.
        broken: Returns the message if a call breaks the rule, otherwise None.
        code: AWS's error code.
        status: HTTP status.
    """

    operations: str
    source: str
    broken: Callable[[Call], str | None]
    code: str = "ValidationException"
    status: int = 400


def by_operation(tables: Mapping[str, tuple[Rule, ...]]) -> dict[tuple[str, str], list[Rule]]:
    """Return the rules of each service and operation."""
    found: defaultdict[tuple[str, str], list[Rule]] = defaultdict(list)
    for service, rules in tables.items():
        for rule in rules:
            for operation in rule.operations.split():
                found[service, operation].append(rule)
    return dict(found)
