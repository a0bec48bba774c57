"""ECS tasks run the image's process: statuses, exit codes, logs, environment, StopTask and events."""

import json
import os
import time
import uuid
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

GRACE = 20
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
STATUSES = ["PROVISIONING", "PENDING", "RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED"]
SHELL = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shell:1"


@pytest.fixture(scope="module")
def ecs(aws):
    return boto3.client("ecs")


@pytest.fixture(scope="module")
def subnet(aws):
    return boto3.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"]


@pytest.fixture
def task_of(ecs, subnet):
    """Return a function that runs a shell command as a Fargate task in a new family."""
    name = f"t{uuid.uuid4().hex[:8]}"
    ecs.create_cluster(clusterName=name)
    boto3.client("logs").create_log_group(logGroupName=f"/ecs/{name}")

    def run(command, *, image="shell", stop_timeout=5, environment=(), roles=None, others=(), settings=None, **more):
        container = {
            "name": "work",
            "image": f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/{image}:1",
            "essential": True,
            "stopTimeout": stop_timeout,
            "environment": [{"name": "FROM_DEFINITION", "value": "one"}, {"name": "BOTH", "value": "one"}],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": f"/ecs/{name}",
                    "awslogs-region": "eu-west-1",
                    "awslogs-stream-prefix": "w",
                },
            },
            **(settings or {}),
        }
        ecs.register_task_definition(
            family=name,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=[container, *others],
            **(roles or {}),
        )
        answer = ecs.run_task(
            cluster=name,
            taskDefinition=name,
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": {"subnets": [subnet], "securityGroups": []}},
            overrides={
                "containerOverrides": [{"name": "work", "command": [command], "environment": list(environment)}]
            },
            **more,
        )
        return name, answer["tasks"][0]

    return run


def await_status(ecs, cluster, task, status):
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline:
        [found] = ecs.describe_tasks(cluster=cluster, tasks=[task["taskArn"]], include=["TAGS"])["tasks"]
        if found["lastStatus"] == status:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{found['lastStatus']} instead of {status} after {GRACE} s")


def test_a_task_runs_its_command_and_keeps_its_exit_code_and_log(ecs, task_of):
    cluster, task = task_of("echo to the log; exit 3", tags=[{"key": "run", "value": "7"}])
    assert task["lastStatus"] in {"PROVISIONING", "PENDING"}
    found = await_status(ecs, cluster, task, "STOPPED")
    assert found["containers"][0]["exitCode"] == 3
    assert found["stopCode"] == "EssentialContainerExited"
    assert found["stoppedReason"] == "Essential container in task exited"
    assert found["createdAt"] <= found["startedAt"] <= found["stoppedAt"]
    assert found["tags"] == [{"key": "run", "value": "7"}]
    stream = f"w/work/{task['taskArn'].rsplit('/', 1)[-1]}"
    events = boto3.client("logs").get_log_events(logGroupName=f"/ecs/{cluster}", logStreamName=stream)["events"]
    assert [entry["message"] for entry in events] == ["to the log"]


def test_a_container_sees_its_definition_and_overrides_but_not_the_machines_settings(ecs, task_of, tmp_path):
    target = tmp_path / "seen.json"
    code = "import json, os, sys; json.dump(dict(os.environ), open(sys.argv[1], 'w'))"
    given = [{"name": "BOTH", "value": "two"}, {"name": "PREFECT__FLOW_RUN_ID", "value": "x"}]
    cluster, task = task_of(f'python3 -c "{code}" {target}', environment=given)
    await_status(ecs, cluster, task, "STOPPED")
    seen = json.loads(target.read_text())
    assert (seen["FROM_DEFINITION"], seen["BOTH"], seen["PREFECT__FLOW_RUN_ID"]) == ("one", "two", "x")
    assert seen["AWS_ENDPOINT_URL"] == os.environ["AWS_ENDPOINT_URL"]
    assert not [name for name in seen if name.startswith(("CREDIT_", "KUBECONFIG"))]


