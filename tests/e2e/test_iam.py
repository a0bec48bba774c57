"""Each role of deployments/aws allows what ingest, train, score, release and monitor call, and nothing they never call.

The flows run as ECS tasks, jobs as SageMaker's, model servers as KServe's, each with an access key that is its role's
name, and the sandbox notes who calls what. What SageMaker and Athena do on a role's behalf, they do here with that
role's key too.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from sandbox import estate
from tests.deployments.calls import Call, idle, lacking, needed
from tests.deployments.exempt import EXEMPT
from tests.deployments.policies import ROLES, grants, read, role_name
from tests.e2e import portfolio
from tests.e2e.processes import with_variable
from tests.e2e.runs import eventually, now
from tests.e2e.test_training import new_jobs
from tests.e2e.world import V1, World

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("e2e"), pytest.mark.timeout(600)]
TABLE = f"applications_{portfolio.NAME}"
KEY = "arn:aws:kms:eu-west-1:123456789012:key/data"
PATIENT = {"max_rounds": "1000000", "early_stopping_rounds": "1000000"}


def ingest(world: World) -> None:
    """Ingest a mixed file into a table that lacks a column, as after a contract has grown."""
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
    """The second publication of a day moves the first one's partition."""
    for flow in ("score", "score", "monitor"):
        world.runs.completed(flow, portfolio=portfolio.NAME)


def train_and_leave(world: World) -> None:
    """A training whose flow is killed, so that the next one stops its job; and one that is cancelled."""
    before = {job["TrainingJobName"] for job in world.training_jobs()}
    killed = _endless(world, "0.0001")
    eventually(lambda: new_jobs(world, before), "a job in progress", seconds=90)
    for process in with_variable("PREFECT__FLOW_RUN_ID", str(killed)):
        process.kill()
    assert world.runs.end(killed).state.is_crashed()
    cancelled = _endless(world, "0.0002")
    eventually(lambda: len(new_jobs(world, before)) == 2, "a second job", seconds=90)
    world.runs.cancel(cancelled)
    assert world.runs.end(cancelled).state.is_cancelled()
    eventually(lambda: set(new_jobs(world, before).values()) == {"Stopped"}, "both jobs stopped")


def _endless(world: World, rate: str) -> UUID:
    return world.runs.start(
        "train", portfolio=portfolio.NAME, approval="manual", parameters={**PATIENT, "learning_rate": rate}
    )


def serve(world: World) -> None:
    """Ask by id, and wait until the predictions are in S3."""
    world.post(V1, {"instances": [{"id": "1"}]})
    eventually(lambda: world.keys("predictions/"), "a file of predictions", seconds=90)


def die_before_it_begins(world: World) -> None:
    """A run whose task dies before it reaches Prefect: the worker fetches the task's log."""
    died = world.runs.start("monitor", portfolio=portfolio.NAME)
    for process in eventually(lambda: with_variable("PREFECT__FLOW_RUN_ID", str(died)), "its task", pause=0.05):
        process.kill()
    assert world.runs.end(died).state.is_crashed()
    eventually(lambda: READ_LOG in notes(world), "the worker read the log")


READ_LOG = '"credit-worker", "operation": "logs:GetLogEvents"'
# What must run, and what in the notes shows that it has: other tests of the session have done most of it.
DRIVEN: dict[Callable[[World], None], tuple[str, ...]] = {
    ingest: ("glue:UpdateTable", "/quarantine/", "/landing/"),
    score_twice_and_monitor: ("glue:UpdatePartition", "/monitor/"),
    serve: ("dynamodb:BatchGetItem", "/predictions/"),
    train_and_leave: ("sagemaker:ListTags", "sagemaker:StopTrainingJob"),
    die_before_it_begins: (READ_LOG,),
}


def notes(world: World) -> str:
    """Return what the sandbox has noted so far."""
    return (world.state / "aws" / "calls.jsonl").read_text()


def values(world: World) -> dict[str, str]:
    """Return the parameters of the templates, as they are in the sandbox."""
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
        "PrefectApiKeySecret": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prefect",
        "ServeTokenSecret": "",
    }


def calls(world: World) -> dict[str, set[Call]]:
    """Return what each role has needed since the sandbox began."""
    noted = defaultdict(set)
    for line in notes(world).splitlines():
        key, operation, resource = read(line)
        # The tests' own files lie in import/, where no event announces them; a user's lie in landing/.
        noted[key].add(
            (operation, resource and resource.replace(f"{world.bucket}/import/", f"{world.bucket}/landing/"))
        )
    return {role: needed(noted[role_name(role)], KEY) for role in ROLES}


@pytest.fixture(scope="module")
def called(world: World) -> dict[str, set[Call]]:
    """The calls of all roles, once every flow has run."""
    world.runs.quiet()
    for drive, evidence in DRIVEN.items():
        if not all(words in notes(world) for words in evidence):
            drive(world)
    found = calls(world)
    # ECS is handed two roles with each task, and names them in no request.
    found["WorkerRole"] |= {
        Call("iam:PassRole", f"arn:aws:iam::{estate.ACCOUNT}:role/{role_name(role)}")
        for role in ("FlowRole", "ExecutionRole")
    }
    return found


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_what_it_does(world: World, called: dict[str, set[Call]], role: str) -> None:
    assert called[role], "nothing was ever called under this role: the sandbox notes nothing, or nothing ran"
    assert lacking(called[role], grants(role, values(world))) == [], "grant it in deployments/aws"


@pytest.mark.parametrize("role", ROLES)
def test_a_role_does_what_it_may(world: World, called: dict[str, set[Call]], role: str) -> None:
    found = idle(called[role], grants(role, values(world)), EXEMPT[role])
    assert found == [], "take it out of deployments/aws, or say in tests/deployments/exempt.py why it stands there"
