"""Images of a commit: built and pushed once, and copied to another stage's registry by digest."""

import hashlib
import io
import json
import subprocess
import urllib.request

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from deployments.errors import AccountError, EstateError
from deployments.registry import images, promote

COMMIT = "a" * 40
REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
KIND = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture
def commands(monkeypatch) -> list[list[str]]:
    """An account, a clean checkout, and the commands that builders were given."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    run: list[list[str]] = []
    monkeypatch.setattr(images, "commit", lambda: COMMIT)
    monkeypatch.setattr(images, "uncommitted", lambda: [])
    monkeypatch.setattr(images, "_builder", lambda named: named)

    def note(command, **given):
        run.append(command)
        assert command[1] != "login" or given["input"], "the password comes on standard input"
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(images.subprocess, "run", note)
    with mock_aws():
        boto3.setup_default_session(region_name="eu-west-1")
        yield run


def make_repositories() -> None:
    for name in images.REPOSITORIES.values():
        boto3.client("ecr").create_repository(repositoryName=name)


def put(name: str, tag: str) -> None:
    document = json.dumps({"schemaVersion": 2, "mediaType": KIND, "config": {"digest": "sha256:0"}, "layers": []})
    boto3.client("ecr").put_image(repositoryName=name, imageManifest=document, imageTag=tag)


def test_docker_builds_and_pushes_what_is_not_there(commands):
    make_repositories()
    put("credit-serve", COMMIT)
    said: list[str] = []
    images.push("docker", say=said.append)
    assert said[0] == f"credit-serve:{COMMIT} is there already"
    login, *builds = commands
    assert login == ["docker", "login", "--username", "AWS", "--password-stdin", REGISTRY]
    pushed = [build[build.index("--tag") + 1] for build in builds]
    assert pushed == [f"{REGISTRY}/credit-{name}:{COMMIT}" for name in ("train", "worker")]
    assert all(option in builds[0] for option in ("--provenance=false", "--sbom=false", "--push", "linux/amd64"))
    mirror = (images.ROOT / "images" / "base").read_text().strip()
    for build in builds:
        named, _, base = build[build.index("--build-context") + 1].partition("=docker-image://")
        assert base == mirror, "from the mirror, in place of Docker's registry"
        assert f"FROM {named}\n" in (images.ROOT / build[build.index("--file") + 1]).read_text()
    assert all((images.ROOT / build[build.index("--file") + 1]).is_file() for build in builds)


def test_buildah_builds_then_pushes(commands):
    make_repositories()
    images.push("buildah", say=lambda _: None)
    assert [command[1] for command in commands] == ["login", *["build", "push"] * 3]
    assert "--ignorefile" in commands[1]


def test_without_repositories_it_says_what_makes_them(commands):
    with pytest.raises(EstateError, match="no repository credit-train yet: run make deploy first"):
        images.push("docker")


def test_files_that_are_not_committed_are_in_no_image(commands, monkeypatch):
    monkeypatch.setattr(images, "uncommitted", lambda: ["images/serve/app.py"])
    with pytest.raises(EstateError, match=r"commit these files first: images/serve/app\.py"):
        images.push("docker")


@pytest.mark.integration
def test_a_changed_file_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "ROOT", tmp_path)
    given = ["git", "-c", "user.name=x", "-c", "user.email=x@x"]
    (tmp_path / "a").write_text("1")
    for command in (["init", "-q"], ["add", "a"], ["commit", "-qm", "one"]):
        subprocess.run([*given, *command], cwd=tmp_path, check=True)
    assert images.uncommitted() == []
    (tmp_path / "a").write_text("2")
    (tmp_path / "b").write_text("new")
    assert images.uncommitted() == ["a", "b"]


LAYERS = {"sha256:" + hashlib.sha256(data).hexdigest(): data for data in (b"config", b"layer" * 5)}
CONFIG, LAYER = LAYERS
DOCUMENT = json.dumps({"schemaVersion": 2, "config": {"digest": CONFIG}, "layers": [{"digest": LAYER}]})
DIGEST = "sha256:" + hashlib.sha256(DOCUMENT.encode()).hexdigest()


def ecr():
    return boto3.client("ecr", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="y")


def test_an_image_is_copied_as_it_is(monkeypatch):
    theirs, ours = ecr(), ecr()
    monkeypatch.setattr(urllib.request, "urlopen", lambda url: io.BytesIO(LAYERS[url.partition("#")[2]]))
    asked = {"repositoryName": "credit-train", "imageIds": [{"imageDigest": DIGEST}]}
    image = {"imageManifest": DOCUMENT, "imageManifestMediaType": KIND}
    here = {"repositoryName": "credit-train"}
    with Stubber(theirs) as source, Stubber(ours) as target:
        target.add_response("batch_get_image", {"images": []}, asked)
        source.add_response("batch_get_image", {"images": [image]}, asked)
        held = {"layers": [{"layerDigest": CONFIG, "layerAvailability": "AVAILABLE"}]}
        target.add_response("batch_check_layer_availability", held, {**here, "layerDigests": [CONFIG]})
        absent = {"layers": [{"layerDigest": LAYER, "layerAvailability": "UNAVAILABLE"}]}
        target.add_response("batch_check_layer_availability", absent, {**here, "layerDigests": [LAYER]})
        address = {"downloadUrl": f"https://layers/#{LAYER}", "layerDigest": LAYER}
        source.add_response("get_download_url_for_layer", address, {**here, "layerDigest": LAYER})
        upload = {"uploadId": "123e4567-e89b-12d3-a456-426614174000", "partSize": 20}
        target.add_response("initiate_layer_upload", upload, here)
        common = {**here, "uploadId": upload["uploadId"]}
        for first, last in ((0, 19), (20, 24)):
            part = {"partFirstByte": first, "partLastByte": last, "layerPartBlob": LAYERS[LAYER][first : last + 1]}
            target.add_response("upload_layer_part", {}, {**common, **part})
        target.add_response("complete_layer_upload", {}, {**common, "layerDigests": [LAYER]})
        whole = {"imageManifest": DOCUMENT, "imageManifestMediaType": KIND, "imageTag": COMMIT, "imageDigest": DIGEST}
        target.add_response("put_image", {}, {**here, **whole})
        assert promote._copy("credit-train", DIGEST, COMMIT, theirs, ours)
        target.assert_no_pending_responses()
        source.assert_no_pending_responses()


def running(status: str) -> dict:
    parameters = {name: f"{REGISTRY}/{repository}@{DIGEST}" for name, repository in images.REPOSITORIES.items()}
    listed = [
        {"ParameterKey": key, "ParameterValue": value} for key, value in {**parameters, "GitCommit": COMMIT}.items()
    ]
    stack = {"StackName": "credit-dev-orchestration", "CreationTime": "2026-11-28T00:00:00Z", "StackStatus": status}
    return {"Stacks": [stack | {"Parameters": listed}]}


@pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_COMPLETE", "UPDATE_IN_PROGRESS"])
def test_only_what_runs_well_is_promoted(status):
    client = boto3.client("cloudformation", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="y")
    with Stubber(client) as stub:
        stub.add_response("describe_stacks", running("UPDATE_COMPLETE"), {"StackName": "credit-dev-orchestration"})
        assert promote._running("dev", client)["GitCommit"] == COMMIT
        stub.add_response("describe_stacks", running(status))
        with pytest.raises(EstateError, match=f"is {status}: promote what has been deployed well"):
            promote._running("dev", client)
        stub.add_client_error("describe_stacks", "ValidationError", "Stack with id x does not exist")
        with pytest.raises(EstateError, match="stage dev runs no images"):
            promote._running("dev", client)


def test_a_profile_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv("AWS_CONFIG_FILE", "/none")
    with pytest.raises(AccountError, match=r"\(nobody\) could not be found: FROM_PROFILE names an AWS profile"):
        promote.source("dev", {"Account": "1", "Region": "eu-west-1"}, "nobody")


def test_what_is_there_already_is_not_copied_again():
    theirs, ours = ecr(), ecr()
    with Stubber(ours) as target:
        target.add_response("batch_get_image", {"images": [{"imageManifest": DOCUMENT}]})
        assert not promote._copy("credit-train", DIGEST, COMMIT, theirs, ours)
