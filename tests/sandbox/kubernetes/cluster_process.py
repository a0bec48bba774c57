"""The sandbox cluster as a process for the tests, with the official clients."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import boto3
from kubernetes import client, config

GVP = ("serving.kserve.io", "v1beta1", "ml", "inferenceservices")
IMAGES = {
    "good": [sys.executable, str(Path(__file__).parent / "images" / "good.py")],
    "crashing": [sys.executable, "-c", "import sys; sys.exit('no licence file')"],
    "hanging": [sys.executable, "-c", "import time; time.sleep(600)"],
}


class Cluster:
    """A sandbox cluster process and its clients."""

    def __init__(self, state: Path, s3: str) -> None:
        (state / "images.json").write_text(json.dumps(IMAGES))
        aws = {"AWS_ENDPOINT_URL": s3, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        env = os.environ | aws | {"AWS_DEFAULT_REGION": "eu-west-1", "SANDBOX_IMAGES": str(state / "images.json")}
        command = [sys.executable, "-m", "sandbox.kubernetes", "--state", str(state)]
        self.process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=(state / "err").open("w"))
        self.ready = json.loads(self.process.stdout.readline())
        self.api = config.new_client_from_config(self.ready["kubeconfig"])
        self.custom = client.CustomObjectsApi(self.api)
        self.s3 = boto3.client(
            "s3", endpoint_url=s3, region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test"
        )

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0

    def create(self, name: str, predictor: dict, annotations: dict | None = None) -> dict:
        thing = {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": {"name": name, "annotations": annotations or {}},
            "spec": {"predictor": predictor},
        }
        return self.custom.create_namespaced_custom_object(*GVP, thing)

    def get(self, name: str) -> dict:
        return self.custom.get_namespaced_custom_object(*GVP, name)

    def patch(self, name: str, predictor: dict) -> dict:
        return self.custom.patch_namespaced_custom_object(*GVP, name, {"spec": {"predictor": predictor}})

    def delete(self, name: str, seconds: float = 10) -> None:
        """Delete a service and wait until it is gone: its finalizer keeps it for a moment."""
        self.custom.delete_namespaced_custom_object(*GVP, name)
        deadline = time.monotonic() + seconds
        with contextlib.suppress(client.ApiException):
            while self.get(name):
                assert time.monotonic() < deadline, f"{name} is still there after {seconds} s"
                time.sleep(0.03)

    def wait(self, name: str, holds, seconds: float = 15) -> dict:
        """Poll until `holds(status)` is true; return the status."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            status = self.get(name).get("status") or {}
            with contextlib.suppress(KeyError):
                if holds(status):
                    return status
            time.sleep(0.03)
        raise AssertionError(f"{name} did not reach the state in {seconds} s: {json.dumps(status, indent=1)}")
