"""The ingress controller's loop: programs the gateway with the rules of each Ingress, then reports it ready.

After Knative's `networking/v1alpha1/ingress_lifecycle.go` and net-istio: the new rules work before they are reported,
because readiness is probed.
"""

from dataclasses import dataclass, field

from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.resources import INGRESSES
from sandbox.kubernetes.control.client import Client
from sandbox.kubernetes.control.conditions import Conditions
from sandbox.kubernetes.knative import hosts

NETWORK, LOAD_BALANCER = "NetworkConfigured", "LoadBalancerReady"
WAITING = ("Uninitialized", "Waiting for load balancer to be ready")
GATEWAY = "istio-ingressgateway.istio-system.svc.cluster.local"
Shares = list[tuple[str, int]]


@dataclass
class Ingresses:
    """The loop and the gateway's rules: for each Ingress, the shares of revisions by host."""

    client: Client
    programmed: dict[tuple[str, str], dict[str, Shares]] = field(default_factory=dict)

    def reconcile(self, namespace: str, name: str) -> None:
        """Reconcile one Ingress."""
        ingress = self.client.collect(INGRESSES, namespace, name)
        if ingress is None:
            self.programmed.pop((namespace, name), None)
            return
        self.client.reconcile(
            INGRESSES,
            ingress,
            (NETWORK, LOAD_BALANCER),
            lambda status, conditions: self._program(ingress, status, conditions),
        )

    def routed(self, namespace: str, name: str, tag: str) -> Shares:
        """Return what the gateway does with requests to a Route or to one of its tags now."""
        return list(self.programmed.get((namespace, name), {}).get(hosts.external(namespace, name, tag), []))

    def _program(self, ingress: Object, status: Object, conditions: Conditions) -> None:
        key = ingress["metadata"]["namespace"], ingress["metadata"]["name"]
        rules = {host: _shares(rule) for rule in ingress["spec"]["rules"] for host in rule["hosts"]}
        # A gateway that was ready before this loop's memory begins has these rules already.
        known = conditions.has("Ready", "True") and key not in self.programmed
        works = known or self.programmed.get(key) == rules
        self.programmed[key] = rules
        conditions.mark_true(NETWORK)
        if not works:
            conditions.mark_unknown(LOAD_BALANCER, *WAITING)
            return
        for which in ("publicLoadBalancer", "privateLoadBalancer"):
            status[which] = {"ingress": [{"domainInternal": GATEWAY}]}
        conditions.mark_true(LOAD_BALANCER)


def _shares(rule: Object) -> Shares:
    return [(split["serviceName"], split["percent"]) for split in rule["http"]["paths"][0]["splits"]]
