"""Flows outlive a busy AWS: faults are retried where trying helps, and put into words where it does not."""

from collections.abc import Iterator

import boto3
import pytest
from sagemaker.core.utils.utils import SageMakerClient

from tasks import s3
from tasks.errors import AccessError, BusyError, RequestError
from tasks.lake import athena, tables
from tasks.sagemaker.jobs import TRAINING, or_none
from tasks.sagemaker.registry import list_models
from tasks.sagemaker.steps import ensure_model
from tasks.settings import Settings
from tasks.steps import explained
from tests.conftest import Aws
from tests.tasks.faults import Fault, Front, front_of

pytestmark = pytest.mark.xdist_group("platform")
BUSY = Fault(400, "ThrottlingException", "Rate exceeded")
BROKEN = Fault(500, "InternalFailure", "try again")
DROPPED = Fault(0)
DENIED = Fault(
    400,
    "AccessDeniedException",
    "User: arn:aws:sts::123456789012:assumed-role/credit-flows/x is not authorized to perform: "
    "sagemaker:DescribeTrainingJob on resource: arn:aws:sagemaker:eu-west-1:123456789012:training-job/one because no "
    "identity-based policy allows the sagemaker:DescribeTrainingJob action",
)


@pytest.fixture
def front(aws: Aws, platform: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    """The sandbox behind a server that can fail; every client is made anew before and after."""
    assert platform.bucket
    with front_of(aws.endpoint) as front:
        monkeypatch.setenv("AWS_ENDPOINT_URL", front.endpoint)
        _forget()
        yield front
    monkeypatch.undo()
    _forget()


def _forget() -> None:
    s3.client.cache_clear()
    SageMakerClient.reset()
    boto3.setup_default_session(region_name="eu-west-1")


@pytest.mark.parametrize("fault", [BUSY, BROKEN, DROPPED], ids=["throttled", "500", "dropped"])
def test_boto3_tries_again(front, fault):
    front.faults["ListModelPackages"] = [fault, fault]
    assert list_models("none") == []
    assert front.calls.count("ListModelPackages") == 3


@pytest.mark.parametrize("fault", [BUSY, BROKEN, DROPPED], ids=["throttled", "500", "dropped"])
def test_athena_tries_again(front, fault):
    front.faults |= {"StartQueryExecution": [fault], "GetQueryExecution": [fault]}
    assert athena.rows("SELECT 1 AS n") == [{"n": 1}]
    assert front.calls.count("StartQueryExecution") == 2


@pytest.mark.parametrize("lost", [BUSY, Fault(0, late=True)], ids=["throttled", "answer lost"])
def test_sagemaker_core_tries_again_and_finds_what_a_lost_answer_has_made(front, lost):
    front.faults["CreateModel"] = [lost]
    version = "lost" if lost.late else "busy"
    s3.write_bytes("s3://credit-sandbox/faults/model.tar.gz", b"sound enough for the registry")
    name = ensure_model("faults", version, "s3://credit-sandbox/faults/model.tar.gz")
    assert front.calls.count("CreateModel") == 2
    assert boto3.client("sagemaker").describe_model(ModelName=name)["ModelName"] == name


def test_s3_tries_again(front):
    uri = "s3://credit-sandbox/faults/one.json"
    front.faults["PUT /credit-sandbox/faults/one.json"] = [Fault(503, "SlowDown", "less"), DROPPED]
    s3.write_json(uri, {"n": 1})
    assert s3.read_json(uri) == {"n": 1}


def test_a_refusal_is_not_retried_and_names_the_missing_permission(front):
    front.faults["DescribeTrainingJob"] = [DENIED]
    with pytest.raises(AccessError) as told:
        explained(TRAINING.describe)("one")
    assert front.calls.count("DescribeTrainingJob") == 1
    assert str(told.value).startswith(
        "permission sagemaker:DescribeTrainingJob on "
        "arn:aws:sagemaker:eu-west-1:123456789012:training-job/one is missing"
    )


def test_an_s3_refusal_without_words_names_the_permission_too(front):
    front.faults["HEAD /credit-sandbox/faults/secret"] = [Fault(403)]
    with pytest.raises(AccessError, match="permission s3:GetObject on"):
        explained(s3.client().head_object)(Bucket="credit-sandbox", Key="faults/secret")


def test_a_glue_refusal_reaches_whoever_runs_the_flow(front):
    said = "User: x is not authorized to perform: glue:GetPartitions on resource: arn:aws:glue:eu-west-1:1:catalog"
    front.faults["GetPartitions"] = [Fault(400, "AccessDeniedException", said)]
    with pytest.raises(AccessError, match=r"permission glue:GetPartitions on arn:aws:glue:eu-west-1:1:catalog is"):
        explained(tables.partitions)(tables.scores())


def test_a_wrong_parameter_is_named_and_not_tried_again(front):
    said = "1 validation error detected: Value 'ml.none' at 'resourceConfig.instanceType' failed to satisfy constraint"
    front.faults["DescribeTrainingJob"] = [Fault(400, "ValidationException", said)]
    with pytest.raises(RequestError, match=r"refuses DescribeTrainingJob: .* at 'resourceConfig.instanceType'"):
        explained(TRAINING.describe_or_none)("one")
    assert front.calls.count("DescribeTrainingJob") == 1


def test_a_malformed_request_is_not_even_sent(front):
    with pytest.raises(RequestError, match="TrainingJobName"):
        explained(boto3.client("sagemaker").describe_training_job)(TrainingJobName=1)
    assert not front.calls


def test_a_quota_is_told_as_such(front):
    said = "The account-level service limit 'ml.m5.xlarge for training job usage' is 0 Instances"
    front.faults["DescribeTrainingJob"] = [Fault(400, "ResourceLimitExceeded", said)]
    with pytest.raises(RequestError, match=r"'ml.m5.xlarge for training job usage'.*higher quota"):
        explained(TRAINING.describe)("one")


def test_an_aws_that_stays_busy_is_told_as_such(front, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    front.faults["DescribeTrainingJob"] = [BUSY] * 9
    with pytest.raises(BusyError, match=r"kept answering ThrottlingException to DescribeTrainingJob \(2 attempts\)"):
        explained(TRAINING.describe)("one")


def test_only_what_is_not_there_counts_as_absent(front):
    assert TRAINING.describe_or_none("nowhere") is None
    sagemaker = boto3.client("sagemaker")
    assert or_none(lambda: sagemaker.describe_model(ModelName="nowhere")) is None
    assert or_none(lambda: sagemaker.describe_model_package_group(ModelPackageGroupName="nowhere")) is None
