"""What an AWS account holds before the first run: bucket, database, images, roles, and the events Prefect hears of."""

import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

ACCOUNT = "123456789012"
REGION = "eu-west-1"
BUCKET = "credit-sandbox"
DATABASE = "credit"
WORKGROUP = "credit"
IMAGE_SOURCES = {
    "credit-train": ["credit_model", "images/train"],
    "credit-serve": ["credit_model", "images/serve"],
    "credit-worker": ["credit_model", "flows", "tasks", "images/worker"],
}
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
RETRAIN_OUTCOMES = 100
CLUSTER = "credit"
FLOWS = "credit-flows"
# The Prefect worker watches this queue to learn how its tasks end; the name is prefect-aws's own.
TASK_EVENTS = "prefect-ecs-tasks-events"


@dataclass(frozen=True)
class Notice:
    """An AWS event that Prefect hears of, in the form that `POST /api/events` takes.

    Attributes:
        pattern: Which events.
        event: What Prefect calls it.
        paths: Where the placeholders come from, besides `id` and `time`.
        resource: Labels of the resource, with placeholders.
        payload: What it carries, with placeholders.
    """

    pattern: dict[str, Any]
    event: str
    paths: dict[str, str]
    resource: dict[str, str]
    payload: dict[str, str]

    def transformer(self) -> dict[str, Any]:
        """Return EventBridge's input transformer."""
        event = {"id": "<id>", "occurred": "<time>", "event": self.event}
        body = json.dumps([{**event, "resource": self.resource, "payload": self.payload}])
        return {"InputPathsMap": {"id": "$.id", "time": "$.time", **self.paths}, "InputTemplate": body}


NOTICES = {
    "landing": Notice(
        pattern={
            "source": ["aws.s3"],
            "detail-type": ["Object Created"],
            "detail": {"bucket": {"name": [BUCKET]}, "object": {"key": [{"prefix": "landing/"}]}},
        },
        event="credit.landing.object_created",
        paths={"bucket": "$.detail.bucket.name", "key": "$.detail.object.key", "version": "$.detail.object.version-id"},
        resource={"prefect.resource.id": "s3://<bucket>/<key>"},
        payload={"bucket": "<bucket>", "key": "<key>", "version_id": "<version>"},
    ),
    # An update of anything else about an approved package is an event too, and no approval.
    "approvals": Notice(
        pattern={
            "source": ["aws.sagemaker"],
            "detail-type": ["SageMaker Model Package State Change"],
            "detail": {
                "ModelPackageGroupName": [{"prefix": "credit-"}],
                "ModelApprovalStatus": ["Approved"],
                "UpdatedModelPackageFields": ["ModelApprovalStatus", {"exists": False}],
            },
        },
        event="credit.model.approved",
        paths={"group": "$.detail.ModelPackageGroupName", "package": "$.detail.ModelPackageArn"},
        resource={"prefect.resource.id": "<package>", "credit.group": "<group>"},
        payload={"group": "<group>", "package": "<package>", "approved_at": "<time>"},
    ),
}


def build(root: Path, prefect_api_url: str) -> dict[str, str]:
    """Create everything and return the `CREDIT_*` settings that name it.

    Args:
        root: the repository, whose files are what the images hold.
        prefect_api_url: where events go.
    """
    role = _role("credit-sagemaker", "sagemaker.amazonaws.com")
    _lake()
    _notify(prefect_api_url)
    images = {name: _push(root, name) for name in IMAGE_SOURCES}
    return {
        "CREDIT_BUCKET": BUCKET,
        "CREDIT_DATABASE": DATABASE,
        "CREDIT_WORKGROUP": WORKGROUP,
        "CREDIT_SAGEMAKER_ROLE": role,
        "CREDIT_TRAIN_IMAGE": images["credit-train"],
        "CREDIT_SERVE_IMAGE": images["credit-serve"],
        "CREDIT_GIT_COMMIT": _git_commit(root),
        "CREDIT_ONLINE_TABLES": "credit-online",
        "CREDIT_ONLINE_TIMEOUT_MS": "1000",  # this DynamoDB is one Python process that does much else
        "CREDIT_PREDICTION_LOG": f"s3://{BUCKET}/predictions",
        "CREDIT_POLL_SECONDS": "0.5",
        "CREDIT_RELEASE_DWELL_SECONDS": "1",
        "CREDIT_RETRAIN_OUTCOMES": str(RETRAIN_OUTCOMES),
    }


