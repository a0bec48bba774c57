"""A version is registered once, approval is kept, and the champion is who was released last."""

import quopri
import uuid

import boto3
import pytest

from tasks import s3
from tasks.errors import RegistryError
from tasks.sagemaker.registry import (
    PublishedModel,
    fetch_archive,
    get_champion,
    get_model,
    list_models,
    record_release,
    record_withdrawal,
    register_model,
)

pytestmark = [pytest.mark.usefixtures("platform"), pytest.mark.xdist_group("platform")]


@pytest.fixture
def portfolio() -> str:
    return f"p{uuid.uuid4().hex[:8]}"


def published(portfolio: str, version: str, archive_uri: str = "s3://credit-sandbox/m/model.tar.gz") -> PublishedModel:
    return PublishedModel(
        portfolio=portfolio,
        version=version,
        bundle_uri=f"s3://credit-sandbox/models/{portfolio}/{version}/",
        archive_uri=archive_uri,
        snapshot_id="s",
        job_name="j",
        metrics={"roc_auc": 0.78},
    )


def test_a_version_is_registered_once_and_a_later_run_leaves_its_status_to_whoever_decided_it(portfolio):
    model = published(portfolio, "v1")
    first = register_model.fn(model, {"promoted": True}, "PendingManualApproval")
    again = register_model.fn(model, {"promoted": True}, "Approved")
    assert first.arn == again.arn
    assert [(m.version, m.status) for m in list_models(portfolio)] == [("v1", "PendingManualApproval")]
    assert s3.read_json(f"s3://credit-sandbox/gates/{portfolio}/v1.json") == {"promoted": True}


def test_the_champion_is_the_model_released_last(portfolio):
    assert get_champion.fn(portfolio) is None
    one, two = (register_model.fn(published(portfolio, name), {}, "Approved") for name in ("one", "two"))
    assert get_champion.fn(portfolio) is None
    record_release.fn(two)
    record_release.fn(one)
    assert get_champion.fn(portfolio).version == "one"


def test_an_unknown_version_is_an_error_that_lists_the_known_ones(portfolio):
    register_model.fn(published(portfolio, "v1"), {}, "Approved")
    with pytest.raises(RegistryError, match="has no model version 'v2'; registered: v1"):
        get_model.fn(portfolio, "v2")


def test_an_archive_that_is_no_bundle_is_refused(tmp_path):
    s3.write_bytes("s3://credit-sandbox/m/bad.tar.gz", b"not a tar")
    with pytest.raises(RegistryError, match=r"bad\.tar\.gz is not a valid bundle"):
        fetch_archive("s3://credit-sandbox/m/bad.tar.gz", tmp_path)


@pytest.mark.parametrize("reason", ["declines too many (#12), says O'Neil", "größer als 5 %\n=?", "x" * 300, ""])
def test_a_withdrawal_takes_any_reason(portfolio, reason):
    model = register_model.fn(published(portfolio, "v1"), {}, "Approved")
    record_withdrawal.fn(model, reason)
    assert get_model.fn(portfolio, "v1").withdrawn
    package = boto3.client("sagemaker").describe_model_package(ModelPackageName=model.arn)
    noted = quopri.decodestring(package["CustomerMetadataProperties"]["withdrawn_because"].encode()).decode()
    assert noted == (reason[:256] or "not given")
