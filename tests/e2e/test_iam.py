"""Each role of deployments/aws has exactly the permissions that ingest, train, score, release and monitor need.

Flows run as ECS tasks, jobs in SageMaker, model servers in KServe, each with an access key that is the name of its
role, and the sandbox records the calls of each key. Calls that SageMaker and Athena make on behalf of a role use that
role's key too.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from sandbox import estate
from sandbox.flow_runs import now
from tests.deployments.calls import Call, idle, lacking, needed
from tests.deployments.exempt import EXEMPT
from tests.deployments.policies import ROLES, grants, read, role_name
from tests.e2e import portfolio
from tests.e2e.processes import with_variable
from tests.e2e.runs import eventually
from tests.e2e.world import V1, World

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("e2e"), pytest.mark.timeout(600)]
TABLE = f"applications_{portfolio.NAME}"
KEY = "arn:aws:kms:eu-west-1:123456789012:key/data"
PATIENT = {"max_rounds": "1000000", "early_stopping_rounds": "1000000"}


def ingest(world: World) -> None:
    """Ingest a file with a bad row into a table that lacks a column, as after a contract has grown."""
    glue: Any = world.aws("glue")
    where = {"DatabaseName": world.environment["CREDIT_DATABASE"]}
    held = glue.get_table(**where, Name=TABLE)["Table"]
    known = {"Name", "Description", "Retention", "StorageDescriptor", "PartitionKeys", "TableType", "Parameters"}
    table = {name: value for name, value in held.items() if name in known}
    table["StorageDescriptor"]["Columns"].pop()
    glue.update_table(**where, TableInput=table)
    rows: list[dict[str, Any]] = list(portfolio.applicants(40, first_id=7_000_001, seed=7))
    rows[3] |= {"AGE": "young"}
    since = now()
    world.put(f"landing/{portfolio.NAME}/applications/iam.csv", portfolio.as_csv(rows))
    world.runs.triggered("ingest", since)


def score_twice_and_monitor(world: World) -> None:
    """Score twice, so that the second publication moves the day's partition, then monitor."""
    for flow in ("score", "score", "monitor"):
        world.runs.completed(flow, portfolio=portfolio.NAME)


def train_and_leave(world: World) -> None:
    """Kill the flow of a training, so that the next one stops its job; then cancel that one."""
    before = world.job_names()
    killed = _endless(world, "0.0001")
    eventually(lambda: world.new_jobs(before), "a job in progress", seconds=90)
    for process in with_variable("PREFECT__FLOW_RUN_ID", str(killed)):
        process.kill()
    assert world.runs.end(killed).state.is_crashed()
    cancelled = _endless(world, "0.0002")
    eventually(lambda: len(world.new_jobs(before)) == 2, "a second job", seconds=90)
    world.runs.cancel(cancelled)
    assert world.runs.end(cancelled).state.is_cancelled()
    eventually(lambda: set(world.new_jobs(before).values()) == {"Stopped"}, "both jobs stopped")


def _endless(world: World, rate: str) -> UUID:
    return world.runs.start(
        "train", portfolio=portfolio.NAME, approval="manual", parameters={**PATIENT, "learning_rate": rate}
    )


def serve(world: World) -> None:
    """Request a prediction by id, and wait until the prediction log is in S3."""
    world.post(V1, {"instances": [{"id": "1"}]})
    eventually(lambda: world.keys("predictions/"), "a file of predictions", seconds=90)


def kill_before_start(world: World) -> None:
    """Kill a run's task before it reaches Prefect, so that the worker fetches the task's log."""
    died = world.runs.start("monitor", portfolio=portfolio.NAME)
    for process in eventually(lambda: with_variable("PREFECT__FLOW_RUN_ID", str(died)), "its task", pause=0.05):
        process.kill()
    assert world.runs.end(died).state.is_crashed()
    eventually(lambda: READ_LOG in recorded_calls(world), "the worker read the log")


READ_LOG = '"credit-worker", "operation": "logs:GetLogEvents"'
# What must run, and the record that shows it has: other tests of the session have done most of it.
DRIVERS: dict[Callable[[World], None], tuple[str, ...]] = {
    ingest: ("glue:UpdateTable", "/quarantine/", "/landing/"),
    score_twice_and_monitor: ("glue:UpdatePartition", "/monitor/"),
    serve: ("dynamodb:BatchGetItem", "/predictions/"),
    train_and_leave: ("sagemaker:ListTags", "sagemaker:StopTrainingJob"),
    kill_before_start: (READ_LOG,),
}


def recorded_calls(world: World) -> str:
    """Return the calls that the sandbox has recorded so far."""
    return (world.state / "aws" / "calls.jsonl").read_text()


def values(world: World) -> dict[str, str]:
    """Return the parameters of the templates in the sandbox."""
    given = world.environment
    return {
        "Stage": "sandbox",
        "Bucket": given["CREDIT_BUCKET"],
        "Database": given["CREDIT_DATABASE"],
        "Workgroup": given["CREDIT_WORKGROUP"],
        "OnlineTables": given["CREDIT_ONLINE_TABLES"],
        "SageMakerRoleArn": given["CREDIT_SAGEMAKER_ROLE"],
        "EksCluster": "none",
        "DataKey": KEY,
        **{
            parameter: world.aws("secretsmanager").describe_secret(SecretId=name)["ARN"]
            for parameter, name in estate.SECRETS.items()
        },
    }


def calls(world: World) -> dict[str, set[Call]]:
    """Return the permissions that each role has needed since the sandbox started."""
    noted = defaultdict(set)
    for line in recorded_calls(world).splitlines():
        key, operation, resource = read(line)
        # The tests put their own files into import/, which sends no events; users put theirs into landing/.
        noted[key].add(
            (operation, resource and resource.replace(f"{world.bucket}/import/", f"{world.bucket}/landing/"))
        )
    return {role: needed(noted[role_name(role)], KEY) for role in ROLES}


@pytest.fixture(scope="module")
def called(world: World) -> dict[str, set[Call]]:
    """Return the calls of all roles, after every flow has run."""
    world.runs.quiet()
    for drive, evidence in DRIVERS.items():
        if not all(words in recorded_calls(world) for words in evidence):
            drive(world)
    found = calls(world)
    # Each ECS task is started with two roles that no request names.
    found["WorkerRole"] |= {
        Call("iam:PassRole", f"arn:aws:iam::{estate.ACCOUNT}:role/{role_name(role)}")
        for role in ("FlowRole", "ExecutionRole")
    }
    return found


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_every_permission_it_needs(world: World, called: dict[str, set[Call]], role: str) -> None:
    assert called[role], "no calls under this role: the sandbox recorded nothing, or nothing ran"
    assert lacking(called[role], grants(role, values(world))) == [], "grant it in deployments/aws"


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_no_permission_it_does_not_need(world: World, called: dict[str, set[Call]], role: str) -> None:
    found = idle(called[role], grants(role, values(world)), EXEMPT[role])
    assert found == [], "remove it from deployments/aws, or explain it in tests/deployments/exempt.py"
