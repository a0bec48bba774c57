"""Faults that tests order: what goes wrong with which request, how often and for how long."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

LOST, HANG, BUSY, UNAVAILABLE = "lost", "hang", "busy", "unavailable"
WEBHOOK, EDIT, GATEWAY = "webhook", "edit", "gateway"
ACTIONS = (LOST, HANG, BUSY, UNAVAILABLE, WEBHOOK, EDIT, GATEWAY)
WHEN = ("before", "after")


class FaultError(ValueError):
    """An order that cannot be followed."""


@dataclass
class Fault:
    """One order.

    Attributes:
        action: `lost` (the answer is lost after the request was carried out), `hang` (no answer for `pause` seconds),
            `busy` (429), `unavailable` (503), `webhook` (KServe's webhook is down), `edit` (somebody else writes
            `patch` into the same object), `gateway` (a service's gateway answers 503).
        verb: The verb it waits for, such as `patch`; empty for any.
        resource: The plural it waits for; empty for any.
        name: The object, or for `gateway` the service; empty for any.
        count: How many requests it meets; None for any number.
        seconds: How long it lasts; None for ever.
        when: Whether a `hang` or an `edit` comes `before` the request is carried out or `after` it.
        pause: How long a request hangs.
        retry_after: What a 429 or 503 tells the client to wait.
        patch: The merge patch of an `edit`.
    """

    action: str
    verb: str = ""
    resource: str = ""
    name: str = ""
    count: int | None = 1
    seconds: float | None = None
    when: str = "before"
    pause: float = 1.0
    retry_after: int = 1
    patch: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise FaultError(f"action {self.action!r} is none of {', '.join(ACTIONS)}")
        if self.when not in WHEN:
            raise FaultError(f"when {self.when!r} is none of {', '.join(WHEN)}")

    def meets(self, verb: str, resource: str, name: str) -> bool:
        """Return whether it waits for such a request.

        >>> Fault("lost", verb="patch").meets("patch", "inferenceservices", "credit")
        True
        """
        asked = ((self.verb, verb), (self.resource, resource), (self.name, name))
        return all(wanted in ("", given) for wanted, given in asked)


class Faults:
    """The orders that stand; each ends after its count of requests or its time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._orders: list[tuple[Fault, float | None]] = []

    def order(self, fault: Fault) -> None:
        """Add an order."""
        ends = None if fault.seconds is None else self._clock() + fault.seconds
        self._orders.append((fault, ends))

    def clear(self) -> None:
        """Drop all orders."""
        self._orders.clear()

    def standing(self) -> list[Fault]:
        """Return the orders that are not used up."""
        self._orders = [(fault, ends) for fault, ends in self._orders if self._stands(fault, ends)]
        return [fault for fault, _ in self._orders]

    def take(self, verb: str, resource: str, name: str) -> list[Fault]:
        """Return the faults of a request to the API, and count it."""
        return self._take(lambda f: f.action != GATEWAY and f.meets(verb, resource, name))

    def gateway_fails(self, service: str) -> bool:
        """Return whether the gateway answers this request through a service with 503, and count it."""
        return bool(self._take(lambda f: f.action == GATEWAY and f.name in ("", service)))

    def _take(self, chosen: Callable[[Fault], bool]) -> list[Fault]:
        found = [fault for fault in self.standing() if chosen(fault)]
        for fault in found:
            if fault.count is not None:
                fault.count -= 1
        return found

    def _stands(self, fault: Fault, ends: float | None) -> bool:
        return (fault.count is None or fault.count > 0) and (ends is None or self._clock() < ends)
