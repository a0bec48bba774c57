"""The SageMaker model registry: one group per portfolio, one package per model version, and the champion."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError
from pydantic import BaseModel

from credit_model.bundle.archive import read_archive
from credit_model.bundle.bundle import Bundle
from credit_model.errors import BundleError
from tasks import assets, layout, s3
from tasks.errors import RegistryError
from tasks.naming import dashed, metadata_value
from tasks.sagemaker.jobs import or_none
from tasks.sagemaker.steps import TrainedModel
from tasks.settings import settings
from tasks.steps import making, step

CONTENT_TYPES = ["application/x-parquet", "text/csv", "application/jsonlines"]


class PublishedModel(BaseModel, frozen=True):
    """A verified bundle in S3: unpacked for KServe, packed for SageMaker."""

    portfolio: str
    version: str
    bundle_uri: str
    archive_uri: str
    snapshot_id: str
    job_name: str
    metrics: dict[str, float]


class RegisteredModel(BaseModel, frozen=True):
    """A model package of the registry.

    Attributes:
        released_at: Time of its last release.
        withdrawn_at: Time of its last rollback by hand.
    """

    arn: str
    portfolio: str
    version: str
    status: str
    bundle_uri: str
    archive_uri: str
    snapshot_id: str
    job_name: str
    released_at: datetime | None
    withdrawn_at: datetime | None = None

    @property
    def withdrawn(self) -> bool:
        """Return whether it was rolled back and has not been released since."""
        return self.withdrawn_at is not None and (self.released_at is None or self.released_at < self.withdrawn_at)


@making(assets.MODEL, of=(assets.SNAPSHOT,), by="sagemaker")
def publish_bundle(portfolio: str, trained: TrainedModel) -> PublishedModel:
    """Check a training job's archive and unpack the bundle where KServe reads it.

    Raises:
        RegistryError: the archive is not a valid bundle.
    """
    with tempfile.TemporaryDirectory() as folder:
        bundle = fetch_archive(trained.archive_uri, Path(folder))
        uri = layout.bundle(portfolio, bundle.version)
        s3.upload_folder(Path(folder) / "bundle", uri)
        assets.describe(assets.MODEL, portfolio, version=bundle.version, uri=uri, job=trained.job_name)
        return PublishedModel(
            portfolio=portfolio,
            version=bundle.version,
            bundle_uri=uri,
            archive_uri=trained.archive_uri,
            snapshot_id=str(bundle.document.lineage.snapshot_id),
            job_name=trained.job_name,
            metrics=bundle.holdout_metrics,
        )


def fetch_archive(archive_uri: str, folder: Path) -> Bundle:
    """Download a `model.tar.gz`, unpack it to `folder/bundle`, and load it with every digest checked."""
    try:
        read_archive(s3.download(archive_uri, folder / "model.tar.gz"), folder / "bundle")
        return Bundle.load(folder / "bundle")
    except BundleError as error:
        raise RegistryError(f"{archive_uri} is not a valid bundle: {error}") from error


def fetch_bundle(bundle_uri: str, folder: Path) -> Bundle:
    """Download an unpacked bundle and load it with every digest checked."""
    if not s3.download_folder(bundle_uri, folder):
        raise RegistryError(f"there is no bundle under {bundle_uri}: it was removed, or this role may not list it")
    try:
        return Bundle.load(folder)
    except BundleError as error:
        raise RegistryError(f"{bundle_uri} is not a valid bundle: {error}") from error


@step
def register_model(model: PublishedModel, verdict: dict[str, Any], status: str) -> RegisteredModel:
    """Register a model with its gate verdict and approval status, once.

    For a version that is already registered, only the verdict is replaced: its status may be a person's decision.

    Args:
        model: the published bundle.
        verdict: the gate's verdict, stored in S3 and named on the package.
        status: `Approved`, `PendingManualApproval` or `Rejected`.
    """
    s3.write_json(layout.gate(model.portfolio, model.version), verdict)
    known = find_model(model.portfolio, model.version)
    if known is not None:
        return known
    return _read(model.portfolio, _create_package(model, status))


def _create_package(model: PublishedModel, status: str) -> str:
    """Create the package and return its ARN."""
    container = {"Image": settings().serve_image, "ModelDataUrl": model.archive_uri}
    types = {"SupportedContentTypes": CONTENT_TYPES, "SupportedResponseMIMETypes": CONTENT_TYPES}
    created = _client().create_model_package(
        ModelPackageGroupName=_ensure_group(model.portfolio),
        ModelPackageDescription=f"version {model.version}",
        InferenceSpecification={"Containers": [container], **types},
        ModelApprovalStatus=status,
        CustomerMetadataProperties={
            "model_version": model.version,
            "bundle_uri": model.bundle_uri,
            "archive_uri": model.archive_uri,
            "snapshot_id": model.snapshot_id,
            "training_job": model.job_name,
            "gate_uri": layout.gate(model.portfolio, model.version),
            **{f"holdout_{name}": f"{value:.6f}" for name, value in model.metrics.items()},
        },
    )
    return str(created["ModelPackageArn"])


@step
def get_model(portfolio: str, version: str) -> RegisteredModel:
    """Return a registered version.

    Raises:
        RegistryError: there is no such version.
    """
    found = find_model(portfolio, version)
    if found is None:
        known = ", ".join(m.version for m in list_models(portfolio)) or "none"
        raise RegistryError(f"portfolio {portfolio} has no model version {version!r}; registered: {known}")
    return found


@step
def get_champion(portfolio: str) -> RegisteredModel | None:
    """Return the model released last, None before the first release."""
    released = [model for model in list_models(portfolio) if model.released_at is not None]
    return max(released, key=lambda model: str(model.released_at), default=None)


@step
def record_release(model: RegisteredModel) -> None:
    """Record the release on the package, which makes the model the champion."""
    now = datetime.now(UTC).isoformat()
    _update(model, CustomerMetadataProperties={"released_at": now})


@step
def record_withdrawal(model: RegisteredModel, reason: str) -> None:
    """Record the withdrawal and its reason on the package; a later release overrides it."""
    now, because = datetime.now(UTC).isoformat(), metadata_value(reason) or "not given"
    _update(model, CustomerMetadataProperties={"withdrawn_at": now, "withdrawn_because": because})


def _update(model: RegisteredModel, **fields: Any) -> None:  # noqa: ANN401 - the service's own fields
    """Change fields of a package."""
    _client().update_model_package(ModelPackageArn=model.arn, **fields)


def find_model(portfolio: str, version: str) -> RegisteredModel | None:
    """Return a registered version, or None."""
    return next((model for model in list_models(portfolio) if model.version == version), None)


def list_models(portfolio: str) -> list[RegisteredModel]:
    """Return all registered versions of a portfolio."""
    pages = _client().get_paginator("list_model_packages").paginate(ModelPackageGroupName=group_name(portfolio))
    found = or_none(lambda: [item["ModelPackageArn"] for page in pages for item in page["ModelPackageSummaryList"]])
    return [_read(portfolio, arn) for arn in found or []]


def group_name(portfolio: str) -> str:
    """Return the model package group of a portfolio."""
    return f"credit-{dashed(portfolio)}"


def _client() -> Any:  # noqa: ANN401 - boto3 builds its clients at run time
    """Return a SageMaker client.

    boto3's, because sagemaker-core 2.27 expects field names that the registry does not send.
    """
    return boto3.client("sagemaker")


def _ensure_group(portfolio: str) -> str:
    name = group_name(portfolio)
    if or_none(lambda: _client().describe_model_package_group(ModelPackageGroupName=name)) is None:
        description = f"Default models of portfolio {portfolio}"
        try:
            _client().create_model_package_group(ModelPackageGroupName=name, ModelPackageGroupDescription=description)
        except ClientError:
            # Another run, or an attempt whose answer was lost, may have created it a moment ago.
            _client().describe_model_package_group(ModelPackageGroupName=name)
    return name


def _read(portfolio: str, arn: str) -> RegisteredModel:
    package = _client().describe_model_package(ModelPackageName=arn)
    meta: dict[str, str] = package.get("CustomerMetadataProperties", {})
    released, withdrawn = meta.get("released_at"), meta.get("withdrawn_at")
    return RegisteredModel(
        arn=arn,
        portfolio=portfolio,
        version=meta["model_version"],
        status=str(package["ModelApprovalStatus"]),
        bundle_uri=meta["bundle_uri"],
        archive_uri=meta["archive_uri"],
        snapshot_id=meta["snapshot_id"],
        job_name=meta["training_job"],
        released_at=datetime.fromisoformat(released) if released else None,
        withdrawn_at=datetime.fromisoformat(withdrawn) if withdrawn else None,
    )


def package_number(arn: str) -> int:
    """Return a package's number in its group; numbers increase with each registration.

    >>> package_number("arn:aws:sagemaker:eu-west-1:123456789012:model-package/credit-case/12")
    12
    """
    return int(arn.rsplit("/", 1)[-1])
