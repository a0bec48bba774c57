"""Batch transform through sagemaker-core: SageMaker's requests, outputs, joins, failures, stopping."""

import gzip
import io
import json
import tarfile
import time
import uuid

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError
from sagemaker.core.resources import Model, TransformJob
from sagemaker.core.shapes import (
    ContainerDefinition,
    DataProcessing,
    TransformDataSource,
    TransformInput,
    TransformOutput,
    TransformResources,
    TransformS3DataSource,
)

from sandbox.aws.errors import JobError
from sandbox.aws.sagemaker.batches import cut
from sandbox.aws.sagemaker.paths import compile_path
from tests.sandbox.aws.polling import await_status, log_messages

ROLE = "arn:aws:iam::123456789012:role/serve"
REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"


@pytest.fixture
def model(client, bucket):
    def create(image="probe", environment=None):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            body = json.dumps({"factor": 2}).encode()
            entry = tarfile.TarInfo("model.json")
            entry.size = len(body)
            archive.addfile(entry, io.BytesIO(body))
        client("s3").put_object(Bucket=bucket, Key="model/model.tar.gz", Body=packed.getvalue())
        name = f"m-{uuid.uuid4().hex[:8]}"
        container = ContainerDefinition(
            image=f"{REGISTRY}/{image}@sha256:1",
            model_data_url=f"s3://{bucket}/model/model.tar.gz",
            environment=environment,
        )
        return Model.create(model_name=name, primary_container=container, execution_role_arn=ROLE).model_name

    return create


@pytest.fixture
def transform(model, client, bucket):
    def run(objects, content_type="text/csv", split="Line", assemble="Line", wait=True, image="probe", **options):
        environment = options.pop("environment", None)
        for key, body in objects.items():
            client("s3").put_object(Bucket=bucket, Key=f"in/{key}", Body=body)
        kind, uri = options.pop("source", ("S3Prefix", f"s3://{bucket}/in/"))
        packed = options.pop("compression", None)
        source = TransformS3DataSource(s3_data_type=kind, s3_uri=uri)
        job = TransformJob.create(
            transform_job_name=f"t-{uuid.uuid4().hex[:8]}",
            model_name=model(image, environment),
            transform_input=TransformInput(
                data_source=TransformDataSource(s3_data_source=source),
                content_type=content_type,
                split_type=split,
                compression_type=packed,
            ),
            transform_output=TransformOutput(
                s3_output_path=f"s3://{bucket}/out", accept=content_type, assemble_with=assemble
            ),
            transform_resources=TransformResources(instance_type="ml.m5.large", instance_count=1),
            **options,
        )
        return done(job) if wait else job

    return run


@pytest.fixture
def outputs(client, bucket):
    def read():
        s3 = client("s3")
        found = s3.list_objects_v2(Bucket=bucket, Prefix="out/").get("Contents", [])
        return {i["Key"][4:]: s3.get_object(Bucket=bucket, Key=i["Key"])["Body"].read() for i in found}

    return read


def done(job):
    """Wait until a job has ended; return it."""
    return await_status(job, "transform_job_status", "Completed", "Failed", "Stopped")


def data_log(client, job):
    """Return the messages in the logs of a job."""
    return log_messages(client("logs"), "/aws/sagemaker/TransformJobs", job.transform_job_name)


def test_whole_parquet_objects_are_sent_unchanged(transform, outputs):
    sink = io.BytesIO()
    pq.write_table(pa.table({"application_id": ["a"], "age": [3]}), sink)
    parquet = sink.getvalue()
    job = transform(
        {"part-0": parquet, "day=1/part-1": parquet}, "application/x-parquet", "None", "None", max_payload_in_mb=1
    )
    assert job.transform_job_status == "Completed", job.failure_reason
    assert outputs() == {"part-0.out": parquet[::-1], "day=1/part-1.out": parquet[::-1]}
    assert job.transform_end_time >= job.transform_start_time


def test_lines_are_sent_one_by_one_or_in_batches(transform, outputs):
    job = transform({"a.csv": b"1,2\n3,4\n"}, batch_strategy="SingleRecord", max_concurrent_transforms=2)
    assert job.transform_job_status == "Completed", job.failure_reason
    assert outputs()["a.csv.out"] == b"6,1\n14,1\n"
    transform({"a.csv": b"1,2\n3,4\n"}, batch_strategy="MultiRecord")
    assert outputs()["a.csv.out"] == b"6,2\n14,2\n"


def test_the_container_may_set_its_own_parameters(transform, outputs):
    offer = json.dumps({"MaxConcurrentTransforms": 1, "BatchStrategy": "SingleRecord", "MaxPayloadInMB": 1})
    transform({"a.csv": b"1,2\n3,4"}, environment={"OFFER": offer})
    assert outputs()["a.csv.out"] == b"6,1\n14,1\n"


def test_ids_are_withheld_from_the_model_and_joined_to_its_answers(transform, outputs):
    job = transform(
        {"a.csv": b'"x,1",1,2\ny,3,4\n'},
        data_processing=DataProcessing(input_filter="$[1:]", join_source="Input", output_filter="$[0,-2]"),
    )
    assert job.transform_job_status == "Completed", job.failure_reason
    assert outputs()["a.csv.out"] == b'"x,1",6\ny,14\n'


def test_json_lines_are_joined(transform, outputs):
    job = transform(
        {"a.jsonl": b'{"id": "p", "x": 1}\n{"id": "q", "x": 2}\n'},
        "application/jsonlines",
        data_processing=DataProcessing(join_source="Input", output_filter="$"),
    )
    assert job.transform_job_status == "Completed", job.failure_reason
    rows = [json.loads(line) for line in outputs()["a.jsonl.out"].splitlines()]
    assert rows == [
        {"id": "p", "x": 1, "SageMakerOutput": {"pd": 2}},
        {"id": "q", "x": 2, "SageMakerOutput": {"pd": 4}},
    ]