def build_orchestration(environment: dict[str, str]) -> dict[str, object]:
    """Create what the Prefect worker needs to run flows as ECS tasks.

    Args:
        environment: What a flow's container sees.

    Returns:
        Prefect variables by name, which the work pool's template refers to.
    """
    ec2: Any = boto3.client("ec2")
    subnets = ec2.describe_subnets()["Subnets"]
    ecs: Any = boto3.client("ecs")
    ecs.create_cluster(clusterName=CLUSTER)
    log = {"awslogs-group": "/credit/flows", "awslogs-region": REGION, "awslogs-stream-prefix": "flow"}
    container = {
        "name": "prefect",
        "image": _image_uri("credit-worker"),
        "essential": True,
        "stopTimeout": 30,
        "environment": [{"name": name, "value": value} for name, value in sorted(environment.items())],
        "logConfiguration": {"logDriver": "awslogs", "options": log},
    }
    ecs.register_task_definition(
        family=FLOWS,
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="1024",
        memory="4096",
        taskRoleArn=_role("credit-flows", "ecs-tasks.amazonaws.com"),
        executionRoleArn=_role("credit-flows-execution", "ecs-tasks.amazonaws.com"),
        containerDefinitions=[container],
    )
    _task_events()
    vpc = subnets[0]["VpcId"]
    groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"]
    network = {
        "subnets": [subnet["SubnetId"] for subnet in subnets],
        "securityGroups": [groups[0]["GroupId"]],
        "assignPublicIp": "DISABLED",
    }
    return {"credit_stage": "sandbox", "credit_ecs_cluster": CLUSTER, "credit_vpc": vpc, "credit_ecs_network": network}


def _task_events() -> None:
    """ECS task state changes → EventBridge rule → the queue that the worker watches."""
    sqs: Any = boto3.client("sqs")
    queue = sqs.create_queue(QueueName=TASK_EVENTS)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events: Any = boto3.client("events")
    pattern = {"source": ["aws.ecs"], "detail-type": ["ECS Task State Change"]}
    events.put_rule(Name="ecs-tasks", EventPattern=json.dumps(pattern), State="ENABLED")
    events.put_targets(Rule="ecs-tasks", Targets=[{"Id": "prefect-worker", "Arn": arn}])


def _image_uri(name: str) -> str:
    ecr: Any = boto3.client("ecr")
    uri = ecr.describe_repositories(repositoryNames=[name])["repositories"][0]["repositoryUri"]
    digest = ecr.describe_images(repositoryName=name)["imageDetails"][0]["imageDigest"]
    return f"{uri}@{digest}"


def _role(name: str, service: str) -> str:
    """Create a role that a service may take on; return its ARN."""
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    arn: str = boto3.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    return arn


def _lake() -> None:
    s3: Any = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}})
    boto3.client("glue").create_database(DatabaseInput={"Name": DATABASE})
    results = {
        "ResultConfiguration": {"OutputLocation": f"s3://{BUCKET}/athena/"},
        "EnforceWorkGroupConfiguration": True,
    }
    boto3.client("athena").create_work_group(Name=WORKGROUP, Configuration=results)


def _notify(prefect_api_url: str) -> None:
    """EventBridge rules → API destination → Prefect's events endpoint."""
    events: Any = boto3.client("events")
    key = {"ApiKeyAuthParameters": {"ApiKeyName": "X-Credit-Source", "ApiKeyValue": "eventbridge"}}
    connection = events.create_connection(Name="prefect", AuthorizationType="API_KEY", AuthParameters=key)
    destination = events.create_api_destination(
        Name="prefect",
        ConnectionArn=connection["ConnectionArn"],
        InvocationEndpoint=f"{prefect_api_url}/events",
        HttpMethod="POST",
    )
    for name, notice in NOTICES.items():
        events.put_rule(Name=name, EventPattern=json.dumps(notice.pattern), State="ENABLED")
        target = {
            "Id": "prefect",
            "Arn": destination["ApiDestinationArn"],
            "InputTransformer": notice.transformer(),
        }
        events.put_targets(Rule=name, Targets=[target])


def _push(root: Path, name: str) -> str:
    """Register an image whose digest follows from the files it would hold; return its URI by digest."""
    ecr: Any = boto3.client("ecr")
    repository = ecr.create_repository(repositoryName=name, imageTagMutability="IMMUTABLE")["repository"]
    files = [
        root / "requirements.lock",
        *(p for source in IMAGE_SOURCES[name] for p in sorted((root / source).rglob("*.*"))),
    ]
    content = hashlib.sha256()
    for path in files:
        if path.is_file() and "__pycache__" not in path.parts:
            content.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    digest = f"sha256:{content.hexdigest()}"
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": {"digest": digest}, "layers": []}
    document = json.dumps(manifest)
    pushed = f"sha256:{hashlib.sha256(document.encode()).hexdigest()}"
    ecr.put_image(repositoryName=name, imageManifest=document, imageDigest=pushed, imageTag="sandbox")
    return f"{repository['repositoryUri']}@{pushed}"


def _git_commit(root: Path) -> str:
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"
