"""Rules of SageMaker."""

import re
from collections import Counter

from sandbox.aws.strict.requests import Call
from sandbox.aws.strict.rules.rule import Rule

_MOST_MEGABYTES = 100
_TRAINING = "CreateTrainingJob"
_TRANSFORM = "CreateTransformJob"


def _spot(call: Call) -> str | None:
    if not call.get("EnableManagedSpotTraining"):
        return None
    longest, wait = (
        call.get("StoppingCondition.MaxRuntimeInSeconds"),
        call.get("StoppingCondition.MaxWaitTimeInSeconds"),
    )
    if wait is not None and wait >= (longest or 0):
        return None
    return "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds"


def _channels(call: Call) -> str | None:
    counts = Counter(channel.get("ChannelName") for channel in call.get("InputDataConfig") or [])
    repeated = [name for name, count in counts.items() if count > 1]
    return f"Duplicate channel name: {repeated[0]}. Each channel must have a unique name." if repeated else None


def _metrics(call: Call) -> str | None:
    for metric in call.get("AlgorithmSpecification.MetricDefinitions") or []:
        try:
            re.compile(metric["Regex"])
        except re.error as error:
            return f"Invalid regex '{metric['Regex']}' of metric definition '{metric['Name']}': {error}"
    return None


def _algorithm(call: Call) -> str | None:
    given = [call.get(f"AlgorithmSpecification.{name}") for name in ("TrainingImage", "AlgorithmName")]
    if sum(item is not None for item in given) == 1:
        return None
    return "You must specify either TrainingImage or AlgorithmName in AlgorithmSpecification, and not both."


def _payload(call: Call) -> str | None:
    product = (call.get("MaxConcurrentTransforms") or 0) * (call.get("MaxPayloadInMB") or 0)
    if product <= _MOST_MEGABYTES:
        return None
    return f"MaxConcurrentTransforms * MaxPayloadInMB is {product} MB; it cannot exceed {_MOST_MEGABYTES} MB."


def _join(call: Call) -> str | None:
    if call.get("DataProcessing.JoinSource") != "Input":
        return None
    split, assembled = (
        call.get("TransformInput.SplitType") or "None",
        call.get("TransformOutput.AssembleWith") or "None",
    )
    kind = call.get("TransformInput.ContentType") or ""
    if "csv" not in kind and "json" not in kind:
        return f"JoinSource is supported for CSV and JSON only, not for ContentType '{kind}'."
    if split != assembled or ("csv" in kind and split != "Line"):
        return f"To join the input, SplitType and AssembleWith must match: they are {split} and {assembled}."
    return None


def _package(call: Call) -> str | None:
    given = [call.get(name) for name in ("ModelPackageName", "ModelPackageGroupName")]
    if all(given):
        return "Both ModelPackageName and ModelPackageGroupName are provided in the input. Choose one."
    return None if any(given) else "Missing ARN."


def _containers(call: Call) -> str | None:
    given = [call.get(name) for name in ("PrimaryContainer", "Containers", "InferenceExecutionConfig")]
    if given[0] and given[1]:
        return "Both PrimaryContainer and Containers are provided in the input. Cannot determine which one to use."
    return None if any(given[:2]) else "Either PrimaryContainer or Containers must be provided."


def _reserved_tag(call: Call) -> str | None:
    reserved = [tag["Key"] for tag in call.get("Tags") or [] if tag["Key"].lower().startswith("aws:")]
    return f"Tag keys cannot start with aws:, which is reserved: {reserved[0]}" if reserved else None


def _repeated_tag(call: Call) -> str | None:
    counts = Counter(tag["Key"] for tag in call.get("Tags") or [])
    repeated = [key for key, count in counts.items() if count > 1]
    return f"Duplicate tag keys found: {repeated[0]}" if repeated else None


_TAGGED = f"AddTags {_TRAINING} {_TRANSFORM} CreateModel CreateModelPackageGroup CreateModelPackage"
RULES = (
    Rule(_TRAINING, "API StoppingCondition.MaxWaitTimeInSeconds; sagemaker-python-sdk#1198", _spot),
    Rule(_TRAINING, "API Channel.ChannelName: unique in the job", _channels),
    Rule(_TRAINING, "API MetricDefinition.Regex", _metrics),
    Rule(_TRAINING, "API AlgorithmSpecification.TrainingImage: one of the two", _algorithm),
    Rule(_TRANSFORM, "API CreateTransformJob.MaxPayloadInMB", _payload),
    Rule(_TRANSFORM, "dg/batch-transform-data-processing", _join),
    Rule("CreateModelPackage", "moto's aws_verified tests of model packages", _package),
    Rule("CreateModel", "API CreateModel.Containers", _containers),
    Rule(_TAGGED, "API Tag.Key; tagging restrictions of AWS", _reserved_tag),
    Rule(_TAGGED, "tagging restrictions of AWS: keys are unique", _repeated_tag),
)
