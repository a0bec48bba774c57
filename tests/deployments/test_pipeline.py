"""The workflow and the buildspecs: they are what GitHub and CodeBuild take, and ship a commit in the right order."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
import yaml
from moto import mock_aws

from deployments import templates
from deployments.registry import kept

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "test.yml"
BUILDSPEC = ROOT / "deployments" / "buildspec.yml"
TESTSPEC = ROOT / "deployments" / "buildspec-test.yml"
SCHEMA = Path(__file__).with_name("buildspec.schema.json")
PHASES = [(spec, phase) for spec in (BUILDSPEC, TESTSPEC) for phase in ("install", "build")]
COMMIT = "c0ffee" * 6 + "c0ff"
# Programs in the place of the real ones write down how they are called, and answer what the script needs to go on.
PROGRAM = r"""#!/bin/bash
echo "$(basename "$0") $*" >> "$CALLS"
case "$(basename "$0") $*" in
  "$BROKEN"*) exit 7 ;;
  "kubectl get inferenceservices"*) echo '{"items": []}' ;;
  "python -m deployments.registry.kept"*) cat > /dev/null ;;
  "python -m deployments outputs"*) printf 'Bucket=lake\nEksCluster=credit-dev\n' ;;
  "python -m deployments manifests"*) printf '%s\n' "${*: -1}" "${*: -1}/istio" ;;
