"""KServe and Knative in simulated time, so that the real release code runs without threads, processes or waiting.

The control loops are the sandbox's (`sandbox.kubernetes.control.loops`), ported from KServe's and Knative's source.
Here they run at times that the test chooses, and the requests of a release meet the faults that the test chooses.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes.client import ApiException
from urllib3.exceptions import ProtocolError

import flows.release
import flows.rollback
from sandbox.kubernetes.apiserver.documents import Object, merge_patch
from sandbox.kubernetes.apiserver.errors import ApiError
from sandbox.kubernetes.apiserver.resources import CONFIG_MAPS, INFERENCE_SERVICES, initial_objects
from sandbox.kubernetes.apiserver.store import Store
from sandbox.kubernetes.control.loops import Loops, PodState
from tasks.errors import ReleaseError
from tasks.release import canary, kserve, record, retries, rollout, shadow, smoke, undo
from tasks.release.inference_service import service_name, trial_name, version_in
from tasks.release.limits import ReleaseLimits
from tasks.release.record import Rollout
from tasks.run import context
from tasks.sagemaker.registry import RegisteredModel
from tasks.settings import settings

NAMESPACE, PORTFOLIO = "ml", "case"
SERVICE, TRIAL = "credit-model-case", "credit-trial-case"
EPOCH = 1_800_000_000.0
SETTINGS = {
    "bucket": "lake", "database": "credit", "sagemaker_role": "r", "train_image": "t", "serve_image": "s@sha256:1",
    "poll_seconds": "0.25", "ready_timeout_seconds": "120", "release_dwell_seconds": "2",
}  # fmt: skip


class KilledError(BaseException):
    """The flow's process is gone: nothing of it runs any more, not even what undoes a failure."""


@dataclass(frozen=True)
class Behaviour:
    """How the servers of a model version behave.

    Attributes:
        start_seconds: From the start of a pod until it is ready.
        loads: Whether it ever gets ready.
        right: Whether it answers the golden applicants as the bundle says.
        fails_at: Share of traffic, in percent, at which watching finds fault with it; None for never.
    """

    start_seconds: float = 2.0
    loads: bool = True
    right: bool = True
    fails_at: int | None = None


@dataclass
class Clock:
    """Simulated time; sleeping runs the cluster's loops."""

    run_until: Callable[[float], None]
    seconds: float = 0.0

    def monotonic(self) -> float:
        """Return seconds since the start."""
        return self.seconds

    def time(self) -> float:
        """Return seconds since the epoch."""
        return EPOCH + self.seconds

    def sleep(self, seconds: float) -> None:
        """Let the cluster go on for a while."""
        self.run_until(self.seconds + seconds)


@dataclass
class Pods:
    """The pods of revisions: ready some time after their start, or failed."""

    clock: Callable[[], float]
    behaviours: Mapping[str, Behaviour]
    started: dict[str, tuple[float, str]] = field(default_factory=dict)

    def start(self, revision: Object) -> None:
        """Start a revision's pod unless it runs."""
        version = version_in({"containers": revision["spec"]["containers"]}) or ""
        environment = revision["spec"]["containers"][0].get("env") or []
        uri = next((v.get("value", "") for v in environment if v["name"] == "STORAGE_URI"), "")
        uri = uri if "/models/" in uri else _source_uri(revision)
        version = uri.rstrip("/").rpartition("/")[2] or version
        self.started.setdefault(revision["metadata"]["name"], (self.clock(), version))

    def stop(self, name: str) -> None:
        """End a revision's pod."""
        self.started.pop(name, None)

    def state(self, name: str) -> PodState | None:
        """Return the state of a revision's pod."""
        if name not in self.started:
            return None
        began, version = self.started[name]
        behaviour = self.behaviours[version]
        if self.clock() < began + behaviour.start_seconds:
            return PodState("Running")
        return PodState("Ready") if behaviour.loads else PodState("Failed", "no licence", exit_code=1)