def test_stop_task_sends_sigterm_first(ecs, task_of, tmp_path):
    flag = tmp_path / "asked"
    cluster, task = task_of(f"trap 'touch {flag}; exit 0' TERM; while true; do sleep 0.1; done")
    await_status(ecs, cluster, task, "RUNNING")
    time.sleep(0.3)
    ecs.stop_task(cluster=cluster, task=task["taskArn"], reason="cancelled")
    found = await_status(ecs, cluster, task, "STOPPED")
    assert flag.exists()
    assert found["containers"][0]["exitCode"] == 0
    assert (found["stoppedReason"], found["stopCode"]) == ("cancelled", "UserInitiated")


def test_stop_task_kills_a_task_that_ignores_sigterm(ecs, task_of, tmp_path):
    pid = tmp_path / "pid"
    cluster, task = task_of(f"trap '' TERM; echo $$ > {pid}; while true; do sleep 0.1; done", stop_timeout=2)
    await_status(ecs, cluster, task, "RUNNING")
    deadline = time.monotonic() + GRACE
    while not (pid.exists() and pid.read_text().strip()) and time.monotonic() < deadline:
        time.sleep(0.05)
    ecs.stop_task(cluster=cluster, task=task["taskArn"])
    assert await_status(ecs, cluster, task, "STOPPED")["containers"][0]["exitCode"] == 137
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()


def test_a_task_with_an_unknown_image_fails_to_start(ecs, task_of):
    cluster, task = task_of("true", image="nowhere")
    found = await_status(ecs, cluster, task, "STOPPED")
    assert found["stopCode"] == "TaskFailedToStart"
    assert found["stoppedReason"].startswith("CannotPullContainerError")
    assert "exitCode" not in found["containers"][0]


