"""Makes resources of the templates in deployments/aws in the sandbox, with boto3: moto's CloudFormation takes seconds.

Only what has an effect here is made. Encryption, lifecycles, policies of resources, alarms and networks are left out,
and whole types with them: `Formation.make` is given the logical ids that matter.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import boto3

from deployments import templates
from deployments.functions import Evaluator

Properties = dict[str, Any]


class Formation:
    """One template with its parameters, and the resources created from it so far.

    Args:
        stack: name of the template.
        values: its parameters; those left out have their defaults. What AWS itself knows is among them, `AWS::Region`.
    """

    def __init__(self, stack: str, values: Mapping[str, Any]) -> None:
        template = templates.load(stack)
        defaults = {name: rules["Default"] for name, rules in template["Parameters"].items() if "Default" in rules}
        self._template = template
        self._values: dict[str, Any] = {**defaults, **values, "AWS::NoValue": None}
        self._attributes: dict[str, dict[str, str]] = {}
        self._evaluator = Evaluator(template, ref=self._values.get, attribute=self._attribute)

    def make(self, logical_ids: Iterable[str]) -> None:
        """Make resources, in this order."""
        for logical in logical_ids:
            kind, properties = self._template["Resources"][logical]["Type"], self.properties(logical)
            self._values[logical], self._attributes[logical] = _MAKERS[kind](properties)

    def properties(self, logical_id: str) -> Properties:
        """Return the properties of a resource; what refers to something that is not made here is left out."""
        found: Properties = self._evaluator.evaluate(self._template["Resources"][logical_id]["Properties"])
        return found

    def outputs(self) -> dict[str, Any]:
        """Return the outputs that are known."""
        found = {name: self._evaluator.evaluate(output["Value"]) for name, output in self._template["Outputs"].items()}
        return {name: value for name, value in found.items() if value is not None}

    def _attribute(self, resource: str, name: str) -> str | None:
        return self._attributes.get(resource, {}).get(name)


def camel(value: Any) -> Any:  # noqa: ANN401 - any part of a template
    """Return properties as the APIs of ECR and ECS spell them: `TaskRoleArn` is `taskRoleArn`."""
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: camel(item) for key, item in value.items()}
    return [camel(item) for item in value] if isinstance(value, list) else value


Made = tuple[str, dict[str, str]]


def _client(service: str) -> Any:  # noqa: ANN401 - boto3 builds its clients at run time
    return boto3.client(service)


def _bucket(given: Properties) -> Made:
    name, s3 = given["BucketName"], _client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=given["VersioningConfiguration"])
    if given["NotificationConfiguration"]["EventBridgeConfiguration"]["EventBridgeEnabled"]:
        s3.put_bucket_notification_configuration(
            Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
    return name, {"Arn": f"arn:aws:s3:::{name}"}


def _database(given: Properties) -> Made:
    _client("glue").create_database(DatabaseInput=given["DatabaseInput"])
    return given["DatabaseInput"]["Name"], {}


def _workgroup(given: Properties) -> Made:
    wanted = given["WorkGroupConfiguration"]
    wanted["ResultConfiguration"].pop("EncryptionConfiguration", None)
    _client("athena").create_work_group(Name=given["Name"], Configuration=wanted)
    return given["Name"], {}


def _table(given: Properties) -> Made:
    wanted = {name: given[name] for name in ("TableName", "BillingMode", "AttributeDefinitions", "KeySchema")}
    made = _client("dynamodb").create_table(**wanted)["TableDescription"]
    return made["TableName"], {"Arn": made["TableArn"]}


def _repository(given: Properties) -> Made:
    wanted = {name: given[name] for name in ("RepositoryName", "ImageTagMutability")}
    made = _client("ecr").create_repository(**camel(wanted))["repository"]
    return made["repositoryName"], {"Arn": made["repositoryArn"], "RepositoryUri": made["repositoryUri"]}


def _role(given: Properties) -> Made:
    trust, iam = json.dumps(given["AssumeRolePolicyDocument"]), _client("iam")
    made = iam.create_role(RoleName=given["RoleName"], AssumeRolePolicyDocument=trust)["Role"]
    return made["RoleName"], {"Arn": made["Arn"]}


def _ecs_cluster(given: Properties) -> Made:
    made = _client("ecs").create_cluster(clusterName=given["ClusterName"])["cluster"]
    return made["clusterName"], {"Arn": made["clusterArn"]}


def register(task: Properties) -> None:
    """Register an ECS task definition."""
    _client("ecs").register_task_definition(**camel(task))


def _log_group(given: Properties) -> Made:
    _client("logs").create_log_group(logGroupName=given["LogGroupName"])
    return given["LogGroupName"], {"Arn": f"arn:aws:logs:::log-group:{given['LogGroupName']}:*"}


def _queue(given: Properties) -> Made:
    sqs = _client("sqs")
    url = sqs.create_queue(QueueName=given["QueueName"])["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return url, {"Arn": arn, "QueueName": given["QueueName"]}


def _connection(given: Properties) -> Made:
    # The template's key comes from Secrets Manager, which is not here; the Prefect server here asks for none.
    key = {**given["AuthParameters"]["ApiKeyAuthParameters"], "ApiKeyValue": "none"}
    made = _client("events").create_connection(
        Name=given["Name"],
        AuthorizationType=given["AuthorizationType"],
        AuthParameters={"ApiKeyAuthParameters": key},
    )
    return given["Name"], {"Arn": made["ConnectionArn"]}


def _destination(given: Properties) -> Made:
    made = _client("events").create_api_destination(**given)
    return given["Name"], {"Arn": made["ApiDestinationArn"]}


def _rule(given: Properties) -> Made:
    events, pattern = _client("events"), json.dumps(given["EventPattern"])
    arn = events.put_rule(Name=given["Name"], EventPattern=pattern, State="ENABLED")["RuleArn"]
    events.put_targets(Rule=given["Name"], Targets=given["Targets"])
    return given["Name"], {"Arn": arn}


_MAKERS: dict[str, Callable[[Properties], Made]] = {
    "AWS::Athena::WorkGroup": _workgroup,
    "AWS::DynamoDB::Table": _table,
    "AWS::ECR::Repository": _repository,
    "AWS::ECS::Cluster": _ecs_cluster,
    "AWS::Events::ApiDestination": _destination,
    "AWS::Events::Connection": _connection,
    "AWS::Events::Rule": _rule,
    "AWS::Glue::Database": _database,
    "AWS::IAM::Role": _role,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::S3::Bucket": _bucket,
    "AWS::SQS::Queue": _queue,
}
