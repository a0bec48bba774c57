"""What the demo reads back from the platform through its APIs: models, scores and online predictions."""

import json
import os
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import httpx
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from kubernetes import client as kubernetes
from kubernetes import config

from sandbox import estate

NAMESPACE = "ml"
ASKED = 100
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Model:
    """A package in the model registry."""

    version: str
    status: str
    created: datetime
    metadata: dict[str, str]

    @property
    def metrics(self) -> dict[str, float]:
        """Holdout metrics."""
        return {
            key.removeprefix("holdout_"): float(value)
            for key, value in self.metadata.items()
            if key.startswith("holdout_")
        }

    def verdict(self) -> dict[str, Any]:
        """Return the gate's verdict on the model."""
        found: dict[str, Any] = json.loads(_object(self.metadata["gate_uri"]))
        return found


def models(portfolio: str) -> list[Model]:
    """Return a portfolio's registered models, oldest first."""
    sagemaker: Any = boto3.client("sagemaker")
    group = f"credit-{portfolio.replace('_', '-')}"
    listed = sagemaker.list_model_packages(ModelPackageGroupName=group)["ModelPackageSummaryList"]
    found = [sagemaker.describe_model_package(ModelPackageName=item["ModelPackageArn"]) for item in listed]
    return sorted((_model(package) for package in found), key=lambda model: model.created)


def _model(package: dict[str, Any]) -> Model:
    metadata = package["CustomerMetadataProperties"]
    return Model(metadata["model_version"], package["ModelApprovalStatus"], package["CreationTime"], metadata)


def newest_model(portfolio: str) -> Model:
    """Return the most recently registered model."""
    return models(portfolio)[-1]


def outcomes_of_newest_file(portfolio: str) -> int:
    """Return the number of outcomes in the most recently ingested file, from the lake's ledger."""
    listed = boto3.client("s3").list_objects_v2(Bucket=estate.BUCKET, Prefix=f"ledger/{portfolio}/")["Contents"]
    newest = max(listed, key=lambda item: item["LastModified"])
    return int(json.loads(_object(f"s3://{estate.BUCKET}/{newest['Key']}"))["labelled"])


def champion(portfolio: str) -> Model:
    """Return the most recently released model."""
    return max((m for m in models(portfolio) if "released_at" in m.metadata), key=lambda m: m.metadata["released_at"])


def scores_uri(portfolio: str) -> str:
    """Return the location of the newest published scores."""
    glue: Any = boto3.client("glue")
    expression = f"portfolio = '{portfolio}'"
    found = glue.get_partitions(DatabaseName=estate.DATABASE, TableName="scores", Expression=expression)["Partitions"]
    newest = max(found, key=lambda partition: str(partition["Values"]))
    return str(newest["StorageDescriptor"]["Location"])


def published_scores(portfolio: str) -> pa.Table:
    """Return the newest published scores."""
    return _tables(scores_uri(portfolio))


def applicants(portfolio: str, number: int = ASKED) -> list[dict[str, Any]]:
    """Return applicants of the newest batch: their ids and the columns that the endpoint accepts."""
    asked = _tables(scores_uri(portfolio).replace("/scores/", "/input/")).slice(0, number)
    columns = {tensor["name"] for tensor in _get(portfolio, "/v2/models/credit-model")["inputs"]} | {"application_id"}
    return [{k: v for k, v in row.items() if k in columns and v is not None} for row in asked.to_pylist()]


def online_matches(portfolio: str, scores: pa.Table) -> bool:
    """Return whether the endpoint gives the applicants the published PDs, with the same model."""
    rows = applicants(portfolio)
    answer = predict(portfolio, rows)
    columns = (scores[name].to_pylist() for name in ("application_id", "pd", "model_version"))
    batch = {one: (pd, version) for one, pd, version in zip(*columns, strict=True)}
    return all(
        abs(batch[one["id"]][0] - one["pd"]) <= TOLERANCE and batch[one["id"]][1] == answer["model_version"]
        for one in answer["predictions"]
    )


def endpoint(portfolio: str) -> str:
    """Return the URL of a portfolio's InferenceService."""
    config.load_kube_config(os.environ["KUBECONFIG"])
    name = f"credit-model-{portfolio.replace('_', '-')}"
    found = kubernetes.CustomObjectsApi().get_namespaced_custom_object(
        "serving.kserve.io", "v1beta1", NAMESPACE, "inferenceservices", name
    )
    return str(found["status"]["url"])


def predict(portfolio: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Send applicants to the endpoint and return its predictions."""
    reply = httpx.post(f"{endpoint(portfolio)}/v1/models/credit-model:predict", json={"instances": rows}, timeout=30)
    reply.raise_for_status()
    answer: dict[str, Any] = reply.json()
    return answer


def fetch_report(model: Model, folder: Path) -> str:
    """Download a model's report so that a browser can open it; return its path."""
    path = folder / f"report-{model.version}.html"
    path.write_bytes(_object(f"{model.metadata['bundle_uri']}report.html"))
    return str(path)


def true_auc(model: Model, true_pd: Path) -> float:
    """Return the ROC AUC of the simulator's true PD on a model's holdout: the upper limit for any model."""
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415 - a slow import that only the simulated demo needs

    holdout = _tables(f"s3://{estate.BUCKET}/snapshots/{model.metadata['snapshot_id']}/holdout/")
    truth = pyarrow.csv.read_csv(true_pd)
    truth = truth.set_column(0, "application_id", pc.cast(truth["application_id"], pa.string()))
    both = holdout.select(["application_id", "defaulted"]).join(truth, "application_id")
    return float(roc_auc_score(both["defaulted"].to_numpy(zero_copy_only=False), both["true_pd"].to_numpy()))


def _get(portfolio: str, path: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{endpoint(portfolio)}{path}", timeout=30).raise_for_status().json()
    return found


def _tables(prefix_uri: str) -> pa.Table:
    bucket, _, prefix = prefix_uri.removeprefix("s3://").partition("/")
    pages = boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = sorted(item["Key"] for page in pages for item in page.get("Contents", []))
    return pa.concat_tables(pq.read_table(BytesIO(_object(f"s3://{bucket}/{key}"))) for key in keys)


def _object(uri: str) -> bytes:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    body: bytes = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return body
