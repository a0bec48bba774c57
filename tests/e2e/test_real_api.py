"""The release flow against a real Kubernetes API server, as the account that its role is for."""

import contextlib
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from kubernetes import client
from prefect.client.schemas.objects import FlowRun

from tests.conftest import ROOT
from tests.deployments import rbac
from tests.e2e import portfolio
from tests.e2e.models import register_twin
from tests.e2e.world import SERVICE, V1, World
from tests.sandbox.kubernetes import real_api

GV, PLURAL = ("serving.kserve.io", "v1beta1"), "inferenceservices"
pytestmark = [
    pytest.mark.integration,
    pytest.mark.xdist_group("e2e"),
    pytest.mark.timeout(900),
    pytest.mark.skipif(not real_api.has_context("flow"), reason="needs REAL_KUBECONFIG with a context `flow`"),
]


class Cluster:
    """A namespace of a real API server in which the sandbox's controller stands for KServe's."""

    def __init__(self, world: World, namespace: str, state: Path) -> None:
        self.world = world
        self.namespace = namespace
        self.admin = client.CustomObjectsApi(real_api.connect())
        kubeconfig = yaml.safe_load(Path(str(real_api.REAL)).read_text()) | {"current-context": "flow"}
        self.kubeconfig = state / "flow.yaml"
        self.kubeconfig.write_text(yaml.safe_dump(kubeconfig))

    def release(self, version: str) -> FlowRun:
        """Run the release flow here instead of in the sandbox's cluster."""
        there = {"KUBECONFIG": str(self.kubeconfig), "CREDIT_NAMESPACE": self.namespace}
        return self.world.runs.run("release", env=there, portfolio=portfolio.NAME, version=version)

    def service(self) -> dict[str, Any]:
        """Return the InferenceService."""
        found: dict[str, Any] = self.admin.get_namespaced_custom_object(*GV, self.namespace, PLURAL, SERVICE)
        return found

    def serving(self) -> set[str]:
        """Return the versions that answer at the stable URL."""
        _, body = self.world.question()
        url = f"{self.service()['status']['url']}{V1}"
        return {httpx.post(url, json=body, timeout=30).raise_for_status().json()["model_version"] for _ in range(20)}

    def assert_settled_on(self, version: str) -> None:
        """Check that one version has all the traffic and the spec, and that nothing is under way."""
        spec = self.service()["spec"]["predictor"]
        assert "canaryTrafficPercent" not in spec
        [bundle] = [v["value"] for v in spec["containers"][0]["env"] if v["name"] == "STORAGE_URI"]
        assert bundle.endswith(f"/{version}/")
        assert self.serving() == {version}
        assert self.world.keys("releases/") == []


@pytest.fixture
def cluster(quiet_world: World, tmp_path: Path) -> Iterator[Cluster]:
    namespace = f"release-{uuid.uuid4().hex[:8]}"
    real_api.install(real_api.connect(), namespace)
    rbac.grant(namespace)
    command = [sys.executable, "-m", "tests.sandbox.kubernetes.mirror", "--kubeconfig", str(real_api.REAL)]
    aws = {name: value for name, value in quiet_world.environment.items() if name.startswith(("AWS_", "SANDBOX_"))}
    with (tmp_path / "mirror.err").open("w") as log:
        mirror = subprocess.Popen(
            [*command, "--namespace", namespace, "--state", str(tmp_path)],
            env=os.environ | aws, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT,
        )  # fmt: skip
    try:
        assert mirror.stdout
        assert mirror.stdout.readline() == "following\n", (tmp_path / "mirror.err").read_text()
        yield Cluster(quiet_world, namespace, tmp_path)
    finally:
        mirror.terminate()
        mirror.wait(30)
        with contextlib.suppress(client.ApiException):
            client.CoreV1Api(real_api.connect()).delete_namespace(namespace)


@pytest.fixture
def twin(quiet_world: World) -> Iterator[str]:
    """A further version of the model; what is released here is no release of the sandbox's own cluster."""
    version = register_twin(quiet_world)
    yield version
    package = quiet_world.models()[version]["ModelPackageArn"]
    quiet_world.aws("sagemaker").delete_model_package(ModelPackageName=package)


def test_first_release_challenger_and_rollback(cluster: Cluster, twin: str) -> None:
    champion = cluster.world.serving()
    first = cluster.release(champion)
    assert first.state is not None
    assert first.state.is_completed(), f"{first.state.message}\n{cluster.world.runs.log(first.id)}"
    cluster.assert_settled_on(champion)

    broken = cluster.release(register_twin(cluster.world, tampered=True))
    assert broken.state is not None
    assert broken.state.is_failed()
    assert "model.txt was changed" in str(broken.state.message)
    cluster.assert_settled_on(champion)

    rbac.change(cluster.namespace, ["get", "create", "delete"])
    denied = cluster.release(twin)
    assert denied.state is not None
    assert denied.state.is_failed()
    assert "grant the flow's role the verb patch on inferenceservices" in str(denied.state.message)
    cluster.assert_settled_on(champion)

    rbac.change(cluster.namespace, ["get", "create", "patch", "delete"])
    second = cluster.release(twin)
    assert second.state is not None
    assert second.state.is_completed(), f"{second.state.message}\n{cluster.world.runs.log(second.id)}"
    cluster.assert_settled_on(twin)
