"""What is installed on the cluster: versions that are maintained and fit each other, and the script that does it."""

import os
import re
import shutil
import subprocess
from datetime import date
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from deployments import templates
from tests.deployments.conftest import FOLDER

INSTALL = FOLDER / "install"
TERMS = re.compile(r"# Kubernetes 1\.(\d+)-1\.(\d+), until (\d{4}-\d{2}-\d{2})\b.*: https://\S+")
VERSION = re.compile(r"([A-Z_]+)=(\S+)")
# KServe publishes neither a range nor a date.
WITHOUT_TERMS = {"KSERVE"}
OUTPUTS = {
    "AutoscalerRoleArn": "arn:aws:iam::123456789012:role/credit-autoscaler",
    "EksCluster": "credit-dev",
    "EndpointDomain": "credit.internal",
    "GatewayReplicas": "2",
    "ZoneId": "Z0123",
}
# Programs in place of the real ones write down how they are called. Calls that match FAILING fail FAILURES times.
PROGRAM = r"""#!/bin/bash
call="$(basename "$0") ${*//$'\n'/ }"
echo "$call" >> "$CALLS"
if [[ -n "$FAILING" && "$call" == *"$FAILING"* ]]; then
  echo x >> "$CALLS.failures"
  [ "$(wc -l < "$CALLS.failures")" -gt "$FAILURES" ] || exit 1
fi
case "$call" in
  "python -m deployments outputs dev") cat "$CALLS.outputs" ;;
  *"get service istio-ingressgateway"*) echo balancer.elb.amazonaws.com ;;
  *"get secret credit-authority"*) printf '%s' "-----BEGIN CERTIFICATE-----" | base64 ;;
  *"apply --filename "*/tls.yaml) cp "${@: -1}" "$CALLS.tls" ;;
esac
"""


def terms(text: str) -> dict[str, tuple[int, int, date]]:
    """Return for each version oldest and newest Kubernetes (minor version), and the day from which it gets no fixes."""
    found, above = {}, None
    for line in text.splitlines():
        above = TERMS.fullmatch(line) or above
        if (named := VERSION.fullmatch(line)) and above:
            found[named[1]] = (int(above[1]), int(above[2]), date.fromisoformat(above[3]))
            above = None
    return found


def overdue(text: str, today: date) -> list[str]:
    """Return what to do about the versions that get no more fixes."""
    return [
        f"{name} has had no fixes since {until}: open the page above it in deployments/kserve/versions.env and choose "
        "a version that is maintained, with its range and date"
        for name, (_, _, until) in terms(text).items()
        if until <= today
    ]


def unfit(text: str, kubernetes: str) -> list[str]:
    """Return what to do about the versions that do not support a version of Kubernetes."""
    minor = int(kubernetes.removeprefix("1."))
    return [
        f"{name} supports Kubernetes 1.{oldest} to 1.{newest}, and serving.yaml has {kubernetes}: change one of them"
        for name, (oldest, newest, _) in terms(text).items()
        if not oldest <= minor <= newest
    ]


VERSIONS = (FOLDER / "versions.env").read_text()
KUBERNETES = templates.parameters("serving")["KubernetesVersion"]["Default"]


def test_every_version_states_its_terms():
    named = {found[1] for line in VERSIONS.splitlines() if (found := VERSION.fullmatch(line))}
    assert named - WITHOUT_TERMS == terms(VERSIONS).keys()


def test_every_version_still_gets_fixes():
    assert overdue(VERSIONS, date.today()) == []


def test_every_version_supports_the_clusters_kubernetes():
    assert unfit(VERSIONS, KUBERNETES) == []


def test_versions_of_the_past_would_be_noticed():
    text = "# Kubernetes 1.29-1.33, until 2026-03-10: https://cert-manager.io/docs/releases/\nCERT_MANAGER=v1.18.2\n"
    assert len(overdue(text, date(2026, 3, 10))) == len(unfit(text, "1.35")) == 1
    assert overdue(text, date(2026, 3, 9)) == unfit(text, "1.33") == []


def test_kubernetes_is_the_same_wherever_it_is_named():
    assert f"\nKUBERNETES={KUBERNETES}\n" in VERSIONS
    kubectl = yaml.safe_load((FOLDER.parent / "buildspec.yml").read_text())["env"]["variables"]["KUBECTL_VERSION"]
    assert kubectl.startswith(f"v{KUBERNETES}.")


def test_kserve_is_the_clients_version():
    assert f"\nKSERVE=v{version('kserve')}\n" in VERSIONS


