"""Conditions of a status and the rules by which `Ready` follows from the ones it depends on.

The rules are those of Knative's `apis/condition_set.go`, which KServe uses too.
"""

from collections.abc import Sequence

from sandbox.kubernetes.apiserver.documents import Object

READY = "Ready"
TIME = "lastTransitionTime"


class Conditions:
    """The conditions of one object during one reconciliation.

    Args:
        before: The stored conditions.
        dependents: The types that `Ready` depends on.
        time: The present, for conditions that change.
    """

    def __init__(self, before: Sequence[Object], dependents: Sequence[str], time: str) -> None:
        self._conditions = {condition["type"]: dict(condition) for condition in before}
        self._dependents = dependents
        self._time = time
        self._changes: dict[str, int] = {}

    def listed(self) -> list[Object]:
        """Return the conditions, sorted by type."""
        return [self._conditions[kind] for kind in sorted(self._conditions)]

    def get(self, kind: str) -> Object | None:
        """Return a condition; None if it is not set."""
        return self._conditions.get(kind)

    def has(self, kind: str, status: str) -> bool:
        """Return whether a condition is set and has this status."""
        return kind in self._conditions and self._conditions[kind]["status"] == status

    def initialize(self) -> None:
        """Set `Ready` and its dependents where they are missing."""
        if READY not in self._conditions:
            self._set(READY, "Unknown")
        status = "True" if self.has(READY, "True") else "Unknown"
        for kind in self._dependents:
            if kind not in self._conditions:
                self._set(kind, status)

    def mark_true(self, kind: str, reason: str = "", message: str = "") -> None:
        """Set a condition to True; `Ready` follows if nothing it depends on is unhappy."""
        self._set(kind, "True", reason, message)
        unhappy = self._unhappy_dependent()
        if unhappy is not None:
            self._set(READY, unhappy["status"], unhappy.get("reason", ""), unhappy.get("message", ""))
        elif kind != READY:
            self._set(READY, "True")

    def mark_false(self, kind: str, reason: str = "", message: str = "") -> None:
        """Set a condition to False, and `Ready` with it if it depends on it."""
        self._set(kind, "False", reason, message)
        if kind in self._dependents:
            self._set(READY, "False", reason, message)

    def mark_unknown(self, kind: str, reason: str = "", message: str = "") -> None:
        """Set a condition to Unknown, and `Ready` with it unless something it depends on is False."""
        self._set(kind, "Unknown", reason, message)
        if any(self.has(dependent, "False") for dependent in self._dependents):
            if not self.has(READY, "False"):
                self._set(READY, "False", reason, message)
        elif kind in self._dependents:
            self._set(READY, "Unknown", reason, message)

    def copy(self, kind: str, condition: Object | None) -> None:
        """Set a condition to another's status, reason and message; a missing one changes nothing."""
        if condition is None:
            return
        mark = {"True": self.mark_true, "False": self.mark_false, "Unknown": self.mark_unknown}[condition["status"]]
        mark(kind, condition.get("reason", ""), condition.get("message", ""))

    def _set(self, kind: str, status: str, reason: str = "", message: str = "") -> None:
        severity = "" if kind in (READY, *self._dependents) else "Info"
        content = {"severity": severity, "reason": reason, "message": message}
        condition: Object = {"type": kind, "status": status, **{key: text for key, text in content.items() if text}}
        if without_time(self._conditions.get(kind, {})) != condition:
            self._conditions[kind] = {**condition, TIME: self._time}
            self._changes[kind] = 1 + max(self._changes.values(), default=0)

    def _unhappy_dependent(self) -> Object | None:
        """Return the latest False dependent, else the latest Unknown one."""
        if not self._dependents:
            return None
        found = [c for c in self.listed() if not c.get("severity") and c["type"] != READY]
        found.sort(key=lambda c: (self._changes.get(c["type"], -1), c.get(TIME, "")), reverse=True)
        for status in ("False", "Unknown"):
            for condition in found:
                if condition["status"] == status:
                    return condition
        return {"status": "Unknown"} if len(found) < len(self._dependents) else None


def condition(thing: Object | None, kind: str) -> Object | None:
    """Return a condition of a stored object; None if it is not set."""
    listed = ((thing or {}).get("status") or {}).get("conditions", ())
    return next((c for c in listed if c["type"] == kind), None)


def status_of(thing: Object | None, kind: str = READY) -> str:
    """Return the status of a condition of a stored object; `Unknown` if it is not set."""
    found = condition(thing, kind)
    return str(found["status"]) if found else "Unknown"


def without_time(condition: Object) -> Object:
    """Return a condition without its transition time, which the controllers leave out of comparisons."""
    return {key: value for key, value in condition.items() if key != TIME}


def groomed(conditions: Sequence[Object], before: Sequence[Object]) -> list[Object]:
    """Return conditions where one that ends as it was has its earlier transition time."""
    old = {c["type"]: c for c in before}
    kept = []
    for current in conditions:
        earlier = old.get(current["type"], {})
        same = without_time(current) == without_time(earlier)
        kept.append({**current, TIME: earlier[TIME]} if same and TIME in earlier else current)
    return kept
