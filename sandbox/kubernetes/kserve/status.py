"""The status of an InferenceService: conditions and `modelStatus` derived from the state of its revisions."""

from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.kubernetes.apiserver.documents import Object, now
from sandbox.kubernetes.kserve.revisions import Phase, Revision

INFO = {"PredictorConfigurationReady", "PredictorRouteReady", "LatestDeploymentReady", "RoutesReady", "Stopped"}


@dataclass(frozen=True)
class State:
    """The content of one condition."""

    status: str
    reason: str = ""
    message: str = ""


TRUE, FALSE, UNKNOWN = State("True"), State("False"), State("Unknown")


def configuration_state(created: Revision) -> State:
    """Return Knative's `ConfigurationsReady`: the state of the latest created revision."""
    if created.was_ready:
        return TRUE
    if created.failure is not None:
        text = f'Revision "{created.name}" failed with message: {created.failure.message}'
        return State("False", "RevisionFailed", text)
    return UNKNOWN


def route_state(traffic: Sequence[Object], configuration: State, created: str) -> State:
    """Return Knative's `RoutesReady`."""
    if traffic:
        return TRUE
    if configuration.status == "False":
        return State("False", "RevisionMissing", f'Configuration "{created[:-6]}" does not have any ready Revision.')
    text = f'Configuration "{created[:-6]}" is waiting for a Revision to become ready.'
    return State("Unknown", "RevisionMissing", text)


def all_of(states: Sequence[State]) -> State:
    """Return the state of a condition that depends on others: the first false one, else the first unknown one."""
    for status in ("False", "Unknown"):
        for state in states:
            if state.status == status:
                return state
    return TRUE


def knative_conditions(configuration: State, route: State) -> dict[str, State]:
    """Return all conditions of Knative mode."""
    predictor = all_of([configuration, route])
    return {
        **_ready_conditions(predictor),
        "PredictorConfigurationReady": configuration,
        "PredictorRouteReady": route,
        "LatestDeploymentReady": _across(configuration, "PredictorConfigurationReady"),
        "RoutesReady": _across(route, "PredictorRouteReady"),
    }


def standard_conditions(configuration: State, route: State) -> dict[str, State]:
    """Return all conditions of Standard mode, which has a Deployment and no Route."""
    return _ready_conditions(all_of([configuration, route]))


def _ready_conditions(predictor: State) -> dict[str, State]:
    ingress = TRUE if predictor.status == "True" else State(predictor.status, "Predictor ingress not created")
    return {
        "PredictorReady": predictor,
        "IngressReady": ingress,
        "Ready": all_of([predictor, ingress]),
        "Stopped": FALSE,
    }


def _across(state: State, component: str) -> State:
    return TRUE if state.status == "True" else State(state.status, f"{component} not ready")


def write_conditions(states: dict[str, State], before: Sequence[Object]) -> list[Object]:
    """Return conditions sorted by type; an unchanged condition keeps its transition time."""
    old = {condition["type"]: condition for condition in before}
    written = []
    for kind, state in sorted(states.items()):
        content = {"reason": state.reason, "message": state.message, "severity": "Info" if kind in INFO else ""}
        condition = {"type": kind, "status": state.status, **{k: v for k, v in content.items() if v}}
        earlier = old.get(kind, {})
        same = {**condition, "lastTransitionTime": earlier.get("lastTransitionTime")} == earlier
        written.append({**condition, "lastTransitionTime": earlier["lastTransitionTime"] if same else now()})
    return written


def model_status(before: Object, created: Revision, *, ready: bool, latest_ready: str) -> Object:
    """Return `modelStatus` as KServe's `PropagateModelStatus` does; a success keeps the last failure."""
    states: Object = {"activeModelState": "", **before.get("states", {})}
    status: Object = {**before, "copies": {"failedCopies": 0, "totalCopies": int(created.phase is Phase.READY)}}
    if ready and created.name == latest_ready:
        return {**status, "transitionStatus": "UpToDate", "states": _both("Loaded")}
    if created.failure is not None:
        status |= {"transitionStatus": "BlockedByFailedLoad", "states": {**states, "targetModelState": "FailedToLoad"}}
        return status | _failure_info(created)
    target = "Loading" if created.phase is Phase.LOADING else "Pending"
    return {**status, "transitionStatus": "InProgress", "states": {**states, "targetModelState": target}}


def invalid_spec(before: Object, reason: str, message: str) -> Object:
    """Return `modelStatus` for a predictor that cannot be run."""
    states = {"activeModelState": "", **before.get("states", {}), "targetModelState": "FailedToLoad"}
    info = {"reason": reason, "message": message}
    return {**before, "transitionStatus": "InvalidSpec", "states": states, "lastFailureInfo": info}


def _both(state: str) -> Object:
    return {"activeModelState": state, "targetModelState": state}


def _failure_info(created: Revision) -> Object:
    """Return the failure's details; empty without a container, because the conditions show a failed pull."""
    failure = created.failure
    if failure is None or failure.exit_code is None:
        return {}
    info = {"reason": "ModelLoadFailed", "message": failure.message, "exitCode": failure.exit_code}
    return {"lastFailureInfo": info}
