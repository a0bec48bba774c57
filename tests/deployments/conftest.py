"""The files of deployments/kserve, and a stage's settings for what the release renders."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
import yaml

from tasks.release.inference_service import inference_service
from tasks.sagemaker.registry import RegisteredModel
from tasks.settings import settings

FOLDER = Path(__file__).parents[2] / "deployments" / "kserve"
DIGEST = "sha256:" + "5e" * 32
STAGE = {
    "BUCKET": "lake",
    "DATABASE": "credit",
    "SAGEMAKER_ROLE": "arn:aws:iam::123456789012:role/credit-sagemaker",
    "TRAIN_IMAGE": f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/credit-train@{DIGEST}",
    "SERVE_IMAGE": f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/credit-serve@{DIGEST}",
}
MODEL = RegisteredModel(
    arn="a", portfolio="uci_credit_card", version="v", status="Approved", bundle_uri="s3://lake/models/v/",
    archive_uri="s3://lake/a", snapshot_id="s", job_name="j", released_at=None,
)  # fmt: skip


def documents(path: Path) -> list[dict]:
    return list(yaml.safe_load_all(path.read_text()))


@pytest.fixture(autouse=True)
def _a_session_of_its_own(monkeypatch) -> None:
    """Keep boto3's default session, with moto's credentials and a stage's region, from the tests that come after."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@pytest.fixture
def stage(monkeypatch) -> Iterator[pytest.MonkeyPatch]:
    """A stage's settings; more of them are set on the patch that is given."""
    for name, value in STAGE.items():
        monkeypatch.setenv(f"CREDIT_{name}", value)
    settings.cache_clear()
    yield monkeypatch
    settings.cache_clear()


@pytest.fixture
def rendered(stage):
    """Render the InferenceService, with further settings by name."""

    def render(**more: str) -> dict:
        for name, value in more.items():
            stage.setenv(f"CREDIT_{name}", value)
        settings.cache_clear()
        return inference_service(MODEL)

    return render