def _source_uri(revision: Object) -> str:
    annotations = revision["metadata"].get("annotations") or {}
    return next((value for name, value in annotations.items() if name.endswith("storage-initializer-sourceuri")), "")


@dataclass
class Fault:
    """What happens to one request of a release, by its number.

    Attributes:
        kind: `lost` (carried out, the answer does not arrive), `busy` (503, not carried out), `killed before` or
            `killed after` (the flow's process dies), or one of `EDITS` (somebody else edits the service just before).
    """

    number: int
    kind: str


def _with_variable(spec: Object) -> Object:
    """Return a patch that gives the model server one more setting."""
    [container] = spec["containers"]
    return {"containers": [container | {"env": [*container["env"], {"name": "CREDIT_EXTRA", "value": "1"}]}]}


EDITS: dict[str, Callable[[Object], Object]] = {
    "edit of the share": lambda _: {"canaryTrafficPercent": 0},
    "edit of the settings": _with_variable,
}


class Cluster:
    """An API server with KServe's and Knative's loops.

    Args:
        behaviours: How each model version behaves.
        delays: Seconds between two runs of each loop.
        faults: What happens to which request.
        request_seconds: How long a request takes.
    """

    def __init__(
        self,
        behaviours: Mapping[str, Behaviour],
        delays: Mapping[str, float],
        faults: tuple[Fault, ...] = (),
        request_seconds: float = 0.01,
    ) -> None:
        self.request_seconds = request_seconds
        self.clock = Clock(self._run_until)
        self.faults = {fault.number: fault.kind for fault in faults}
        self.requests = 0
        self.steps = 0
        self.dead = False
        self.documents: dict[str, Any] = {}
        self.exposed: list[tuple[float, str, str, int]] = []  # time, revision, version, percent
        self.versions: dict[str, str] = {}
        self._store = Store()
        for resource, thing in initial_objects(NAMESPACE):
            self._store.create(resource, thing)
        self.pods = Pods(self.clock.time, behaviours)
        self._loops = Loops(self._store, self.pods, self.clock.time)
        self._delays = dict(delays)
        self._due = {loop: delay * (1 + index) / 7 for index, (loop, delay) in enumerate(self._delays.items())}
        self._seen: dict[tuple[str, str], object] = {}

    # --- time

    def _run_until(self, end: float) -> None:
        while (due := min(self._due.values())) <= end:
            loop = min(self._due, key=self._due.__getitem__)
            self.clock.seconds = max(self.clock.seconds, due)
            self._due[loop] = due + self._delays[loop]
            for name in (SERVICE, TRIAL):
                self._step(loop, name)
        self.clock.seconds = max(self.clock.seconds, end)

    def _step(self, loop: str, name: str) -> None:
        """Run a loop unless nothing has changed since it last found nothing to do."""
        self.steps += 1
        states = tuple((pod, self.pods.state(pod)) for pod in sorted(self.pods.started))
        seen = (self._store.version, states, int(self.clock.seconds) // 5)
        if self._seen.get((loop, name)) == seen:
            return
        if not self._loops.step(loop, NAMESPACE, name):
            self._seen[loop, name] = seen
        self._observe()

    def _observe(self) -> None:
        """Note who has traffic at the stable URL."""
        for pod, (_, version) in self.pods.started.items():
            self.versions[pod] = version
        for revision, percent in self.shares():
            if percent:
                self.exposed.append((self.clock.seconds, revision, self.versions.get(revision, "?"), percent))

    def shares(self) -> list[tuple[str, int]]:
        """Return what the gateway does with requests to the endpoint now."""
        return self._loops.routed(NAMESPACE, SERVICE)

    def settle(self, seconds: float = 60.0) -> None:
        """Let everything come to rest."""
        self.clock.sleep(seconds)

    def away(self, loop: str, seconds: float) -> None:
        """Stop a loop for a while; afterwards it sees the newest state only."""
        self._due[loop] = self.clock.seconds + seconds

    def serving(self) -> dict[str, int]:
        """Return the share of traffic of each model version now."""
        found: dict[str, int] = {}
        for revision, percent in self.shares():
            if percent:
                version = self.versions.get(revision, "?")
                found[version] = found.get(version, 0) + percent
        return found

    # --- the API, as the client of custom objects sees it

    def get_namespaced_custom_object(self, *place: str, _request_timeout: object) -> Object:
        """Return an object."""
        return self._request(lambda: self._store.get(INFERENCE_SERVICES, place[2], place[4]))

    def create_namespaced_custom_object(self, *place: Any, _request_timeout: object) -> Object:
        """Create an object."""
        return self._request(lambda: self._store.create(INFERENCE_SERVICES, place[4]))

    def patch_namespaced_custom_object(self, *place: Any, _request_timeout: object) -> Object:
        """Merge-patch an object."""
        return self._request(lambda: self._patch(place[4], place[5]))

    def delete_namespaced_custom_object(self, *place: str, _request_timeout: object) -> Object:
        """Delete an object."""
        current = lambda: self._store.get(INFERENCE_SERVICES, place[2], place[4])  # noqa: E731
        return self._request(lambda: self._store.delete(INFERENCE_SERVICES, current()))

    def edit(self, predictor: Mapping[str, Any]) -> None:
        """Change the endpoint's predictor as somebody else."""
        self._patch(SERVICE, {"spec": {"predictor": dict(predictor)}})

    def delete(self) -> None:
        """Delete the endpoint as somebody else."""
        self._store.delete(INFERENCE_SERVICES, self.service())

    def disable_features(self) -> None:
        """Switch off Knative's features for pod specs, as they are in a new cluster."""
        features = self._store.get(CONFIG_MAPS, "knative-serving", "config-features")
        self._store.replace(CONFIG_MAPS, {**features, "data": {}})

    def spec(self) -> Object:
        """Return the endpoint's predictor spec, empty if there is no endpoint."""
        try:
            return dict(self._store.get(INFERENCE_SERVICES, NAMESPACE, SERVICE)["spec"]["predictor"])
        except ApiError:
            return {}

    def service(self, name: str = SERVICE) -> Object:
        """Return the object."""
        return self._store.get(INFERENCE_SERVICES, NAMESPACE, name)

    def _patch(self, name: str, patch: Object) -> Object:
        current = self._store.get(INFERENCE_SERVICES, NAMESPACE, name)
        return self._store.replace(INFERENCE_SERVICES, merge_patch(current, patch))

    def _request(self, carry_out: Callable[[], Object]) -> Object:
        self.alive()
        kind = self.faults.get(self.requests)
        self.requests += 1
        self.clock.sleep(self.request_seconds)
        if kind == "killed before":
            self.die()
        if kind == "busy":
            raise ApiException(status=503, reason="Service Unavailable")
        if kind in EDITS and self.spec():
            self.edit(EDITS[kind](self.spec()))
        try:
            found = carry_out()
        except ApiError as error:
            if kind == "killed after":
                self.die()
            raise _exception(error) from error
        if kind == "killed after":
            self.die()
        if kind == "lost":
            raise ProtocolError("Connection aborted.")
        return found

    def die(self) -> None:
        """Kill the flow's process."""
        self.dead = True
        raise KilledError

    def alive(self) -> None:
        """Raise if the flow's process is dead."""
        if self.dead:
            raise KilledError


def _exception(error: ApiError) -> ApiException:
    reply = SimpleNamespace(status=error.code, reason=error.reason, data=json.dumps(error.status()), getheaders=dict)
    return ApiException(http_resp=reply)


class Documents:
    """S3 as far as the record of a release needs it; a dead process writes nothing."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def read_tagged(self, uri: str) -> Any:
        """Return a document and its entity tag."""
        self._cluster.alive()
        found = self._cluster.documents.get(uri)
        return (json.loads(found), found) if found else None

    def written(self, uri: str) -> float:
        """Return when a document was written; runs are dead or alive here, whenever that was."""
        self._cluster.alive()
        return self._cluster.clock.time()

    def create_json(self, uri: str, document: Any) -> bool:
        """Write a document unless there is one."""
        self._cluster.alive()
        return self._cluster.documents.setdefault(uri, written := json.dumps(document)) is written

    def replace_json(self, uri: str, document: Any, tag: str) -> bool:
        """Write a document over the one with that entity tag."""
        self._cluster.alive()
        if self._cluster.documents.get(uri) != tag:
            return False
        self._cluster.documents[uri] = json.dumps(document)
        return True

    def delete(self, uris: list[str]) -> None:
        """Delete documents."""
        self._cluster.alive()
        for uri in uris:
            self._cluster.documents.pop(uri, None)


class World:
    """Flow runs against a simulated cluster.

    Args:
        cluster: The cluster.
        behaviours: How each model version behaves.
    """

    def __init__(self, cluster: Cluster, behaviours: Mapping[str, Behaviour]) -> None:
        self.cluster = cluster
        self.behaviours = behaviours
        self.tested: set[str] = set()  # passed the smoke test, and has not failed since
        self.passed: set[str] = set()  # passed every step, and has not failed since
        self.recorded: list[str] = []
        self.limits = ReleaseLimits()
        self._runs = count(1)
        self.run = ""
        self.live: set[str] = set()  # as Prefect sees it

    def release(self, version: str, **options: Any) -> str:
        """Run the release flow; return `released`, `unchanged`, `killed`, or why it failed."""
        return self._attempt(lambda: self._release(version, **options))

    def _release(self, version: str, **options: Any) -> str:
        model = self.model(version)
        started = rollout.begin.fn(model, None, options.get("foreign_change", "refuse"), 1e6)
        if started is None:
            return "unchanged"
        with undo.undone_on_failure(started):
            flows.release._roll_out(started, model, [10, 50, 100], self.limits)
        return "released"

    def rollback(self, version: str) -> str:
        """Run what the rollback flow does in the cluster."""
        return self._attempt(lambda: self._rollback(version))

    def _rollback(self, version: str) -> str:
        if version not in self.passed:
            return "unchanged"  # a rollback goes to a version that has served before
        if (done := undo.settle(PORTFOLIO)) and not done.finished:
            return "undone"
        started = rollout.begin.fn(self.model(version))
        if started is None:
            return "unchanged"
        with undo.undone_on_failure(started):
            flows.rollback._roll_out(started, self.model(version))
        return "released"

    def give_up(self) -> str:
        """Run the release flow with foreign_change = "give up"."""
        return self._attempt(lambda: str(undo.settle(PORTFOLIO, "give up")))

    def settle(self) -> str:
        """Settle what a dead run left, as the next train or score does."""
        return self._attempt(lambda: str(undo.settle(PORTFOLIO)))

    def _attempt(self, work: Callable[[], str]) -> str:
        self.cluster.dead = False
        outer, self.run = self.run, f"run-{next(self._runs)}"
        self.live.add(self.run)
        try:
            return work()
        except KilledError:
            return "killed"
        except ReleaseError as error:
            return f"failed: {error}"
        finally:
            self.live.discard(self.run)
            self.run = outer

    def model(self, version: str) -> RegisteredModel:
        """Return a registered model."""
        return RegisteredModel(
            arn=version, portfolio=PORTFOLIO, version=version, status="Approved",
            bundle_uri=f"s3://lake/models/{PORTFOLIO}/{version}/", archive_uri="s3://lake/a", snapshot_id="s",
            job_name="j", released_at=None,
        )  # fmt: skip

    # --- the tests that a release makes

    def smoke(self, url: str, model: RegisteredModel, _limits: object) -> None:
        """Check the version that a URL reaches, and whether it answers as its bundle says."""
        self.cluster.clock.sleep(0.5)
        found = self.version_at(url)
        self.tested.discard(model.version)
        if found != model.version or not self.behaviours[found].right:
            raise ReleaseError(f"smoke test: {url} serves {found}, wrong or not {model.version}")
        self.tested.add(model.version)
        if TRIAL in url:
            self.passed.add(model.version)

    def watch(self, release: Rollout, percent: int, _limits: object, _before: object) -> None:
        """Watch one step of traffic."""
        self.cluster.clock.sleep(settings().release_dwell_seconds)
        if self.behaviours[release.version].fails_at == percent:
            self.passed.discard(release.version)
            raise ReleaseError(f"{release.service} at {percent} %: answers are 5xx")
        if percent == 100:
            self.passed.add(release.version)

    def version_at(self, url: str) -> str | None:
        """Return the model version of the server that a URL leads to now."""
        cluster = self.cluster
        for name in (SERVICE, TRIAL):
            for tag in ("", "latest", "prev"):
                for revision, percent in cluster._loops.routed(NAMESPACE, name, tag):
                    ready = (cluster.pods.state(revision) or PodState("Pending")).phase == "Ready"
                    if percent and ready and url in self._urls(name, tag):
                        return cluster.versions.get(revision)
        return None

    def _urls(self, name: str, tag: str) -> set[str]:
        try:
            status = self.cluster.service(name).get("status", {})
        except ApiError:
            return set()
        targets = status.get("components", {}).get("predictor", {}).get("traffic", [])
        tagged = {t.get("url") for t in targets if t.get("tag") == tag and tag}
        return tagged if tag else {status.get("url")}


@contextmanager
def world(cluster: Cluster, behaviours: Mapping[str, Behaviour]) -> Iterator[World]:
    """Let the release code of this process work on a simulated cluster."""
    found = World(cluster, behaviours)
    documents, logger = Documents(cluster), logging.getLogger("simulation")
    logger.setLevel(logging.ERROR)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SETTINGS.items():
            patch.setenv(f"CREDIT_{name.upper()}", value)
        settings.cache_clear()
        patch.setattr(kserve, "api", lambda: cluster)
        for module in (kserve, retries, record, rollout, canary):
            patch.setattr(module, "time", cluster.clock)
        patch.setattr(record, "s3", documents)
        patch.setattr(context, "current", lambda: found.run)
        patch.setattr(context, "is_over", lambda run, seen: run not in found.live)
        for module in (rollout, undo, shadow, smoke):
            patch.setattr(module, "get_run_logger", lambda: logger)
        told = dict.fromkeys(("ModelReleased", "ReleaseRolledBack"), lambda **_: None)
        patch.setattr(undo, "events", SimpleNamespace(announce=lambda _: None, **told))
        patch.setattr(undo, "get_model", SimpleNamespace(fn=lambda _, version: found.model(version)))
        patch.setattr(undo, "record_release", SimpleNamespace(fn=lambda model: found.recorded.append(model.version)))
        patch.setattr(undo, "roll_back", undo.roll_back.fn)
        patch.setattr(undo, "version_at", found.version_at)
        for flow in (flows.release, flows.rollback):
            for step in ("deploy_at_zero", "finish", "go_live", "shift_traffic", "try_out"):
                patch.setattr(flow, step, getattr(rollout, step).fn)
            patch.setattr(flow, "smoke_test", found.smoke)
        patch.setattr(flows.release, "shadow", lambda *_: None)
        patch.setattr(flows.release, "watch", found.watch)
        try:
            yield found
        finally:
            settings.cache_clear()


assert (service_name(PORTFOLIO), trial_name(PORTFOLIO)) == (SERVICE, TRIAL)
