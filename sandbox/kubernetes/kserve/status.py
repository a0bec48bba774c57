"""What KServe derives for an InferenceService's status from its Knative Service and from its pods.

After KServe's `pkg/apis/serving/v1beta1/inference_service_status.go`.
"""

from collections.abc import Sequence

from sandbox.kubernetes.apiserver.admission import CONTAINER
from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.control.conditions import Conditions, condition
from sandbox.kubernetes.control.pod_objects import INITIALIZER

PREDICTOR, INGRESS = "PredictorReady", "IngressReady"
CONFIGURATION, ROUTE = "PredictorConfigurationReady", "PredictorRouteReady"
CRASHING = "CrashLoopBackOff"


def component(status: Object) -> Object:
    """Return the predictor's part of a status; it is created where it is missing."""
    found: Object = status.setdefault("components", {}).setdefault("predictor", {})
    return found


def propagate(status: Object, conditions: Conditions, service: Object) -> None:
    """Take over the Knative Service's status: revisions, traffic, URL, conditions and observed generation."""
    theirs: Object = service.get("status") or {}
    created, ready = theirs.get("latestCreatedRevisionName", ""), theirs.get("latestReadyRevisionName", "")
    traffic: list[Object] = theirs.get("traffic", [])
    predictor = component(status)
    found = {**predictor, "latestCreatedRevision": created, "latestReadyRevision": ready, "traffic": traffic}
    found |= rolled_out(predictor, traffic, latest_ready=ready, latest_created=created)
    own = condition(service, "Ready")
    if own is not None and own["status"] == "True":
        found |= {key: theirs[key] for key in ("address", "url") if key in theirs}
    status["components"]["predictor"] = {key: value for key, value in found.items() if value not in ("", [])}
    conditions.copy(PREDICTOR, own)
    conditions.copy(ROUTE, condition(service, "RoutesReady"))
    conditions.copy(CONFIGURATION, condition(service, "ConfigurationsReady"))
    if observed := theirs.get("observedGeneration"):
        status["observedGeneration"] = observed


def rolled_out(before: Object, traffic: Sequence[Object], *, latest_ready: str, latest_created: str) -> Object:
    """Return the changes of the last two revisions that had all the traffic."""
    changes: Object = {}
    for entry in traffic:
        if not (entry.get("latestRevision") and entry["revisionName"] == latest_ready):
            continue
        known = {**before, **changes}
        current, previous = known.get("latestRolledoutRevision", ""), known.get("previousRolledoutRevision")
        if current != latest_ready and entry["percent"] == 100:
            changes |= {"previousRolledoutRevision": current, "latestRolledoutRevision": latest_ready}
        turned_back = latest_ready == latest_created and entry["percent"] < 100 and _share(traffic, latest_ready) == 100
        # After a promotion and a rollback both targets are the same revision, so the one before it takes over.
        if current == latest_ready and turned_back and previous:
            changes["latestRolledoutRevision"] = previous
    return changes


def _share(traffic: Sequence[Object], revision: str) -> int:
    return sum(entry["percent"] for entry in traffic if entry["revisionName"] == revision)


def propagate_across(conditions: Conditions, kind: str, of_component: str) -> None:
    """Set `RoutesReady` or `LatestDeploymentReady` from the predictor's condition."""
    if conditions.has(of_component, "True"):
        conditions.mark_true(kind)
    elif conditions.has(of_component, "False"):
        conditions.mark_false(kind, f"{of_component} not ready")
    else:
        conditions.mark_unknown(kind, f"{of_component} not ready")


def propagate_model(status: Object, conditions: Conditions, pods: Sequence[Object], service: Object | None) -> bool:
    """Set `modelStatus` from the newest pod of the latest created revision.

    Args:
        status: The status; it is changed in place.
        conditions: Its conditions.
        pods: The pods, newest first.
        service: The Knative Service; None in Standard mode.

    Returns:
        Whether to go on; if not, the status stays as it is stored and the next step tries again.
    """
    model: Object = status.setdefault("modelStatus", {"transitionStatus": ""})
    ready = sum(condition(pod, "Ready") is not None and _is_ready(pod) for pod in pods)
    model["copies"] = {"failedCopies": 0, **({"totalCopies": ready} if ready else {})}
    if not pods:
        listed = ((service or {}).get("status") or {}).get("conditions", ())
        update_states(model, "FailedToLoad" if any(c["status"] == "False" for c in listed) else "Pending")
        return True
    for container in pods[0]["status"].get("initContainerStatuses", ()):
        if container["name"] == INITIALIZER and (verdict := _initializer(model, container)) is not None:
            return verdict
    latest = component(status)
    same = latest.get("latestCreatedRevision") == latest.get("latestReadyRevision")
    if conditions.has("Ready", "True") and (service is None or same):
        update_states(model, "Loaded")
        return True
    for container in pods[0]["status"].get("containerStatuses", ()):
        if container["name"] == CONTAINER and not _failed(model, container):
            update_states(model, "Pending")
    return True


def _is_ready(pod: Object) -> bool:
    found = condition(pod, "Ready") or {}
    return bool(pod["status"].get("phase") == "Running" and found.get("status") == "True")


def _initializer(model: Object, container: Object) -> bool | None:
    """Judge the storage initializer; None if it decides nothing."""
    if "running" in container["state"]:
        if "terminated" in container["lastState"]:
            return False
        update_states(model, "Loading")
        return True
    return True if _failed(model, container) else None


def _failed(model: Object, container: Object) -> bool:
    """Write a container's failure; return whether there is one."""
    ended = container["state"].get("terminated")
    if ended is None and container["state"].get("waiting", {}).get("reason") == CRASHING:
        ended = {**container["lastState"]["terminated"], "reason": "Error"}
    if ended is None or ended["reason"] != "Error":
        return False
    texts = {"reason": "ModelLoadFailed", "message": ended.get("message", ""), "exitCode": ended["exitCode"]}
    update_states(model, "FailedToLoad", {key: value for key, value in texts.items() if value})
    return True


TRANSITIONS = {"Loaded": "UpToDate", "FailedToLoad": "BlockedByFailedLoad"}


def update_states(model: Object, target: str, failure: Object | None = None) -> None:
    """Set the target model's state and the transition that follows from it; a success keeps the last failure."""
    states = {"activeModelState": "", **model.get("states", {}), "targetModelState": target}
    if target == "Loaded":
        states["activeModelState"] = target
    model |= {"states": states, "transitionStatus": TRANSITIONS.get(target, "InProgress")}
    if failure is not None:
        model["lastFailureInfo"] = failure


def invalid_spec(status: Object, reason: str, message: str) -> None:
    """Set `modelStatus` of a predictor that no runtime supports."""
    model = status.setdefault("modelStatus", {})
    states = {"activeModelState": "", **model.get("states", {}), "targetModelState": "FailedToLoad"}
    info = {"reason": reason, "message": message}
    model |= {"transitionStatus": "InvalidSpec", "states": states, "lastFailureInfo": info}
