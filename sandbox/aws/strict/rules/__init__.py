"""Rules of AWS that its service models do not have: one table, each row with its source."""

from sandbox.aws.strict.refusals import Refusal
from sandbox.aws.strict.requests import Call
from sandbox.aws.strict.rules import data, dynamodb, ecs, events, iam, logs, rule, sagemaker, secrets, sqs
from sandbox.aws.strict.rules.rule import Rule

TABLES: dict[str, tuple[Rule, ...]] = {
    "athena": data.ATHENA,
    "glue": data.GLUE,
    "iam": iam.RULES,
    "logs": logs.RULES,
    "secretsmanager": secrets.RULES,
    "ssm": secrets.PARAMETERS,
    "dynamodb": dynamodb.RULES,
    "ecs": ecs.RULES,
    "events": events.RULES,
    "sagemaker": sagemaker.RULES,
    "sqs": sqs.RULES,
}
_BY_OPERATION = rule.by_operation(TABLES)


def broken(call: Call) -> Refusal | None:
    """Return the refusal of the first rule that a call breaks."""
    for item in _BY_OPERATION.get((call.service, call.name), ()):
        message = item.broken(call)
        if message is not None:
            return Refusal(item.code, message, item.status)
    return None