def test_a_manifest_names_the_inputs(transform, client, bucket, outputs):
    manifest = [{"prefix": f"s3://{bucket}/in/"}, "wanted.csv"]
    client("s3").put_object(Bucket=bucket, Key="manifest.json", Body=json.dumps(manifest))
    job = transform(
        {"wanted.csv": b"1,1", "other.csv": b"2,2"}, source=("ManifestFile", f"s3://{bucket}/manifest.json")
    )
    assert job.transform_job_status == "Completed", job.failure_reason
    assert outputs() == {"wanted.csv.out": b"4,1\n"}


def test_a_refused_request_fails_the_job_and_leaves_nothing_of_that_object(transform, outputs, client):
    job = transform({"a.csv": b"1,1\n", "b.csv": b"2,2\nbad,1\n"}, batch_strategy="SingleRecord")
    assert job.transform_job_status == "Failed"
    assert job.failure_reason.startswith("ClientError")
    assert set(outputs()) == {"a.csv.out"}
    assert any("column 'age' row 1: bad" in line for line in data_log(client, job))


def test_a_record_over_the_payload_limit_fails_the_job(transform, outputs):
    job = transform({"a.csv": b"1," * 600_000 + b"1"}, max_payload_in_mb=1)
    assert job.transform_job_status == "Failed"
    assert "MaxPayloadInMB" in job.failure_reason
    assert outputs() == {}


def test_a_server_that_does_not_start_fails_the_job(transform, client):
    job = transform({"a.csv": b"1,1"}, image="broken")
    assert job.transform_job_status == "Failed"
    assert job.failure_reason.startswith("AlgorithmError")
    assert any("cannot start: library missing" in line for line in data_log(client, job))


def test_no_input_is_refused(transform, bucket):
    with pytest.raises(ClientError, match=f'No S3 objects found under S3 URL "s3://{bucket}/nothing/"'):
        transform({}, source=("S3Prefix", f"s3://{bucket}/nothing/"))


def test_a_bad_object_fails_the_job_but_not_the_objects_after_it(transform, outputs):
    job = transform({"a.csv": b"bad,1\n", "b.csv": b"2,2\n"})
    assert (job.transform_job_status, set(outputs())) == ("Failed", {"b.csv.out"})


def test_a_failing_container_is_asked_again(transform, outputs, tmp_path):
    job = transform({"a.csv": b"1,1\n"}, environment={"FAIL_FIRST": str(tmp_path / "failed")})
    assert (job.transform_job_status, set(outputs())) == ("Completed", {"a.csv.out"})


def test_records_end_at_line_feeds_alone():
    text = "1\u2028,\x0b2\n3,4\r\n\n".encode()
    cut_up = cut(text, split="Line", strategy="SingleRecord", limit=99, name="a")
    assert [batch.body.decode() for batch in cut_up] == ["1\u2028,\x0b2\n", "3,4\r\n"]


def test_gzip_is_unpacked(transform, outputs):
    job = transform({"a.csv.gz": gzip.compress(b"1,2\n")}, compression="Gzip")
    assert (job.transform_job_status, outputs()) == ("Completed", {"a.csv.gz.out": b"6,1\n"})


def test_a_payload_of_zero_is_unlimited(transform, outputs):
    job = transform({"a.bin": b"x" * (7 << 20)}, "application/x", "None", "None", max_payload_in_mb=0)
    assert (job.transform_job_status, set(outputs())) == ("Completed", {"a.bin.out"})


@pytest.mark.parametrize(
    ("path", "record", "found"),
    [
        ("$['a']", {"a": 1}, 1),
        ("$['a','b']", {"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 2}),
        ("$.a.b", {"a": {"b": 2}}, 2),
        ("$[0,1]", [5, 6, 7], [5, 6]),
        ("$[:-1]", [5, 6, 7], [5, 6]),
        ("$[0,2:]", [5, 6, 7, 8], [5, 7, 8]),
        ("$[-1]", [5, 6], 6),
        ("$.*", {"a": 1, "b": 2}, [1, 2]),
        ("$[*]", [5, 6], [5, 6]),
        ("$", [5], [5]),
    ],
)
def test_paths_of_data_processing(path, record, found):
    assert compile_path(path)(record) == found


@pytest.mark.parametrize("path", ["a", "$[", "$[]", "$[a]", "$[0,]", "$a"])
def test_other_paths_are_refused(path):
    with pytest.raises(JobError, match="filter"):
        compile_path(path)


def test_stopping_interrupts_a_request(transform, outputs):
    job = transform({"a.csv": b"1,1"}, wait=False, environment={"SLOW": "60"})
    time.sleep(1)
    before = time.monotonic()
    job.stop()
    job = done(job)
    assert job.transform_job_status == "Stopped"
    assert time.monotonic() - before < 8
    assert outputs() == {}


def test_names_are_unique_and_models_must_exist(transform, client, model, bucket):
    job = transform({"a.csv": b"1,1"})
    arguments = {
        "TransformJobName": job.transform_job_name,
        "ModelName": job.model_name,
        "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/in/"}}},
        "TransformOutput": {"S3OutputPath": f"s3://{bucket}/out"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }
    with pytest.raises(ClientError, match="already exists") as caught:
        client("sagemaker").create_transform_job(**arguments)
    assert caught.value.response["Error"]["Code"] == "ResourceInUse"
    with pytest.raises(ClientError, match="Could not find model"):
        client("sagemaker").create_transform_job(**{**arguments, "TransformJobName": "x", "ModelName": "absent"})