def test_every_status_sends_an_event(ecs, task_of):
    sqs, events = boto3.client("sqs"), boto3.client("events")
    queue = sqs.create_queue(QueueName=f"q{uuid.uuid4().hex[:8]}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    rule = f"r{uuid.uuid4().hex[:8]}"
    pattern = {"source": ["aws.ecs"], "detail-type": ["ECS Task State Change"]}
    events.put_rule(Name=rule, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": arn}])
    cluster, task = task_of("exit 4")
    await_status(ecs, cluster, task, "STOPPED")
    found = []
    for _ in range(80):
        messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        found += [
            body for message in messages if (body := json.loads(message["Body"]))["resources"] == [task["taskArn"]]
        ]
        if len(found) == len(STATUSES):
            break
        time.sleep(0.1)
    events.remove_targets(Rule=rule, Ids=["1"])
    statuses = [entry["detail"]["lastStatus"] for entry in found]
    assert sorted(statuses) == sorted(STATUSES)
    versions = {entry["detail"]["lastStatus"]: entry["detail"]["version"] for entry in found}
    assert sorted(STATUSES, key=versions.get) == STATUSES
    last = next(entry["detail"] for entry in found if entry["detail"]["lastStatus"] == "STOPPED")
    assert last["containers"][0]["exitCode"] == 4
    assert last["clusterArn"].endswith(cluster)
    assert (last["stopCode"], last["launchType"], last["cpu"]) == ("EssentialContainerExited", "FARGATE", "256")
    for name in ("createdAt", "pullStartedAt", "startedAt", "stoppingAt", "executionStoppedAt", "stoppedAt"):
        assert last[name].endswith("Z"), name


def test_stopping_an_unknown_task_is_refused(ecs, task_of):
    cluster, task = task_of("true")
    with pytest.raises(ClientError, match="not found") as caught:
        ecs.stop_task(cluster=cluster, task=task["taskArn"][:-4] + "0000")
    assert caught.value.response["Error"]["Code"] == "InvalidParameterException"


def test_all_containers_run_and_those_that_depend_on_others_wait(ecs, task_of, tmp_path):
    order = tmp_path / "order"
    first = {"name": "first", "image": SHELL, "essential": False, "command": [f"echo first >> {order}"]}
    helper = {"name": "helper", "image": SHELL, "essential": False, "command": ["sleep 60"]}
    waits = {"dependsOn": [{"containerName": "first", "condition": "SUCCESS"}]}
    cluster, task = task_of(f"echo work >> {order}", others=[first, helper], settings=waits)
    found = await_status(ecs, cluster, task, "STOPPED")
    assert order.read_text().split() == ["first", "work"]
    codes = {container["name"]: container["exitCode"] for container in found["containers"]}
    assert codes == {"work": 0, "first": 0, "helper": 143}


def test_secrets_become_variables(ecs, task_of, tmp_path):
    target, name = tmp_path / "seen", f"s{uuid.uuid4().hex[:8]}"
    arn = boto3.client("secretsmanager").create_secret(Name=name, SecretString=json.dumps({"key": "sesame"}))["ARN"]
    boto3.client("ssm").put_parameter(Name=f"/app/{name}", Value="from ssm", Type="SecureString")
    given = [{"name": "WHOLE", "valueFrom": arn}, {"name": "KEY", "valueFrom": f"{arn}:key::"}]
    given += [
        {"name": "NAMED", "valueFrom": f"/app/{name}"},
        {"name": "BY_ARN", "valueFrom": f"arn:aws:ssm:eu-west-1:123456789012:parameter/app/{name}"},
    ]
    command = f'printf "%s\\n" "$WHOLE" "$KEY" "$NAMED" "$BY_ARN" > {target}'
    roles = {"executionRoleArn": "arn:aws:iam::123456789012:role/execution"}
    cluster, task = task_of(command, settings={"secrets": given}, roles=roles)
    await_status(ecs, cluster, task, "STOPPED")
    assert target.read_text().splitlines() == ['{"key": "sesame"}', "sesame", "from ssm", "from ssm"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("arn:aws:secretsmanager:eu-west-1:123456789012:secret:absent-a1b2c3", "unable to retrieve secret from asm"),
        ("/absent", "invalid parameters: /absent"),
    ],
)
def test_a_missing_secret_stops_the_task_before_it_starts(ecs, task_of, source, said):
    roles = {"executionRoleArn": "arn:aws:iam::123456789012:role/execution"}
    cluster, task = task_of("true", settings={"secrets": [{"name": "A", "valueFrom": source}]}, roles=roles)
    found = await_status(ecs, cluster, task, "STOPPED")
    assert (found["stopCode"], found.get("startedAt")) == ("TaskFailedToStart", None)
    assert found["stoppedReason"].startswith("ResourceInitializationError: unable to pull secrets or registry auth")
    assert said in found["stoppedReason"]


def test_a_missing_log_group_stops_the_task_unless_it_may_be_created(ecs, task_of):
    group = f"/absent/{uuid.uuid4().hex[:8]}"
    options = {"awslogs-group": group, "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "w"}
    for extra, code in ({}, "TaskFailedToStart"), ({"awslogs-create-group": "true"}, "EssentialContainerExited"):
        logs = {"logDriver": "awslogs", "options": {**options, **extra}}
        cluster, task = task_of("true", settings={"logConfiguration": logs})
        assert await_status(ecs, cluster, task, "STOPPED")["stopCode"] == code


def test_a_task_has_its_roles_key_and_logs_with_its_execution_role(ecs, task_of, tmp_path, aws):
    """Run two tasks: the second finds the log group that the first created."""
    role = f"role-{uuid.uuid4().hex[:8]}"
    arns = {"taskRoleArn": f"arn:aws:iam::123456789012:role/{role}"}
    arns["executionRoleArn"] = f"{arns['taskRoleArn']}-execution"
    target = tmp_path / "key"
    for number in ("1", "2"):
        cluster, task = task_of(f"echo {number} $AWS_ACCESS_KEY_ID | tee {target}", roles=arns)
        assert await_status(ecs, cluster, task, "STOPPED")["containers"][0]["exitCode"] == 0
        assert target.read_text().split() == [number, role]
    lines = [json.loads(line) for line in (aws.state / "calls.jsonl").read_text().splitlines()]
    recorded = {(line["operation"], line["resource"].rpartition("/")[0]) for line in lines if role in line["role"]}
    streams = f"arn:aws:logs:eu-west-1:123456789012:log-group:/ecs/{cluster}:log-stream:w/work"
    assert recorded == {("logs:CreateLogStream", streams), ("logs:PutLogEvents", streams)}
