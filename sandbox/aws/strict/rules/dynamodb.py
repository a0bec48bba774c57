"""Rules of DynamoDB: names, keys and expressions. Those of single values are in `values`."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from moto.dynamodb.models import dynamodb_backends

from sandbox.aws.strict.requests import Call
from sandbox.aws.strict.rules import values
from sandbox.aws.strict.rules.rule import Rule

_TABLE = re.compile(r"[a-zA-Z0-9_.-]+")
_EXPRESSIONS = (
    "ConditionExpression", "UpdateExpression", "KeyConditionExpression", "FilterExpression", "ProjectionExpression",
)  # fmt: skip
_USED = re.compile(r"[#:][A-Za-z0-9_]+")
_INVALID = "One or more parameter values were invalid:"
_EMPTY_KEY = (
    "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string "
    "value."
)
_TYPES = "developerguide/HowItWorks.NamingRulesDataTypes"
_MOST_NAME = 255
_LEAST_NAME = 3


def _table_name(call: Call) -> str | None:
    name = call.get("TableName")
    if name is None or name.startswith("arn:"):
        return None
    where = f"1 validation error detected: Value '{name}' at 'tableName' failed to satisfy constraint: Member must "
    if not _TABLE.fullmatch(name):
        return f"{where}satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
    if len(name) < _LEAST_NAME:
        return f"{where}have length greater than or equal to {_LEAST_NAME}"
    return f"{where}have length less than or equal to {_MOST_NAME}" if len(name) > _MOST_NAME else None


def _actions(call: Call) -> Iterator[dict[str, Any]]:
    """Yield what names an item of a table: the request itself, or each action of a transaction."""
    if call.get("TransactItems") is None:
        yield call.parameters
    for item in call.get("TransactItems") or []:
        yield from item.values()


def _one_action(call: Call) -> str | None:
    if all(len(item) == 1 for item in call.get("TransactItems") or []):
        return None
    return "TransactItems can only contain one of Check, Put, Update or Delete"


def _one_write(call: Call) -> str | None:
    for writes in (call.get("RequestItems") or {}).values():
        if any(len(write) != 1 for write in writes):
            return "Supplied WriteRequest must contain exactly one of PutRequest and DeleteRequest"
    return None


def _introduced(check: Callable[[Call], str | None], beginning: str = "") -> Callable[[Call], str | None]:
    """Return a check whose messages with that beginning are introduced, as they are where one item is written."""

    def checked(call: Call) -> str | None:
        found, writes = check(call), call.name in ("PutItem", "UpdateItem", "DeleteItem")
        return f"1 validation error detected: {found}" if found and writes and found.startswith(beginning) else found

    return checked


def _expressions(call: Call) -> str | None:
    for action in _actions(call):
        found = _expression(action)
        if found:
            return found
    return None


def _expression(action: dict[str, Any]) -> str | None:
    given = {name: action[name] for name in _EXPRESSIONS if action.get(name) is not None}
    for kind, maps in (("Names", "#"), ("Values", ":")):
        entries = action.get(f"ExpressionAttribute{kind}")
        if entries is None:
            continue
        if not entries:
            return f"ExpressionAttribute{kind} must not be empty"
        if not given:
            return f"ExpressionAttribute{kind} can only be specified when using expressions"
        wrong = [name for name in entries if not re.fullmatch(f"{maps}[A-Za-z0-9_]+", name)]
        if wrong:
            return f'ExpressionAttribute{kind} contains invalid key: Syntax error; key: "{wrong[0]}"'
    empty = [name for name, text in given.items() if not text.strip()]
    return f"Invalid {empty[0]}: The expression can not be empty;" if empty else _references(action, given)


def _references(action: dict[str, Any], given: dict[str, str]) -> str | None:
    names, found = action.get("ExpressionAttributeNames") or {}, action.get("ExpressionAttributeValues") or {}
    used: set[str] = set()
    for kind, text in given.items():
        for reference in _USED.findall(text):
            used.add(reference)
            if reference[0] == "#" and reference not in names:
                what = "An expression attribute name used in the document path is not defined; attribute name"
                return f"Invalid {kind}: {what}: {reference}"
            if reference[0] == ":" and reference not in found:
                what = "An expression attribute value used in expression is not defined; attribute value"
                return f"Invalid {kind}: {what}: {reference}"
    for what, entries in (("Names", names), ("Values", found)):
        unused = [name for name in entries if name not in used]
        if unused:
            return f"Value provided in ExpressionAttribute{what} unused in expressions: keys: {{{', '.join(unused)}}}"
    return None


def _schema(call: Call, table: str | None) -> dict[str, str]:
    """Return the key attributes of a table and their types; nothing if it does not exist."""
    known = dynamodb_backends[call.account][call.region].tables.get(str(table).rsplit("/", 1)[-1])
    if known is None:
        return {}
    types = {item["AttributeName"]: item["AttributeType"] for item in known.attr}
    return {item["AttributeName"]: types[item["AttributeName"]] for item in known.schema}


def _keys(call: Call) -> Iterator[tuple[str | None, dict[str, Any]]]:
    for action in _actions(call):
        if isinstance(action.get("Key"), dict):
            yield action.get("TableName"), action["Key"]
    for table, wanted in (call.get("RequestItems") or {}).items():
        if isinstance(wanted, dict):
            yield from ((table, key) for key in wanted.get("Keys") or [])
        else:
            yield from ((table, write["DeleteRequest"]["Key"]) for write in wanted if "DeleteRequest" in write)


def _key(call: Call) -> str | None:
    for table, key in _keys(call):
        schema = _schema(call, table)
        if len(key) < len(schema):
            return "The number of conditions on the keys is invalid"
        if schema and len(key) > len(schema):
            return "The provided key element does not match the schema"
        for name, kind in schema.items():
            if name not in key or kind not in key[name]:
                return "The provided key element does not match the schema"
            if key[name][kind] == "":
                return f"{_EMPTY_KEY} Key: {name}"
    return None


def _put_key(call: Call) -> str | None:
    """Return what is wrong with the keys of an item that a transaction or a batch puts."""
    puts = [(action.get("TableName"), action["Item"]) for action in _actions(call) if "Item" in action]
    for table, wanted in (call.get("RequestItems") or {}).items():
        if isinstance(wanted, list):
            puts += [(table, write["PutRequest"]["Item"]) for write in wanted if "PutRequest" in write]
    for table, item in puts:
        for name, kind in _schema(call, table).items():
            if name not in item:
                return f"One or more parameter values were invalid: Missing the key {name} in the item"
            if kind not in item[name]:
                actual = next(iter(item[name]))
                return f"{_INVALID} Type mismatch for key {name} expected: {kind} actual: {actual}"
            if item[name][kind] == "":
                return f"{_EMPTY_KEY} Key: {name}"
    return None


def _conditions(call: Call) -> str | None:
    if call.get("KeyConditionExpression") is not None or call.get("KeyConditions"):
        return None
    return "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."


def _index(call: Call) -> str | None:
    table = dynamodb_backends[call.account][call.region].tables.get(str(call.get("TableName")))
    wanted = call.get("IndexName")
    if table is None or wanted is None or wanted in {index.name for index in [*table.indexes, *table.global_indexes]}:
        return None
    return f"The table does not have the specified index: {wanted}"


def _start(call: Call) -> str | None:
    given, schema = call.get("ExclusiveStartKey"), _schema(call, call.get("TableName"))
    if given is None or not schema or call.get("IndexName"):
        return None
    fits = set(given) == set(schema) and all(kind in given[name] for name, kind in schema.items())
    return None if fits else "The provided starting key is invalid"


_CONDITION = re.compile(r"([#\w.]+)\s*(?:=|<=|>=|<|>)\s*(:\w+)")


def _condition_types(call: Call) -> str | None:
    names, found = call.get("ExpressionAttributeNames") or {}, call.get("ExpressionAttributeValues") or {}
    schema = {} if call.get("IndexName") else _schema(call, call.get("TableName"))
    for name, value in _CONDITION.findall(call.get("KeyConditionExpression") or ""):
        kind = schema.get(names.get(name, name))
        if kind and value in found and kind not in found[value]:
            return "One or more parameter values were invalid: Condition parameter type does not match schema type"
    return None


_ITEM = "GetItem DeleteItem UpdateItem"
_TRANSACT = "TransactWriteItems TransactGetItems"
_BATCH = "BatchGetItem BatchWriteItem"
_ANY = "Query Scan PutItem CreateTable DescribeTable DeleteTable UpdateTable DescribeTimeToLive UpdateTimeToLive"
RULES = (
    Rule(f"{_ANY} {_ITEM}", "developerguide/HowItWorks.NamingRulesDataTypes", _table_name),
    Rule("TransactWriteItems", "API TransactWriteItem", _one_action),
    Rule("BatchWriteItem", "API WriteRequest", _one_write),
    Rule(f"PutItem Query Scan {_ITEM} {_TRANSACT} {_BATCH}", _TYPES, _introduced(values.broken, _INVALID)),
    Rule(f"PutItem Query Scan {_ITEM} {_TRANSACT}", "moto's test_dynamodb_exceptions", _introduced(_expressions)),
    Rule(f"{_ITEM} {_TRANSACT} {_BATCH}", "API GetItem.Key: all attributes of the primary key", _key),
    Rule("TransactWriteItems BatchWriteItem PutItem", "moto's test_dynamodb", _put_key),
    Rule("Query", "moto's test_dynamodb_exceptions", _conditions),
    Rule("Query", "moto's test_dynamodb: the type of a condition", _condition_types),
    Rule("Query Scan", "moto's test_dynamodb_statements", _index),
    Rule("Query Scan", "API Scan.ExclusiveStartKey", _start),
)  # fmt: skip
