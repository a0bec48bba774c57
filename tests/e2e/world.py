"""One running sandbox through the official clients of S3, SageMaker, Kubernetes and Prefect."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import httpx
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from kubernetes import client as kubernetes
from kubernetes import config
from prefect.client.schemas.actions import WorkPoolUpdate

from tests.e2e import portfolio
from tests.e2e.processes import with_variable
from tests.e2e.runs import Runs

POOL = "credit-ecs"
SERVICE = "credit-model-uci-credit-card"
GROUP = "credit-uci-credit-card"
V1 = "/v1/models/credit-model:predict"
KINDS = ("serving.kserve.io", "v1beta1", "ml", "inferenceservices")


@dataclass
class World:
    """A sandbox with one portfolio in it."""

    state: Path
    environment: dict[str, str]
    runs: Runs

    def aws(self, service: str) -> Any:
        """Return a boto3 client that is configured by this sandbox only."""
        session = boto3.session.Session("test", "test", region_name=self.environment["AWS_REGION"])
        return session.client(service, endpoint_url=self.environment["AWS_ENDPOINT_URL"])

    @cached_property
    def s3(self) -> Any:
        return self.aws("s3")

    @property
    def bucket(self) -> str:
        return self.environment["CREDIT_BUCKET"]

    def put(self, key: str, content: bytes) -> str:
        """Write an object and return its address."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)
        return f"s3://{self.bucket}/{key}"

    def get(self, uri: str) -> bytes:
        """Read an object."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        content: bytes = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return content

    def keys(self, *prefixes: str) -> list[str]:
        """Return the keys under the prefixes, sorted."""
        pages = [
            page
            for prefix in prefixes
            for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        ]
        return sorted(item["Key"] for page in pages for item in page.get("Contents", []))

    def parquet(self, prefix_uri: str) -> pa.Table:
        """Read every Parquet object under a prefix."""
        prefix = prefix_uri.removeprefix(f"s3://{self.bucket}/")
        tables = [pq.read_table(BytesIO(self.get(f"s3://{self.bucket}/{key}"))) for key in self.keys(prefix)]
        return pa.concat_tables(tables)

    def training_jobs(self) -> list[dict[str, Any]]:
        """Return SageMaker's training jobs."""
        found: list[dict[str, Any]] = self.aws("sagemaker").list_training_jobs()["TrainingJobSummaries"]
        return found

    def job_names(self) -> set[str]:
        """Return the names of SageMaker's training jobs."""
        return {job["TrainingJobName"] for job in self.training_jobs()}

    def new_jobs(self, before: set[str]) -> dict[str, str]:
        """Return the status of each training job that is not in `before`, by name."""
        jobs = {job["TrainingJobName"]: job["TrainingJobStatus"] for job in self.training_jobs()}
        return {name: status for name, status in jobs.items() if name not in before}

    def models(self) -> dict[str, dict[str, Any]]:
        """Return the registered packages of the portfolio by model version, oldest first."""
        sagemaker = self.aws("sagemaker")
        listed = sagemaker.list_model_packages(ModelPackageGroupName=GROUP)["ModelPackageSummaryList"]
        packages = [sagemaker.describe_model_package(ModelPackageName=item["ModelPackageArn"]) for item in listed]
        packages.sort(key=lambda package: package["CreationTime"])
        return {package["CustomerMetadataProperties"]["model_version"]: package for package in packages}

    def isvc(self) -> dict[str, Any]:
        """Return the InferenceService."""
        api = kubernetes.CustomObjectsApi(config.new_client_from_config(self.environment["KUBECONFIG"]))
        found: dict[str, Any] = api.get_namespaced_custom_object(*KINDS, SERVICE)
        return found

    def canary_percent(self) -> int | None:
        """Return `canaryTrafficPercent` of the spec; None if not set."""
        percent: int | None = self.isvc()["spec"]["predictor"].get("canaryTrafficPercent")
        return percent

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Post a request to the endpoint and return the answer."""
        reply = httpx.post(f"{self.isvc()['status']['url']}{path}", json=body, timeout=30)
        assert reply.is_success, reply.text
        answer: dict[str, Any] = reply.json()
        return answer

    def question(self) -> tuple[str, dict[str, Any]]:
        """Return a URL and a body that request a prediction for one applicant."""
        row = portfolio.applicants(1, first_id=1, seed=0)[0]
        asked = {key: value for key, value in row.items() if key not in ("ID", portfolio.TARGET)}
        return f"{self.isvc()['status']['url']}{V1}", {"instances": [asked]}

    def serving(self) -> str:
        """Return the model version of the endpoint's answers."""
        _, body = self.question()
        return str(self.post(V1, body)["model_version"])

    def shares(self) -> dict[str, int]:
        """Return the traffic percent of each revision that has any."""
        traffic = self.isvc()["status"]["components"]["predictor"]["traffic"]
        return {target["revisionName"]: target["percent"] for target in traffic if target["percent"]}

    def versions_by_revision(self) -> dict[str, str]:
        """Return the model version that each running revision has loaded or tries to load."""
        found = {}
        for process in with_variable("K_REVISION"):
            try:
                command, revision = process.cmdline(), process.environ()["K_REVISION"]
            except psutil.Error:  # it has just ended
                continue
            folder = next((Path(part.partition("=")[2]) for part in command if "--model_dir=" in part), None)
            if folder is not None and folder.is_relative_to(self.state) and (folder / "manifest.json").exists():
                # A version is the digest of the bundle's manifest.
                found[revision] = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()[:12]
        return found

    def loaded(self) -> list[str]:
        """Return the model versions that the revisions' processes have loaded, one per revision."""
        return sorted(self.versions_by_revision().values())

    def leftovers(self) -> dict[str, Any]:
        """Return what a release must not leave behind; empty if everything is in order."""
        shares = self.shares()
        seen = {
            "intent": self.keys("releases/"),
            "canary field": self.canary_percent(),
            "shared traffic": shares if list(shares.values()) != [100] else None,
        }
        return {name: value for name, value in seen.items() if value not in (None, [])}

    @contextmanager
    def approval_rule_disabled(self) -> Iterator[None]:
        """Disable the rule that starts a release after an approval."""
        events = self.aws("events")
        events.disable_rule(Name="approvals")
        try:
            yield
        finally:
            events.enable_rule(Name="approvals")

    @contextmanager
    def work_pool_paused(self) -> Iterator[None]:
        """Let runs be created but not started."""
        self.runs.client.update_work_pool(POOL, WorkPoolUpdate(is_paused=True))
        try:
            yield
        finally:
            self.runs.client.update_work_pool(POOL, WorkPoolUpdate(is_paused=False))

    def ledger(self, uri: str) -> dict[str, Any]:
        """Return the ledger entry of an ingested file."""
        entries = (json.loads(self.get(f"s3://{self.bucket}/{key}")) for key in self.keys("ledger/"))
        return next(entry for entry in entries if entry["source"]["uri"] == uri)

    def ingested_files(self) -> set[str]:
        """Return the ids of the ingested files."""
        return {json.loads(self.get(f"s3://{self.bucket}/{key}"))["ingest_id"] for key in self.keys("ledger/")}

    def trained_files(self) -> set[str]:
        """Return the ids of the ingested files that the newest model was trained on."""
        newest = list(self.models().values())[-1]["CustomerMetadataProperties"]["snapshot_id"]
        manifest = json.loads(self.get(f"s3://{self.bucket}/snapshots/{newest}/manifest.json"))
        return {values[-1] for table in manifest["ingested_files"].values() for values in table}

    def event(self, name: str, resource: str | dict[str, str], payload: dict[str, Any]) -> None:
        """Send Prefect an event as EventBridge does."""
        moment = {"id": payload.pop("id"), "occurred": payload.pop("occurred")}
        labels = {"prefect.resource.id": resource} if isinstance(resource, str) else resource
        body = [{**moment, "event": name, "resource": labels, "payload": payload}]
        url = f"{self.environment['PREFECT_API_URL']}/events"
        httpx.post(url, content=json.dumps(body), headers={"Content-Type": "application/json"}).raise_for_status()
