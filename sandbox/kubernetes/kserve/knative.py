"""The pure rules of KServe's Knative mode: traffic targets, their resolution, and rolled-out revisions."""

from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.kubernetes.apiserver.documents import Object

LATEST_TAG = "latest"
PREVIOUS_TAG = "prev"


@dataclass(frozen=True)
class Target:
    """One traffic target of a Route; an empty `revision` means the latest *ready* revision."""

    percent: int
    revision: str = ""
    tag: str = ""


def targets(percent: int | None, rolled_out: str, *, tag_latest: bool) -> list[Target]:
    """Return the Route that KServe requests.

    Args:
        percent: `canaryTrafficPercent`; None if not set.
        rolled_out: `latestRolledoutRevision`; a canary percent has no effect while it is empty.
        tag_latest: Whether the latest revision gets a tag URL (`serving.kserve.io/enable-tag-routing`).
    """
    tag = LATEST_TAG if tag_latest else ""
    if percent is None or not rolled_out:
        return [Target(100, tag=tag)]
    latest = Target(percent, tag=tag)
    return [latest] if percent >= 100 else [latest, Target(100 - percent, rolled_out, PREVIOUS_TAG)]


def resolve(wanted: Sequence[Target], latest_ready: str) -> list[Object]:
    """Return the Route's `status.traffic`, with a revision for each target; empty until a revision has been ready."""
    if not latest_ready:
        return []
    traffic = []
    for target in wanted:
        entry: Object = {"latestRevision": not target.revision, "percent": target.percent}
        entry["revisionName"] = target.revision or latest_ready
        traffic.append({**entry, **({"tag": target.tag} if target.tag else {})})
    return traffic


def propagate(before: Object, *, latest_created: str, latest_ready: str, traffic: Sequence[Object]) -> Object:
    """Return the component status derived from the Knative service's, as in KServe's `PropagateStatus`."""
    status = {**before, "latestCreatedRevision": latest_created, "traffic": list(traffic)}
    for entry in traffic:
        if entry["latestRevision"] and entry["revisionName"] == latest_ready:
            status |= _rolled_out(status, entry, latest_created, _share(traffic, latest_ready))
    if latest_ready:
        status["latestReadyRevision"] = latest_ready
    return status


def _share(traffic: Sequence[Object], revision: str) -> int:
    return sum(entry["percent"] for entry in traffic if entry["revisionName"] == revision)


def _rolled_out(status: Object, entry: Object, latest_created: str, share: int) -> Object:
    """Track the last two revisions that had all the traffic."""
    ready, current = entry["revisionName"], status.get("latestRolledoutRevision", "")
    if current != ready:
        if entry["percent"] != 100:
            return {}
        previous = {"previousRolledoutRevision": current} if current else {}
        return {**previous, "latestRolledoutRevision": ready}
    previous_name = status.get("previousRolledoutRevision")
    # After a promotion and a rollback both targets are the same revision, so the one before it takes over.
    turned_back = ready == latest_created and entry["percent"] < 100 and share == 100
    return {"latestRolledoutRevision": previous_name} if turned_back and previous_name else {}
