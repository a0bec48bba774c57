"""Knative's Revision loop: runs the pods of each revision, judges them, and scales down what nobody routes to.

After Knative's `reconciler/revision`, `apis/serving/v1/revision_lifecycle.go` and `reconciler/autoscaling/kpa`. The
Deployment and the PodAutoscaler of a revision are not objects here; `Scale` keeps what the rules need of them.
"""

from dataclasses import dataclass, field

from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.resources import REVISIONS
from sandbox.kubernetes.control import pod_objects
from sandbox.kubernetes.control.client import Client, ReconcileError
from sandbox.kubernetes.control.conditions import Conditions, status_of
from sandbox.kubernetes.control.pods import Pods, PodState
from sandbox.kubernetes.knative import configuration, labeler, labels, webhook

RESOURCES, HEALTHY, ACTIVE = "ResourcesAvailable", "ContainerHealthy", "Active"
DEPLOYING, EXCEEDED = "Deploying", "ProgressDeadlineExceeded"
PROGRESS_DEADLINE_SECONDS = 600.0
# How much longer than the progress deadline the autoscaler waits before it gives a revision up.
ACTIVATION_BUFFER_SECONDS = 30.0
# Knative's stable window and grace period.
IDLE_SECONDS = 90.0
QUEUED = ("Queued", "Requests to the target are being buffered as resources are provisioned.")
NO_TRAFFIC = ("NoTraffic", "The target is not receiving traffic.")
TIMED_OUT = ("TimedOut", "The target could not be activated.")
NOT_COPIED = (labels.ROUTE, labels.ROUTING_STATE)


@dataclass
class Scale:
    """What the Deployment and the PodAutoscaler of one revision know.

    Attributes:
        started: When the Deployment was created.
        progressed: Whether the Deployment has been complete once; its progress deadline counts only before that.
        initialized: Whether the initial scale has been reached once.
        stopped: Whether it is scaled to zero.
        idle_since: Since when nothing routes to it; None while something does.
    """

    started: float
    progressed: bool = False
    initialized: bool = False
    stopped: bool = False
    idle_since: float | None = None