esac
"""


def checked(*arguments: object) -> "subprocess.CompletedProcess[str]":
    program = Path(sys.executable).parent / "check-jsonschema"
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)


def phases(spec: Path = BUILDSPEC) -> dict[str, dict]:
    return yaml.safe_load(spec.read_text())["phases"]


def commands(phase: str, spec: Path = BUILDSPEC) -> list[str]:
    return phases(spec)[phase]["commands"]


def pipeline() -> dict[str, dict]:
    return {name: one["Properties"] for name, one in templates.load("pipeline")["Resources"].items()}


@pytest.mark.parametrize("schema", ["vendor.github-workflows", "custom.github-workflows-require-timeout"])
def test_the_workflow_is_one(schema):
    done = checked("--builtin-schema", schema, WORKFLOW)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workflow_may_only_read_and_runs_pinned_actions_on_both_pythons():
    workflow = yaml.safe_load(WORKFLOW.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    assert "permissions" not in job
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12"]
    used = [step["uses"] for step in job["steps"] if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action in used), used
    assert any(step.get("run", "").startswith("make test") for step in job["steps"])
    assert "secrets." not in WORKFLOW.read_text()


@pytest.mark.parametrize("spec", [BUILDSPEC, TESTSPEC], ids=lambda spec: spec.stem)
def test_the_buildspec_is_one(spec):
    done = checked("--schemafile", SCHEMA, spec)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "broken",
    [
        {"version": 0.2, "phases": {"deploy": {"commands": ["true"]}}},
        {"version": 0.2, "phases": {"build": {"command": ["true"]}}},
        {"version": 0.2, "phases": {"build": {"commands": "true"}}},
        {"version": 0.2, "phases": {"build": {"commands": ["true"], "runtime-versions": {"python": "3.11"}}}},
        {"version": 0.1, "phases": {"build": {"commands": ["true"]}}},
    ],
)
def test_the_buildspecs_schema_refuses(tmp_path, broken):
    path = tmp_path / "buildspec.yml"
    path.write_text(yaml.safe_dump(broken))
    assert checked("--schemafile", SCHEMA, path).returncode == 1


@pytest.mark.parametrize(("spec", "phase"), PHASES)
def test_every_command_is_bash_and_a_failure_ends_the_build(spec, phase):
    assert phases(spec)[phase]["on-failure"] == "ABORT"
    for command in commands(phase, spec):
        done = subprocess.run(["bash", "-n"], input=command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_tests_do_not_see_the_stage():
    (test,) = [command for command in commands("build", TESTSPEC) if "make test" in command]
    assert "-u AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" in test
    project = pipeline()["Test"]
    assert "EnvironmentVariables" not in project["Environment"]
    assert "VpcConfig" not in project


def test_what_runs_untested_code_may_read_the_commit_and_write_its_log_and_nothing_else():
    role = pipeline()["TestRole"]
    assert "ManagedPolicyArns" not in role
    statements = [one for policy in role["Policies"] for one in policy["PolicyDocument"]["Statement"]]
    listed = [one["Action"] if isinstance(one["Action"], list) else [one["Action"]] for one in statements]
    actions = {action for actions in listed for action in actions}
    assert actions == {
        "codeconnections:UseConnection",
        "codestar-connections:UseConnection",
        "kms:Decrypt",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "s3:GetObject",
        "s3:GetObjectVersion",
    }
    assert all(one["Resource"] != "*" for one in statements)


def test_nothing_is_shipped_before_it_has_passed():
    named = [one["Fn::If"][1]["Name"] if "Fn::If" in one else one["Name"] for one in pipeline()["Pipeline"]["Stages"]]
    assert named == ["Commit", "Test", "Approval", "Ship"]
    assert not any("make test" in command for phase in ("install", "build") for command in commands(phase))


def test_what_ships_is_in_the_private_subnets_and_reaches_the_cluster_there():
    found = pipeline()
    assert found["Build"]["VpcConfig"]["Subnets"] == {"Ref": "Subnets"}
    assert found["ClusterFromBuild"]["GroupId"] == {"Ref": "ClusterSecurityGroup"}
    assert not found["BuildGroup"].get("SecurityGroupIngress")


def test_commits_that_touch_only_docs_build_nothing():
    (trigger,) = pipeline()["Pipeline"]["Triggers"]
    (push,) = trigger["GitConfiguration"]["Push"]
    assert push["FilePaths"] == {"Excludes": ["docs/**", "*.md"]}
    assert push["Branches"] == {"Includes": [{"Ref": "Branch"}]}


class Build:
    """The build phase, run in a folder where every program writes down how it is called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for place, names in {"bin": ("aws", "kubectl", "make"), ".venv/bin": ("python", "prefect")}.items():
            (folder / place).mkdir(parents=True)
            for name in names:
                (folder / place / name).write_text(PROGRAM)
                (folder / place / name).chmod(0o755)

    def run(self, *, broken: str = "-") -> tuple[int, list[str]]:
        """Return the exit code, and the calls with the temporary folder's name taken out."""
        calls = self.folder / "calls"
        calls.unlink(missing_ok=True)
        environment = {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "CALLS": str(calls),
            "BROKEN": broken,
            "STAGE": "dev",
            "COMMIT": COMMIT,
            "AWS_REGION": "eu-west-1",
            "TMPDIR": str(self.folder),
        }
        # CodeBuild goes on from one command to the next in one shell, until one fails.
        script = "\n".join(f"{command}\n[ $? -eq 0 ] || exit 1" for command in commands("build"))
        done = subprocess.run(["bash", "-c", script], cwd=self.folder, env=environment, timeout=60, check=False)
        return done.returncode, [re.sub(r"/\S*?/tmp\.\w+", "TMP", line) for line in calls.read_text().splitlines()]


def before(calls: list[str], first: str) -> tuple[list[str], list[str]]:
    """Return the calls before the first that begins so, and the others."""
    cut = next(number for number, line in enumerate(calls) if line.startswith(first))
    return calls[:cut], calls[cut:]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    return Build(tmp_path)


def test_images_that_run_are_kept_before_any_is_pushed(build):
    _, calls = build.run()
    begun, _ = before(calls, "make images")
    assert begun == [
        "python -m deployments outputs dev",
        "aws eks update-kubeconfig --name credit-dev --kubeconfig TMP",
        "kubectl get inferenceservices --namespace ml --output json",
        "python -m deployments.registry.kept",
    ]


