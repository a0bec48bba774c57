"""The control loops of KServe and Knative as one state machine: each step is one reconciliation of one loop."""

from collections.abc import Callable

from sandbox.kubernetes.apiserver.store import Store
from sandbox.kubernetes.control.client import Client
from sandbox.kubernetes.control.deployments import Deployments
from sandbox.kubernetes.control.pods import Pods, PodState
from sandbox.kubernetes.knative import configuration, hosts, route, service
from sandbox.kubernetes.knative.ingress import Ingresses
from sandbox.kubernetes.knative.revision import IDLE_SECONDS, Revisions
from sandbox.kubernetes.kserve import inference_service

__all__ = ["Loops", "PodState", "Pods"]


def public_url(namespace: str, name: str, tag: str) -> str:
    """Return the URL of a Route or of one of its tags as a cluster has it."""
    return f"http://{hosts.external(namespace, name, tag)}"


class Loops:
    """The loops over one store. They have no clock, no tasks and no delays of their own.

    Args:
        store: The objects.
        pods: Runs the pods of revisions.
        clock: The present in seconds since the epoch.
        address: Returns the URL of a namespace, Route name and tag.
        idle_seconds: How long a revision that nothing routes to keeps its pods.
    """

    NAMES: tuple[str, ...] = ("kserve", "service", "configuration", "revision", "route", "ingress")

    def __init__(
        self,
        store: Store,
        pods: Pods,
        clock: Callable[[], float],
        *,
        address: route.Address = public_url,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._store = store
        self._client = Client(store, clock)
        self._revisions = Revisions(self._client, pods, idle_seconds)
        self._deployments = Deployments(self._client, pods)
        self._ingresses = Ingresses(self._client)
        self._address = address

    def step(self, loop: str, namespace: str, name: str) -> bool:
        """Run one reconciliation of a loop for an InferenceService or its children.

        Args:
            loop: One of `NAMES`.
            namespace: The InferenceService's namespace.
            name: The InferenceService's name; it need not exist any more.

        Returns:
            Whether the step wrote anything.
        """
        before, child = self._store.version, f"{name}-predictor"
        if loop == "kserve":
            inference_service.reconcile(self._client, namespace, name, self._address)
        elif loop == "service":
            service.reconcile(self._client, namespace, child)
        elif loop == "configuration":
            configuration.reconcile(self._client, namespace, child)
        elif loop == "revision":
            self._revisions.reconcile(namespace, child)
            self._deployments.reconcile(namespace, child)
        elif loop == "route":
            route.reconcile(self._client, namespace, child, self._address)
        elif loop == "ingress":
            self._ingresses.reconcile(namespace, child)
        else:
            raise ValueError(f"no loop {loop!r}; there are {', '.join(self.NAMES)}")
        return self._store.version != before

    def routed(self, namespace: str, name: str, tag: str = "") -> list[tuple[str, int]]:
        """Return what the gateway does with requests now: revisions and their percents.

        Args:
            namespace: The InferenceService's namespace.
            name: The InferenceService's name.
            tag: A tag of its Route; empty for the stable URL.
        """
        child = f"{name}-predictor"
        if not tag and (served := self._deployments.routed(namespace, child)):
            return served
        return self._ingresses.routed(namespace, child, tag)
