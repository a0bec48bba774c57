"""A cluster whose loops a test steps by hand, with pods that do what the test says."""

from sandbox.kubernetes.apiserver.documents import merge_patch
from sandbox.kubernetes.apiserver.resources import (
    EVENTS,
    INFERENCE_SERVICES,
    PODS,
    REVISIONS,
    ResourceType,
    initial_objects,
)
from sandbox.kubernetes.apiserver.store import Store
from sandbox.kubernetes.control.loops import Loops, PodState

NAMESPACE, NAME = "ml", "m"
TAGS = {"serving.kserve.io/enable-tag-routing": "true"}


class ScriptedPods:
    """Pods whose states the test sets; the others are pending."""

    def __init__(self) -> None:
        self.states: dict[str, PodState] = {}
        self.running: set[str] = set()
        self.stopped: list[str] = []

    def start(self, revision: dict) -> None:
        self.running.add(revision["metadata"]["name"])

    def stop(self, name: str) -> None:
        if name in self.running:
            self.running.remove(name)
            self.stopped.append(name)

    def state(self, name: str) -> PodState | None:
        return self.states.get(name, PodState("Pending")) if name in self.running else None


class Scripted:
    """One namespace with one InferenceService."""

    def __init__(self, **options: float) -> None:
        self.now = 0.0
        self.store = Store()
        for resource, thing in initial_objects(NAMESPACE):
            self.store.create(resource, thing)
        self.pods = ScriptedPods()
        self.loops = Loops(self.store, self.pods, lambda: self.now, **options)

    def create(self, predictor: dict, *, name: str = NAME, annotations: dict | None = None) -> None:
        metadata = {"name": name, "namespace": NAMESPACE, "annotations": annotations or {}}
        self.store.create(INFERENCE_SERVICES, {"metadata": metadata, "spec": {"predictor": predictor}})

    def patch(self, predictor: dict) -> None:
        isvc = self.isvc()
        self.store.replace(INFERENCE_SERVICES, merge_patch(isvc, {"spec": {"predictor": predictor}}))

    def delete(self) -> None:
        self.store.delete(INFERENCE_SERVICES, self.isvc())

    def isvc(self, name: str = NAME) -> dict:
        return self.store.get(INFERENCE_SERVICES, NAMESPACE, name)

    @property
    def status(self) -> dict:
        return self.isvc()["status"]

    @property
    def component(self) -> dict:
        return self.status["components"]["predictor"]

    def child(self, resource: ResourceType, name: str = f"{NAME}-predictor") -> dict:
        return self.store.get(resource, NAMESPACE, name)

    def revisions(self) -> list[str]:
        return [thing["metadata"]["name"] for thing in self.store.list(REVISIONS, NAMESPACE)]

    def pod_objects(self) -> list[dict]:
        return self.store.list(PODS, NAMESPACE)

    def events(self) -> set[str]:
        return {event["reason"] for event in self.store.list(EVENTS, NAMESPACE)}

    def step(self, *loops: str, name: str = NAME) -> list[bool]:
        return [self.loops.step(loop, NAMESPACE, name) for loop in loops]

    def settle(self, *loops: str, name: str = NAME) -> None:
        """Step until no loop writes anything."""
        for _ in range(60):
            if not any(self.step(*(loops or Loops.NAMES), name=name)):
                return
        raise AssertionError("the loops write for ever")

    def becomes(self, number: int, state: PodState) -> None:
        """Put the pods of a revision into a state, without a step."""
        self.pods.states[revision(number)] = state

    def reaches(self, number: int, state: PodState) -> None:
        """Put the pods of a revision into a state, and settle."""
        self.becomes(number, state)
        self.settle()

    def serving(self, predictor: dict, **more) -> None:
        """Create the service and let its first revision take the traffic."""
        self.create(predictor, **more)
        self.settle()
        self.reaches(1, READY)

    def traffic(self) -> list[tuple[str, int]]:
        return [(entry["revisionName"], entry["percent"]) for entry in self.component.get("traffic", [])]


READY = PodState("Ready")


def revision(number: int) -> str:
    return f"{NAME}-predictor-{number:05d}"


def predictor(image: str = "credit-serve", **more) -> dict:
    return {"containers": [{"name": "kserve-container", "image": f"registry.example/{image}:1"}], **more}


def condition(status: dict, kind: str) -> tuple[str, str]:
    """Return the status and the reason of a condition."""
    found = next(c for c in status["conditions"] if c["type"] == kind)
    return found["status"], found.get("reason", "")


def message(status: dict, kind: str) -> str:
    return next(c for c in status["conditions"] if c["type"] == kind).get("message", "")