@pytest.fixture
def repository(monkeypatch):
    """A repository with three images, tagged with the commits 0 to 2; their digests."""
    for name, value in {
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "t",
        "AWS_SECRET_ACCESS_KEY": "t",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        ecr = boto3.client("ecr")
        ecr.create_repository(repositoryName="credit-serve", imageTagMutability="IMMUTABLE")
        media = "application/vnd.docker.distribution.manifest.v2+json"
        made = []
        for number in range(3):
            manifest = json.dumps({"schemaVersion": 2, "mediaType": media, "config": {"digest": f"sha256:{number}"}})
            image = ecr.put_image(repositoryName="credit-serve", imageManifest=manifest, imageTag=f"commit{number}")
            made.append(image["image"]["imageId"]["imageDigest"])
        yield made


def tags() -> dict[str, set[str]]:
    listed = boto3.client("ecr").describe_images(repositoryName="credit-serve")["imageDetails"]
    return {image["imageDigest"]: set(image["imageTags"]) for image in listed}


def test_an_image_has_the_tag_that_keeps_it_as_long_as_it_runs(repository):
    first, second, third = repository
    kept.keep("credit-serve", {first, second})
    assert [len(tags()[digest]) for digest in repository] == [2, 2, 1]
    assert any(tag.startswith(kept.PREFIX) for tag in tags()[first])
    assert kept.keep("credit-serve", {first, second}) == []
    kept.keep("credit-serve", {second, third})
    assert tags()[first] == {"commit0"}
    assert [len(tags()[digest]) for digest in repository] == [1, 2, 2]


def test_an_image_that_runs_and_is_gone_is_named(repository):
    (line,) = kept.keep("credit-serve", {f"sha256:{'0' * 64}"})
    assert "runs and is gone from its repository: release again" in line


@pytest.mark.parametrize("name", ["TrainRepository", "ServeRepository", "WorkerRepository"])
def test_the_rules_keep_what_runs_and_the_last_ten(name):
    policy = templates.load("training")["Resources"][name]["Properties"]["LifecyclePolicy"]["LifecyclePolicyText"]
    running, newest, _ = sorted(json.loads(policy)["rules"], key=lambda rule: rule["rulePriority"])
    assert running["selection"]["tagPrefixList"] == [kept.PREFIX]
    assert running["selection"]["countNumber"] > 100
    assert (newest["selection"]["countType"], newest["selection"]["countNumber"]) == ("imageCountMoreThan", 10)


def test_images_are_pushed_first_then_the_stage_follows(build):
    code, calls = build.run()
    assert code == 0
    _, rest = before(calls, "make images")
    assert rest == [
        "make images STAGE=dev BUILDER=docker",
        "make deploy STAGE=dev",
        "python -m deployments outputs dev",
        "aws eks update-kubeconfig --name credit-dev --kubeconfig TMP/kubeconfig",
        "python -m deployments manifests dev --to TMP/kserve",
        "kubectl patch configmap config-features --namespace knative-serving --type merge "
        "--patch-file TMP/kserve/knative-features.yaml",
        "kubectl apply --kustomize TMP/kserve",
        "kubectl apply --kustomize TMP/kserve/istio",
        "python -m deployments connect dev",
        "prefect --no-prompt deploy --all",
    ]


@pytest.mark.parametrize(
    ("broken", "never"),
    [
        ("kubectl get inferenceservices", "make images"),
        ("python -m deployments.registry.kept", "make images"),
        ("make images", "make deploy"),
        ("make deploy", "kubectl patch"),
        ("python -m deployments manifests", "kubectl patch"),
        ("kubectl apply", "prefect"),
        ("python -m deployments connect", "prefect"),
    ],
)
def test_nothing_goes_on_after_a_failure(build, broken, never):
    code, calls = build.run(broken=broken)
    assert code != 0
    assert calls[-1].startswith(broken)
    assert not [line for line in calls if line.startswith(never)]


def test_the_buildspecs_stand_where_the_pipeline_looks():
    found = {name: ROOT / pipeline()[name]["Source"]["BuildSpec"] for name in ("Build", "Test")}
    assert found == {"Build": BUILDSPEC, "Test": TESTSPEC}
