"""Calls of roles are recorded once, with their resources; calls without a role are not recorded."""

import json
import uuid

import boto3
import pytest

PLACE = "eu-west-1:123456789012"


@pytest.fixture
def role():
    return f"role-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def client(aws, role):
    session = boto3.Session(role, "test", region_name="eu-west-1")
    return lambda service: session.client(service, endpoint_url=aws.endpoint)


@pytest.fixture
def recorded(aws, role):
    def read():
        lines = [json.loads(line) for line in (aws.state / "calls.jsonl").read_text().splitlines()]
        return {(line["operation"], line["resource"]) for line in lines if line["role"] == role}

    return read


@pytest.fixture
def bucket(aws):
    name = f"calls-{uuid.uuid4().hex[:8]}"
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def test_s3_operations_on_objects(client, bucket, recorded):
    s3 = client("s3")
    version = s3.put_object(Bucket=bucket, Key="a b/ü", Body=b"1")["VersionId"]
    s3.get_object(Bucket=bucket, Key="a b/ü")
    s3.get_object(Bucket=bucket, Key="a b/ü", VersionId=version)
    s3.head_object(Bucket=bucket, Key="a b/ü")
    s3.head_object(Bucket=bucket, Key="a b/ü", VersionId=version)
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "a b/ü"})
    list(s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="a"))
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a b/ü"}, {"Key": "x&y"}]})
    arn = f"arn:aws:s3:::{bucket}"
    thing = f"{arn}/a b/ü"
    assert recorded() == {
        ("s3:PutObject", thing),
        ("s3:GetObject", thing),
        ("s3:GetObjectVersion", thing),
        ("s3:HeadObject", thing),
        ("s3:HeadObjectVersion", thing),
        ("s3:PutObject", f"{arn}/copy"),
        ("s3:ListObjectsV2", arn),
        ("s3:DeleteObject", thing),
        ("s3:DeleteObject", f"{arn}/x&y"),
    }


def test_multipart_uploads(client, bucket, recorded):
    s3, where = client("s3"), {"Bucket": bucket, "Key": "large"}
    upload = s3.create_multipart_upload(**where)["UploadId"]
    tag = s3.upload_part(**where, UploadId=upload, PartNumber=1, Body=b"1")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": tag}]}
    s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload=parts)
    s3.abort_multipart_upload(**where, UploadId=s3.create_multipart_upload(**where)["UploadId"])
    wanted = ("CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "AbortMultipartUpload")
    assert recorded() == {(f"s3:{name}", f"arn:aws:s3:::{bucket}/large") for name in wanted}


def test_a_transaction_counts_as_its_actions_on_each_table(client, recorded):
    table = f"t-{uuid.uuid4().hex[:8]}"
    key = {"id": {"S": "1"}}
    boto3.client("dynamodb").create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb = client("dynamodb")
    dynamodb.transact_write_items(TransactItems=[{"Put": {"TableName": table, "Item": key}}])
    dynamodb.transact_write_items(TransactItems=[{"Delete": {"TableName": table, "Key": key}}])
    dynamodb.batch_get_item(RequestItems={table: {"Keys": [key]}})
    dynamodb.describe_table(TableName=table)
    wanted = ("PutItem", "DeleteItem", "BatchGetItem", "DescribeTable")
    assert recorded() == {(f"dynamodb:{name}", f"arn:aws:dynamodb:{PLACE}:table/{table}") for name in wanted}


def test_athena_reads_glue_and_s3_with_the_callers_permissions(client, bucket, recorded):
    database = f"d{uuid.uuid4().hex[:8]}"
    glue = boto3.client("glue")
    glue.create_database(DatabaseInput={"Name": database})
    parquet = {
        "Columns": [{"Name": "a", "Type": "int"}],
        "Location": f"s3://{bucket}/t/",
        "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
    }
    glue.create_table(DatabaseName=database, TableInput={"Name": "t", "StorageDescriptor": parquet})
    athena = client("athena")
    query = athena.start_query_execution(
        QueryString="SELECT a FROM t",
        WorkGroup="primary",
        QueryExecutionContext={"Database": database},
        ResultConfiguration={"OutputLocation": f"s3://{bucket}/results/"},
    )["QueryExecutionId"]
    while (
        athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]["State"]
        not in "SUCCEEDED FAILED"
    ):
        pass
    found = recorded()
    assert found >= {
        ("athena:StartQueryExecution", f"arn:aws:athena:{PLACE}:workgroup/primary"),
        ("athena:GetQueryExecution", None),
        ("glue:GetTable", f"arn:aws:glue:{PLACE}:catalog"),
        ("glue:GetTable", f"arn:aws:glue:{PLACE}:database/{database}"),
        ("glue:GetTable", f"arn:aws:glue:{PLACE}:table/{database}/t"),
        ("s3:ListObjectsV2", f"arn:aws:s3:::{bucket}"),
        ("s3:PutObject", f"arn:aws:s3:::{bucket}/results/{query}.csv"),
    }


def test_a_job_uses_its_role_and_passing_the_role_is_recorded(aws, client, recorded, role):
    other = f"job-{role}"
    arn = f"arn:aws:iam::123456789012:role/service/{other}"
    name = f"job-{uuid.uuid4().hex[:8]}"
    client("sagemaker").create_training_job(
        TrainingJobName=name,
        RoleArn=arn,
        AlgorithmSpecification={"TrainingImage": "probe", "TrainingInputMode": "File"},
        OutputDataConfig={"S3OutputPath": "s3://none/out/"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
        Tags=[{"Key": "a", "Value": "b"}],
    )
    job = f"arn:aws:sagemaker:{PLACE}:training-job/{name}"
    assert recorded() == {("sagemaker:CreateTrainingJob", job), ("sagemaker:AddTags", job), ("iam:PassRole", arn)}
    waiter = boto3.client("sagemaker").get_waiter("training_job_completed_or_stopped")
    with pytest.raises(Exception, match="Failed"):  # the bucket does not exist
        waiter.wait(TrainingJobName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    lines = [json.loads(line) for line in (aws.state / "calls.jsonl").read_text().splitlines()]
    assert "logs:PutLogEvents" in {line["operation"] for line in lines if line["role"] == other}


def test_repeated_calls_are_recorded_once_and_calls_without_a_role_never(aws, client, bucket, recorded):
    before = (aws.state / "calls.jsonl").read_text()
    boto3.client("s3").list_objects_v2(Bucket=bucket)
    assert (aws.state / "calls.jsonl").read_text() == before
    s3 = client("s3")
    for _ in range(3):
        s3.list_objects_v2(Bucket=bucket)
    assert len((aws.state / "calls.jsonl").read_text().splitlines()) == len(before.splitlines()) + 1
    assert recorded() == {("s3:ListObjectsV2", f"arn:aws:s3:::{bucket}")}
