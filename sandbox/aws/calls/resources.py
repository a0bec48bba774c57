"""Which resources a call names, per service, as ARNs in the form that policies use."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

Parameters = dict[str, Any]
ANY = "*"


class Call(NamedTuple):
    """One operation on one resource.

    Attributes:
        operation: An operation of the requested service, or a qualified one such as `iam:PassRole`.
        resource: An ARN; None if the request names the resource by an id that does not give the ARN.
    """

    operation: str
    resource: str | None


class Place(NamedTuple):
    """The account and region of a request."""

    partition: str
    region: str
    account: str

    def arn(self, service: str, rest: str) -> str:
        """Return the ARN of a resource in this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{rest}"


Named = Callable[[str, Parameters, Place], Iterator[Call]]


def dynamodb(operation: str, given: Parameters, place: Place) -> Iterator[Call]:
    """Yield calls on tables; a transaction needs the permission of each of its actions."""
    for action in given.get("TransactItems") or ():
        for kind, what in action.items():
            name = "ConditionCheckItem" if kind == "ConditionCheck" else f"{kind}Item"
            yield Call(name, place.arn("dynamodb", f"table/{what['TableName']}"))
    for table in given.get("RequestItems") or ():
        yield Call(operation, place.arn("dynamodb", f"table/{table}"))
    if "TableName" in given:
        yield Call(operation, place.arn("dynamodb", f"table/{given['TableName']}"))


def glue(operation: str, given: Parameters, place: Place) -> Iterator[Call]:
    """Yield calls on the catalog, the database and the table, because Glue checks all three."""
    yield Call(operation, place.arn("glue", "catalog"))
    of_databases = operation.endswith(("Database", "Databases"))
    database = given.get("Name") if of_databases else given.get("DatabaseName")
    database = database or (given.get("DatabaseInput") or {}).get("Name")
    if not database:
        return
    yield Call(operation, place.arn("glue", f"database/{database}"))
    if not of_databases:
        table = given.get("TableName") or given.get("Name") or (given.get("TableInput") or {}).get("Name") or ANY
        yield Call(operation, place.arn("glue", f"table/{database}/{table}"))


def athena(operation: str, given: Parameters, place: Place) -> Iterator[Call]:
    """Yield calls on workgroups; the id of a query does not give its workgroup."""
    group = given.get("WorkGroup")
    yield Call(operation, place.arn("athena", f"workgroup/{group}") if group else None)


_SAGEMAKER_NAMES = {
    "TrainingJobName": "training-job",
    "TransformJobName": "transform-job",
    "ModelPackageGroupName": "model-package-group",
    "ModelName": "model",
}


def sagemaker(operation: str, given: Parameters, place: Place) -> Iterator[Call]:
    """Yield calls on jobs, models and packages; tags in a create request need `AddTags` too."""
    arn = _sagemaker_arn(operation, given, place)
    yield Call(operation, arn)
    if given.get("Tags") and operation != "AddTags":
        yield Call("AddTags", arn)


def _sagemaker_arn(operation: str, given: Parameters, place: Place) -> str | None:
    for name in ("ResourceArn", "ModelPackageArn", "ModelPackageName"):
        if str(given.get(name, "")).startswith("arn:"):
            return str(given[name])
    if operation == "CreateModelPackage" and "ModelPackageGroupName" in given:
        return place.arn("sagemaker", f"model-package/{given['ModelPackageGroupName']}/*")
    if operation.startswith("List") and operation != "ListTags":
        return ANY
    kinds = ((kind, given[name]) for name, kind in _SAGEMAKER_NAMES.items() if name in given)
    return next((place.arn("sagemaker", f"{kind}/{name}") for kind, name in kinds), None)


def logs(operation: str, given: Parameters, place: Place) -> Iterator[Call]:
    """Yield calls on log groups and their streams."""
    group = given.get("logGroupName")
    # Without a stream the ARN ends before the stream's name, as in AWS's refusals.
    stream = given.get("logStreamName", "")
    yield Call(operation, place.arn("logs", f"log-group:{group}:log-stream:{stream}") if group else ANY)


def ecs(operation: str, given: Parameters, place: Place) -> Iterator[Call]:
    """Yield calls on clusters, tasks and task definitions, named by ARN or by name."""
    cluster = str(given.get("cluster") or "default").rsplit("/", 1)[-1]
    tasks = [*(given.get("tasks") or ()), *([given["task"]] if "task" in given else [])]
    if operation == "RunTask":
        family, _, revision = str(given["taskDefinition"]).rsplit("/", 1)[-1].partition(":")
        yield Call(operation, place.arn("ecs", f"task-definition/{family}:{revision or ANY}"))
        if given.get("tags"):
            yield Call("TagResource", place.arn("ecs", f"task/{cluster}/*"))
    elif tasks:
        for task in tasks:
            yield Call(operation, place.arn("ecs", f"task/{cluster}/{str(task).rsplit('/', 1)[-1]}"))
    elif operation == "DescribeClusters":
        for name in given.get("clusters") or ("default",):
            yield Call(operation, place.arn("ecs", f"cluster/{str(name).rsplit('/', 1)[-1]}"))
    else:
        yield Call(operation, ANY)


def sqs(operation: str, given: Parameters, place: Place) -> Iterator[Call]:
    """Yield calls on queues, by URL or name."""
    queue = str(given.get("QueueUrl") or given.get("QueueName") or "").rsplit("/", 1)[-1]
    yield Call(operation, place.arn("sqs", queue) if queue else ANY)


def secretsmanager(operation: str, given: Parameters, place: Place) -> Iterator[Call]:
    """Yield calls on secrets, by ARN or name; the suffix of an ARN does not follow from a name."""
    secret = str(given.get("SecretId") or given.get("Name") or "")
    known = secret if secret.startswith("arn:") else place.arn("secretsmanager", f"secret:{secret}-??????")
    yield Call(operation, known if secret else ANY)


NAMED: dict[str, Named] = {
    "dynamodb": dynamodb,
    "glue": glue,
    "athena": athena,
    "sagemaker": sagemaker,
    "logs": logs,
    "ecs": ecs,
    "sqs": sqs,
    "secretsmanager": secretsmanager,
}