@dataclass
class Revisions:
    """The loop's memory, for all revisions."""

    client: Client
    pods: Pods
    idle_seconds: float = IDLE_SECONDS
    scales: dict[str, Scale] = field(default_factory=dict)

    def reconcile(self, namespace: str, name: str) -> None:
        """Reconcile all revisions of a Configuration."""
        revisions = configuration.revisions(self.client, namespace, name)
        for revision in [revision for revision in revisions if self.client.orphaned(revision)]:
            revisions.remove(revision)
            self._remove(revision)
        for revision in labeler.label(self.client, namespace, name, revisions):
            self._reconcile(revision)

    def _remove(self, revision: Object) -> None:
        self.pods.stop(revision["metadata"]["name"])
        self.scales.pop(revision["metadata"]["uid"], None)
        pod_objects.write(self.client, REVISIONS, revision, _pod_labels(revision), None)
        self.client.delete(REVISIONS, revision)

    def _reconcile(self, revision: Object) -> None:
        self.client.reconcile(
            REVISIONS,
            revision,
            (RESOURCES, HEALTHY),
            lambda status, conditions: self._run(revision, status, conditions),
        )
        scale, name = self.scales[revision["metadata"]["uid"]], revision["metadata"]["name"]
        state = None if scale.stopped else self.pods.state(name)
        missing = state is not None and _unresolved(revision, state, scale)
        pod_objects.write(self.client, REVISIONS, revision, _pod_labels(revision), None if missing else state)
        now = self.client.find(REVISIONS, revision["metadata"]["namespace"], name)
        if status_of(revision) != "True" and status_of(now) == "True":
            text = "Revision becomes ready upon all resources being ready"
            self.client.event(REVISIONS, revision, "RevisionReady", text)

    def _run(self, revision: Object, status: Object, conditions: Conditions) -> None:
        scale = self.scales.get(revision["metadata"]["uid"])
        if scale is None:
            # Conditions without a scale are those of an earlier run of this loop.
            done, stopped = conditions.has("Ready", "True"), conditions.has(ACTIVE, "False")
            scale = Scale(self.client.clock(), progressed=done, initialized=done, stopped=stopped)
            self.scales[revision["metadata"]["uid"]] = scale
            if not stopped:
                self.pods.start(revision)
            if conditions.get(ACTIVE) is None:
                for kind in (RESOURCES, HEALTHY, ACTIVE):
                    conditions.mark_unknown(kind, DEPLOYING)
                return
        self._scale(revision, scale)
        self._judge(revision, scale, status, conditions)

    def _scale(self, revision: Object, scale: Scale) -> None:
        """Stop what failed to start or is idle, and start again what is routed to."""
        now, name = self.client.clock(), revision["metadata"]["name"]
        if not scale.initialized:
            if now - scale.started > _deadline(revision) + ACTIVATION_BUFFER_SECONDS and not _ready(self.pods, name):
                self._stop(name, scale)
        elif labeler.is_active(revision):
            scale.idle_since = None
            if scale.stopped:
                scale.stopped = False
                self.pods.start(revision)
        else:
            scale.idle_since = now if scale.idle_since is None else scale.idle_since
            if now - scale.idle_since >= self.idle_seconds:
                self._stop(name, scale)

    def _stop(self, name: str, scale: Scale) -> None:
        if not scale.stopped:
            scale.stopped = True
            self.pods.stop(name)

    def _judge(self, revision: Object, scale: Scale, status: Object, conditions: Conditions) -> None:
        state = None if scale.stopped else self.pods.state(revision["metadata"]["name"])
        if state is not None and _unresolved(revision, state, scale):
            text = f'Unable to fetch image "{_image(revision)}": failed to resolve image to digest: {state.message}'
            conditions.mark_false(HEALTHY, "ContainerMissing", text)
            raise ReconcileError(text)
        ready = state is not None and state.phase == "Ready"
        scale.progressed |= ready
        late = not scale.progressed and self.client.clock() - scale.started > _deadline(revision)
        if late and not scale.stopped:
            text = f'ReplicaSet "{pod_objects.replica_set(revision)}" has timed out progressing.'
            conditions.mark_false(RESOURCES, EXCEEDED, text)
        else:
            conditions.mark_true(RESOURCES)
        if ready:
            conditions.mark_true(HEALTHY)
        elif state is not None:
            _blame(state, conditions, late=late)
        self._autoscale(scale, state, status, conditions)

    def _autoscale(self, scale: Scale, state: PodState | None, status: Object, conditions: Conditions) -> None:
        """Apply the PodAutoscaler's state to the revision's."""
        unavailable = conditions.has(RESOURCES, "False") or conditions.has(HEALTHY, "False")
        ready = state is not None and state.phase == "Ready"
        scale.initialized |= ready
        status["actualReplicas"] = state.copies if state is not None and ready else 0
        status["desiredReplicas"] = 0 if scale.stopped else max(1, status["actualReplicas"])
        if scale.initialized and not unavailable:
            conditions.mark_true(RESOURCES)
            conditions.mark_true(HEALTHY)
        elif conditions.has(RESOURCES, "True") and not scale.initialized:
            conditions.mark_unknown(RESOURCES, DEPLOYING)
        if scale.stopped and not scale.initialized and not unavailable:
            conditions.mark_false(RESOURCES, EXCEEDED, "Initial scale was never achieved")
        if scale.stopped:
            conditions.mark_false(ACTIVE, *(NO_TRAFFIC if scale.initialized else TIMED_OUT))
        elif ready:
            conditions.mark_true(ACTIVE)
        else:
            conditions.mark_unknown(ACTIVE, *QUEUED)


def _blame(state: PodState, conditions: Conditions, *, late: bool) -> None:
    """Mark a revision by what its first pod says, while none is available."""
    if state.reason == "Unschedulable":
        conditions.mark_false(RESOURCES, state.reason, state.message)
    if state.exit_code is not None and not state.initializing:
        empty = state.exit_code == 0 and not state.message
        text = "container exited with no error" if empty else state.message
        conditions.mark_false(HEALTHY, f"ExitCode{state.exit_code}", f"Container failed with: {text}")
    elif late and state.phase != "Running":
        conditions.mark_false(RESOURCES, pod_objects.waiting_reason(state), "" if state.initializing else state.message)


def _pod_labels(revision: Object) -> dict[str, str]:
    """Return the labels of a revision's pods."""
    metadata: Object = revision["metadata"]
    own = {labels.REVISION: metadata["name"], labels.REVISION_UID: metadata["uid"]}
    copied = {key: value for key, value in metadata["labels"].items() if key not in NOT_COPIED}
    return {"app": metadata["name"], **copied, **own}


def _deadline(revision: Object) -> float:
    given = revision["metadata"]["annotations"].get(webhook.PROGRESS_DEADLINE, "")
    return webhook.seconds(given) or PROGRESS_DEADLINE_SECONDS


def _image(revision: Object) -> str:
    return str(revision["spec"]["containers"][0].get("image", ""))


def _unresolved(revision: Object, state: PodState, scale: Scale) -> bool:
    """Return whether the image's tag cannot be resolved; a digest is not resolved, so its pull fails instead."""
    return state.image_missing and not scale.initialized and "@" not in _image(revision)


def _ready(pods: Pods, name: str) -> bool:
    state = pods.state(name)
    return state is not None and state.phase == "Ready"
