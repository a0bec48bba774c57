"""The release's role of deployments/kserve/rbac.yaml on a real API server: granted, changed, and asked about."""

import time
from collections.abc import Sequence

import yaml
from kubernetes import client

from tests.conftest import ROOT
from tests.sandbox.kubernetes import real_api

ACCOUNT, ROLE, BINDING = yaml.safe_load_all((ROOT / "deployments" / "kserve" / "rbac.yaml").read_text())
VERBS: list[str] = ROLE["rules"][0]["verbs"]


def grant(namespace: str, verbs: Sequence[str] = VERBS) -> None:
    """Create the role in a namespace with some of its verbs, and wait until the API server applies it."""
    place = {"namespace": namespace}
    api = client.RbacAuthorizationV1Api(real_api.connect())
    api.create_namespaced_role(namespace, ROLE | {"metadata": ROLE["metadata"] | place, "rules": _rules(verbs)})
    api.create_namespaced_role_binding(namespace, BINDING | {"metadata": BINDING["metadata"] | place})
    _wait(namespace, verbs)


def change(namespace: str, verbs: Sequence[str]) -> None:
    """Give the role these verbs and no others, and wait until the API server applies it."""
    api = client.RbacAuthorizationV1Api(real_api.connect())
    api.patch_namespaced_role(ROLE["metadata"]["name"], namespace, {"rules": _rules(verbs)})
    _wait(namespace, verbs)


def permitted(namespace: str) -> set[str]:
    """Return the verbs of the role that the flow's account has in a namespace."""
    reviews = client.AuthorizationV1Api(real_api.connect("flow"))
    where = {"group": "serving.kserve.io", "resource": "inferenceservices", "namespace": namespace}
    asked = {verb: {"spec": {"resourceAttributes": {**where, "verb": verb}}} for verb in VERBS}
    return {verb for verb in VERBS if reviews.create_self_subject_access_review(asked[verb]).status.allowed}


def _rules(verbs: Sequence[str]) -> list[dict]:
    return [{**ROLE["rules"][0], "verbs": list(verbs)}]


def _wait(namespace: str, verbs: Sequence[str]) -> None:
    deadline = time.monotonic() + 10
    while permitted(namespace) != set(verbs):
        assert time.monotonic() < deadline, "the role has not taken effect"
        time.sleep(0.05)
