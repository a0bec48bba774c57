"""Rules of SQS; the messages are those recorded in localstack's `tests/aws/services/sqs`."""

import json
import re
from collections.abc import Callable
from typing import Any

from moto.sqs.models import sqs_backends

from sandbox.aws.strict.requests import Call
from sandbox.aws.strict.rules.rule import Rule

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,75}\.fifo")
_BATCH_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_TOKEN = re.compile(r"[!-~]{1,128}")
_MOST_BYTES = 1_048_576
_MOST_ENTRIES = 10
_INVALID = re.compile("[^\u0009\u000a\u000d\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Attribute of a queue and its least and greatest value.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
_NUMBERS = {
    "DelaySeconds": (0, 900),
    "MaximumMessageSize": (1024, _MOST_BYTES),
    "MessageRetentionPeriod": (60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "VisibilityTimeout": (0, 43_200),
    "KmsDataKeyReusePeriodSeconds": (60, 86_400),
}
_OTHERS = {
    "Policy", "RedrivePolicy", "RedriveAllowPolicy", "FifoQueue", "ContentBasedDeduplication", "KmsMasterKeyId",
    "SqsManagedSseEnabled", "DeduplicationScope", "FifoThroughputLimit",
}  # fmt: skip
Broken = Callable[[Call], str | None]


def _between(name: str, least: int, most: int, reason: str) -> Broken:
    def broken(call: Call) -> str | None:
        value = call.get(name)
        if value is None or least <= value <= most:
            return None
        return f"Value {value} for parameter {name} is invalid. Reason: {reason}"

    return broken


def _queue_name(call: Call) -> str | None:
    if _NAME.fullmatch(call.get("QueueName") or ""):
        return None
    return "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"


def _fifo_name(call: Call) -> str | None:
    fifo = (call.get("Attributes") or {}).get("FifoQueue") == "true"
    if fifo == call.get("QueueName").endswith(".fifo"):
        return None
    if fifo:
        return (
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with "
            ".fifo suffix and be 1 to 80 in length."
        )
    return "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"


def _exists(call: Call) -> str | None:
    queue, given = (
        sqs_backends[call.account][call.region].queues.get(call.get("QueueName")),
        call.get("Attributes") or {},
    )
    if queue is None:
        return None
    for name, value in given.items():
        if str(queue.attributes.get(name)).lower() != value.lower() and name not in ("Policy", "RedrivePolicy"):
            return f"A queue already exists with the same name and a different value for attribute {name}"
    return None


def _redrive(call: Call) -> str | None:
    text = (call.get("Attributes") or {}).get("RedrivePolicy")
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        found = None
    if isinstance(found, dict) and (not found or {"deadLetterTargetArn", "maxReceiveCount"} <= set(found)):
        return None
    return (
        f"Value {text} for parameter RedrivePolicy is invalid. Reason: Amazon SQS can't create the redrive policy, as "
        "it\u2019s in an unsupported format."
    )


def _unknown_attribute(call: Call) -> str | None:
    unknown = [name for name in call.get("Attributes") or {} if name not in _NUMBERS and name not in _OTHERS]
    return f"Unknown Attribute {unknown[0]}." if unknown else None


def _fifo_attribute(call: Call) -> str | None:
    given, fifo = call.get("Attributes") or {}, (call.get("QueueName") or "").endswith(".fifo")
    if "FifoQueue" in given and not fifo:
        return "Unknown Attribute FifoQueue."
    if "ContentBasedDeduplication" in given and not fifo:
        return "Unknown Attribute ContentBasedDeduplication."
    return None


def _attribute_value(call: Call) -> str | None:
    for name, value in (call.get("Attributes") or {}).items():
        least, most = _NUMBERS.get(name, (None, None))
        if (
            least is not None
            and most is not None
            and not (re.fullmatch(r"-?\d+", value) and least <= int(value) <= most)
        ):
            return f"Invalid value for the parameter {name}."
    return None


def _entries(call: Call) -> list[dict[str, Any]]:
    return call.get("Entries") or []


def _empty_batch(call: Call) -> str | None:
    return None if _entries(call) else "There should be at least one SendMessageBatchRequestEntry in the request."


def _large_batch(call: Call) -> str | None:
    count = len(_entries(call))
    if count <= _MOST_ENTRIES:
        return None
    return f"Maximum number of entries per request are {_MOST_ENTRIES}. You have sent {count}."


def _batch_ids(call: Call) -> str | None:
    if all(_BATCH_ID.fullmatch(entry["Id"]) for entry in _entries(call)):
        return None
    return (
        "A batch entry id can only contain alphanumeric characters, hyphens and underscores. "
        "It can be at most 80 letters long."
    )


def _repeated_ids(call: Call) -> str | None:
    ids = [entry["Id"] for entry in _entries(call)]
    repeated = [name for name in ids if ids.count(name) > 1]
    return f"Id {repeated[0]} repeated." if repeated else None


def _batch_size(call: Call) -> str | None:
    total = sum(len(entry["MessageBody"].encode()) for entry in _entries(call))
    if total <= _MOST_BYTES:
        return None
    return f"Batch requests cannot be longer than {_MOST_BYTES} bytes. You have sent {total} bytes."


def _body_missing(call: Call) -> str | None:
    return None if call.get("MessageBody") else "The request must contain the parameter MessageBody."


def _body_long(call: Call) -> str | None:
    if len(call.get("MessageBody").encode()) <= _MOST_BYTES:
        return None
    return f"One or more parameters are invalid. Reason: Message must be shorter than {_MOST_BYTES} bytes."


def _body_text(call: Call) -> str | None:
    found = _INVALID.search(call.get("MessageBody"))
    if not found:
        return None
    return (
        f"Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF: {ord(found[0]):#x}"
    )


def _identifiers(call: Call) -> str | None:
    for name in ("MessageGroupId", "MessageDeduplicationId"):
        value = call.get(name)
        if value is not None and not _TOKEN.fullmatch(value):
            return (
                f"Value {value} for parameter {name} is invalid. Reason: {name} can only include alphanumeric and "
                "punctuation characters. 1 to 128 in length."
            )
    return None


def _empty_attributes(call: Call) -> str | None:
    for name, value in (call.get("MessageAttributes") or {}).items():
        kind = value.get("DataType", "")
        if not any(value.get(of) for of in ("StringValue", "BinaryValue")):
            return (
                f"Message (user) attribute '{name}' must contain a non-empty value of type '{kind.partition('.')[0]}'."
            )
    return None


def _attribute_kinds(call: Call) -> str | None:
    for name, value in (call.get("MessageAttributes") or {}).items():
        if value.get("DataType", "").partition(".")[0] not in ("String", "Number", "Binary"):
            return (
                f"The type of message (user) attribute '{name}' is invalid. You must use only the following supported "
                "type prefixes: Binary, Number, String."
            )
    return None


_API = "APIReference/API_"
_VALUE, _BATCHES = "InvalidParameterValue", "SendMessageBatch DeleteMessageBatch ChangeMessageVisibilityBatch"
_PREFIX = "AWS.SimpleQueueService."
RULES = (
    Rule("CreateQueue", f"{_API}CreateQueue", _queue_name, _VALUE),
    Rule("CreateQueue", f"{_API}CreateQueue: FIFO names", _fifo_name, _VALUE),
    Rule("CreateQueue SetQueueAttributes", f"{_API}SetQueueAttributes: RedrivePolicy", _redrive, _VALUE),
    Rule("CreateQueue", "test_create_queue_with_different_attributes_raises_exception", _exists, "QueueAlreadyExists"),
    Rule("CreateQueue SetQueueAttributes", f"{_API}CreateQueue", _unknown_attribute, "InvalidAttributeName"),
    Rule("CreateQueue", "test_create_standard_queue_with_fifo_attribute", _fifo_attribute, "InvalidAttributeName"),
    Rule("CreateQueue SetQueueAttributes", f"{_API}CreateQueue", _attribute_value, "InvalidAttributeValue"),
    Rule("ReceiveMessage", "test_send_receive_max_number_of_messages",
         _between("MaxNumberOfMessages", 1, 10, "Must be between 1 and 10, if provided."), _VALUE),
    Rule("ReceiveMessage", "test_send_receive_wait_time_seconds",
         _between("WaitTimeSeconds", 0, 20, "Must be >= 0 and <= 20, if provided."), _VALUE),
    Rule("ReceiveMessage ChangeMessageVisibility", f"{_API}ReceiveMessage",
         _between("VisibilityTimeout", 0, 43_200, "Must be >= 0 and <= 43200, if provided."), _VALUE),
    Rule("SendMessage", f"{_API}SendMessage",
         _between("DelaySeconds", 0, 900, "DelaySeconds must be >= 0 and <= 900."), _VALUE),
    Rule("SendMessage", "test_send_empty_message", _body_missing, "MissingParameter"),
    Rule("SendMessage", "test_send_oversized_message", _body_long, _VALUE),
    Rule("SendMessage", f"{_API}SendMessage", _body_text, "InvalidMessageContents"),
    Rule("SendMessage", "test_send_message_to_standard_queue_with_invalid_message_group_id", _identifiers, _VALUE),
    Rule("SendMessage", f"{_API}MessageAttributeValue", _attribute_kinds, _VALUE),
    Rule("SendMessage", "test_send_message_with_empty_string_attribute", _empty_attributes, _VALUE),
    Rule(_BATCHES, f"{_API}SendMessageBatch", _empty_batch, f"{_PREFIX}EmptyBatchRequest"),
    Rule(_BATCHES, "test_too_many_entries_in_batch_request", _large_batch, f"{_PREFIX}TooManyEntriesInBatchRequest"),
    Rule(_BATCHES, "test_invalid_batch_id", _batch_ids, f"{_PREFIX}InvalidBatchEntryId"),
    Rule(_BATCHES, f"{_API}SendMessageBatch", _repeated_ids, f"{_PREFIX}BatchEntryIdsNotDistinct"),
    Rule("SendMessageBatch", "test_send_message_batch_oversized", _batch_size, f"{_PREFIX}BatchRequestTooLong"),
)  # fmt: skip