class Installation:
    """The script in a copy of its folder, where every program writes down how it is called."""

    def __init__(self, folder: Path) -> None:
        self.calls = folder / "calls"
        self.folder = folder
        shutil.copytree(FOLDER, folder / "deployments" / "kserve")
        for place, names in {"bin": ("aws", "helm", "kubectl", "sleep"), ".venv/bin": ("python",)}.items():
            (folder / place).mkdir(parents=True)
            for name in names:
                (folder / place / name).write_text(PROGRAM)
                (folder / place / name).chmod(0o755)

    def run(
        self, *arguments: str, failing: str = "", failures: int = 0, outputs: dict[str, str] = OUTPUTS
    ) -> tuple[int, str, list[str]]:
        """Return exit code, errors and calls."""
        self.calls.with_name("calls.outputs").write_text("".join(f"{n}={v}\n" for n, v in outputs.items()))
        environment = {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "CALLS": str(self.calls),
            "FAILING": failing,
            "FAILURES": str(failures),
            "AWS_REGION": "eu-west-1",
        }
        script = self.folder / "deployments" / "kserve" / "install"
        done = subprocess.run(
            [script, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        return done.returncode, done.stderr, self.calls.read_text().splitlines() if self.calls.exists() else []


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def releases(calls: list[str]) -> dict[str, str]:
    """Return the chart of each release, in order."""
    found = [re.search(r"helm upgrade --install (\S+) (\S+)", call) for call in calls]
    return {one[1]: one[2] for one in found if one}


@pytest.mark.integration
def test_charts_are_installed_in_order_from_where_they_are_published(installation):
    code, errors, calls = installation.run("dev")
    assert code == 0, errors
    assert any("awsRegion=eu-west-1" in call for call in calls)
    assert releases(calls) == {
        "cert-manager": "cert-manager",
        "istio-base": "oci://ghcr.io/istio/release/charts/base",
        "istiod": "oci://ghcr.io/istio/release/charts/istiod",
        "istio-ingressgateway": "oci://ghcr.io/istio/release/charts/gateway",
        "kserve-crd": "oci://ghcr.io/kserve/charts/kserve-crd",
        "kserve-resources": "oci://ghcr.io/kserve/charts/kserve-resources",
        "cluster-autoscaler": "cluster-autoscaler",
    }


@pytest.mark.integration
def test_a_webhook_that_does_not_answer_yet_is_asked_again(installation):
    code, errors, calls = installation.run("dev", failing="kserve-resources", failures=2)
    assert code == 0, errors
    assert sum("--install kserve-resources" in call for call in calls) == 3
    assert [call for call in calls if call.startswith("sleep")][:2] == ["sleep 5", "sleep 15"]


@pytest.mark.integration
def test_a_chart_that_never_comes_up_ends_the_installation(installation):
    code, _, calls = installation.run("dev", failing="kserve-resources", failures=100)
    assert code != 0
    assert not any("cluster-autoscaler" in call for call in calls)


@pytest.mark.integration
def test_platform_parts_have_the_stages_replicas_and_can_be_drained(installation):
    _, _, calls = installation.run("dev")
    text = "\n".join(calls)
    assert "pilot.autoscaleMin=2 --set global.defaultPodDisruptionBudget.enabled=true" in text
    assert "autoscaling.minReplicas=2" in text
    assert 'horizontalpodautoscaler activator --namespace knative-serving --type merge --patch {"spec": {"minR' in text
    assert text.count('"minAvailable": null, "maxUnavailable": 1') == 2
    _, _, alone = installation.run("dev", outputs=OUTPUTS | {"GatewayReplicas": "1"})
    assert any("global.defaultPodDisruptionBudget.enabled=false" in call for call in alone)


@pytest.mark.integration
def test_the_gateway_speaks_https_with_a_certificate_of_the_stages_domain(installation):
    _, _, calls = installation.run("dev")
    documents = list(yaml.safe_load_all(installation.calls.with_name("calls.tls").read_text()))
    named = {(one["kind"], one["metadata"]["name"]): one for one in documents}
    leaf = named["Certificate", "credit-gateway"]["spec"]
    http, https = named["Gateway", "knative-ingress-gateway"]["spec"]["servers"]
    assert leaf["dnsNames"] == https["hosts"] == ["*.ml.credit.internal"]
    assert https["tls"]["credentialName"] == leaf["secretName"]
    assert http["tls"] == {"httpsRedirect": True}
    assert any("kserve.controller.gateway.urlScheme=https" in call for call in calls)
    assert any("ssm put-parameter --name /credit/serving-authority" in call for call in calls)


@pytest.mark.integration
def test_it_meets_only_the_cluster_of_its_stage(installation):
    _, _, calls = installation.run("dev")
    assert calls[1].startswith("aws eks update-kubeconfig --name credit-dev --kubeconfig /")


@pytest.mark.integration
def test_who_may_not_administer_the_cluster_hears_what_to_do_before_anything_is_installed(installation):
    code, errors, calls = installation.run("dev", failing="auth can-i", failures=1)
    assert code == 1
    assert "set AdminRoleArn to your role and AdminCidrs to your address" in errors
    assert releases(calls) == {}


@pytest.mark.integration
@pytest.mark.parametrize("missing", OUTPUTS)
def test_a_stage_that_is_not_deployed_is_said_before_anything_is_installed(installation, missing):
    code, errors, calls = installation.run("dev", outputs={n: v for n, v in OUTPUTS.items() if n != missing})
    assert code == 1
    assert f"stage dev has no output {missing} yet: run make deploy STAGE=dev first" in errors
    assert calls == ["python -m deployments outputs dev"]


@pytest.mark.integration
def test_without_a_stage_it_says_how_it_is_called(installation):
    code, errors, calls = installation.run()
    assert (code, calls) == (2, [])
    assert "usage: " in errors


@pytest.mark.integration
def test_a_program_that_is_missing_is_named_before_anything_is_installed(installation):
    (installation.folder / ".venv" / "bin" / "python").unlink()
    code, errors, calls = installation.run("dev")
    assert (code, calls) == (1, [])
    assert ".venv/bin/python is missing" in errors
