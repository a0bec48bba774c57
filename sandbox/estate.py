"""What an AWS account holds before the first run, created from the templates in deployments/aws."""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import boto3

from deployments import connect
from deployments.registry import images
from sandbox.formation import Formation, register

ACCOUNT = "123456789012"
REGION = "eu-west-1"
BUCKET = "credit-sandbox"
DATABASE = "credit"
IMAGE_SOURCES = {
    "credit-train": ["credit_model", "images/train"],
    "credit-serve": ["credit_model", "images/serve"],
    "credit-worker": ["credit_model", "flows", "tasks", "images/worker"],
}
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
TAG = "sandbox"
RETRAIN_OUTCOMES = 100
# Values that AWS itself provides, and those of the stage.
HERE = {"AWS::AccountId": ACCOUNT, "AWS::Region": REGION, "AWS::Partition": "aws"}
STAGE = {**HERE, "Stage": "sandbox", "BucketName": BUCKET, "ServingAuthority": ""}
# The templates' resources that have an effect here.
DATA = ("Bucket", "Database", "Workgroup", "OnlineCase", "OnlineUciCreditCard")
TRAINING = ("TrainRepository", "ServeRepository", "WorkerRepository", "SageMakerRole")
EVENTS = ("PrefectConnection", "PrefectDestination", "NotifyRole", "DeadLetters", "LandingRule", "ApprovalRule")
# Secrets that the task definition of the flows names, with values that nothing here checks.
SECRETS = {"PrefectApiKeySecret": "credit/prefect-api-key", "ServeTokenSecret": "credit/serve-token"}
RUNS = ("FlowRole", "ExecutionRole", "FlowLogs", "Cluster", "TaskEvents", "TaskRule")


def build(root: Path, prefect_api_url: str) -> dict[str, str]:
    """Create the resources of deployments/aws and return the `CREDIT_*` settings that name them.

    Args:
        root: The repository, whose files are the contents of the images.
        prefect_api_url: Where events go.
    """
    data, training = Formation("data", STAGE), Formation("training", STAGE)
    data.make(DATA)
    training.make(TRAINING)
    made = {**data.outputs(), **training.outputs()}
    Formation("orchestration", {**STAGE, **made, "PrefectApiUrl": prefect_api_url}).make(EVENTS)
    for name in IMAGE_SOURCES:
        _push(root, name)
    pushed = images.find(TAG)
    return {
        "CREDIT_BUCKET": made["Bucket"],
        "CREDIT_DATABASE": made["Database"],
        "CREDIT_WORKGROUP": made["Workgroup"],
        "CREDIT_SAGEMAKER_ROLE": made["SageMakerRoleArn"],
        "CREDIT_TRAIN_IMAGE": pushed["TrainImage"],
        "CREDIT_SERVE_IMAGE": pushed["ServeImage"],
        "CREDIT_GIT_COMMIT": _git_commit(root),
        "CREDIT_ONLINE_TABLES": made["OnlineTables"],
        "CREDIT_ONLINE_TIMEOUT_MS": "1000",  # the sandbox's DynamoDB shares one busy Python process
        "CREDIT_PREDICTION_LOG": f"s3://{made['Bucket']}/predictions",
        "CREDIT_POLL_SECONDS": "0.5",
        "CREDIT_RELEASE_DWELL_SECONDS": "1",
        "CREDIT_RETRAIN_OUTCOMES": str(RETRAIN_OUTCOMES),
    }


def build_orchestration(environment: dict[str, str]) -> dict[str, object]:
    """Create what the Prefect worker needs to run flows as ECS tasks.

    Args:
        environment: Variables of a flow's container in addition to those of the template.

    Returns:
        Prefect variables by name, for the work pool's template.
    """
    secrets = {parameter: _secret(name) for parameter, name in SECRETS.items()}
    runs = Formation("orchestration", {**STAGE, **images.find(TAG), **secrets})
    runs.make(RUNS)
    task = runs.properties("FlowTask")
    [container] = task["ContainerDefinitions"]
    variables = {one["Name"]: one["Value"] for one in container["Environment"] if "Value" in one} | environment
    container["Environment"] = [{"Name": name, "Value": str(value)} for name, value in sorted(variables.items())]
    register(task)
    ec2: Any = boto3.client("ec2")
    subnets = ec2.describe_subnets()["Subnets"]
    vpc = subnets[0]["VpcId"]
    groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"]
    made = {
        "EcsCluster": runs.outputs()["EcsCluster"],
        "Vpc": vpc,
        "Subnets": ",".join(subnet["SubnetId"] for subnet in subnets),
        "TaskSecurityGroup": groups[0]["GroupId"],
    }
    return connect.variables(STAGE["Stage"], secrets, made)


def _secret(name: str) -> str:
    """Create a secret and return its ARN."""
    made = boto3.client("secretsmanager").create_secret(Name=name, SecretString=secret_value(name))
    return str(made["ARN"])


def secret_value(name: str) -> str:
    """Return what a secret holds.

    >>> secret_value("credit/prefect-api-key")
    'sandbox-prefect-api-key'
    """
    return f"sandbox-{name.rpartition('/')[2]}"


def _push(root: Path, name: str) -> None:
    """Register an image with a digest of the files that it would contain."""
    ecr: Any = boto3.client("ecr")
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
    ecr.put_image(repositoryName=name, imageManifest=document, imageDigest=pushed, imageTag=TAG)


def _git_commit(root: Path) -> str:
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"
