"""Moto's DynamoDB with transactions that are atomic against other writers and do not copy whole tables."""

import re
import threading
from collections.abc import Callable, Iterable
from typing import Any

import orjson
from moto.core.responses import ActionResult
from moto.dynamodb import urls
from moto.dynamodb.comparisons import create_condition_expression_parser, get_filter_expression
from moto.dynamodb.exceptions import (
    ItemSizeTooLarge,
    MultipleTransactionsException,
    TooManyTransactionsException,
    TransactionCanceledException,
)
from moto.dynamodb.models.dynamo_type import DynamoType, Item, LimitedSizeDict
from moto.dynamodb.models.table import Table
from moto.dynamodb.models.utilities import bytesize
from moto.dynamodb.responses import DynamoHandler, validate_attributes_used, validate_put_has_empty_keys

from sandbox.aws.context import Context
from sandbox.aws.strict.rules.values import normal

MAX_ITEM_BYTES = 405_000  # moto's limit
MAX_ACTIONS = 100
DIRECT = {"BatchGetItem", "TransactWriteItems"}
MAX_ANSWER_BYTES = 16 << 20
_NORMAL = re.compile(r"0|-?[1-9]\d{0,37}|-?(?:0|[1-9]\d{0,17})\.\d{0,18}[1-9]").fullmatch
_moto_value = DynamoType.__init__
_writing = threading.RLock()


class DynamoApi(DynamoHandler):
    """DynamoDB's actions; writes run one at a time, because moto checks and writes in two steps."""

    def parse_parameters(self, request: Any) -> None:  # noqa: ANN401 - moto's kind of request
        """Parse the busiest actions' JSON directly; moto's own walk through it would double their time."""
        body = request.get_data()
        if self._get_action() in DIRECT and b'"B"' not in body and b'"BS"' not in body:
            self.params = orjson.loads(body)
        else:
            super().parse_parameters(request)

    def put_item(self) -> ActionResult:
        """PutItem."""
        with _writing:
            return super().put_item()

    def update_item(self) -> ActionResult:
        """UpdateItem."""
        with _writing:
            return super().update_item()

    def delete_item(self) -> ActionResult:
        """DeleteItem."""
        with _writing:
            return super().delete_item()

    def batch_write_item(self) -> ActionResult:
        """BatchWriteItem."""
        with _writing:
            return super().batch_write_item()

    def transact_write_items(self) -> ActionResult:
        """TransactWriteItems: for puts only, skip moto's copy of each table per put."""
        actions = self.body["TransactItems"]
        with _writing:
            if not all(self._is_simple_put(action) for action in actions):
                return super().transact_write_items()
            if len(actions) > MAX_ACTIONS:
                raise TooManyTransactionsException
            _put_atomically([(self._table(action["Put"]), action["Put"]) for action in actions])
        return ActionResult({"ConsumedCapacity": [], "ItemCollectionMetrics": {}})

    def batch_get_item(self) -> Any:  # noqa: ANN401 - moto accepts a complete response too, unlike its types
        """BatchGetItem: for whole items of one table, skip moto's serializer, which takes 2 ms per item."""
        (name, request), *others = self.body["RequestItems"].items()
        if others or set(request) - {"Keys", "ConsistentRead"} or len(request["Keys"]) > MAX_ACTIONS:
            return super().batch_get_item()
        if self._contains_duplicates(request["Keys"]):
            return super().batch_get_item()
        found = [self.dynamodb_backend.get_item(name, key) for key in request["Keys"]]
        items = [item.to_json()["Attributes"] for item in found if item is not None]
        answer = orjson.dumps({"Responses": {name: items}, "UnprocessedKeys": {}})
        if len(answer) > MAX_ANSWER_BYTES:
            return super().batch_get_item()
        return 200, {"content-type": "application/x-amz-json-1.0"}, answer.decode()

    def _table(self, put: dict[str, Any]) -> Table:
        return self.dynamodb_backend.get_table(put["TableName"])

    def _is_simple_put(self, action: dict[str, Any]) -> bool:
        if set(action) != {"Put"} or "ReturnValuesOnConditionCheckFailure" in action["Put"]:
            return False
        table = self._table(action["Put"])
        return table.range_key_attr is None and table.stream_shard is None


def _put_atomically(puts: list[tuple[Table, dict[str, Any]]]) -> None:
    """Put all items, or none if a condition fails."""
    conditions: dict[bytes, Any] = {}
    keys = set()
    errors: list[tuple[Any, Any, Any]] = []
    for table, put in puts:
        validate_put_has_empty_keys(put["Item"], table)
        key = DynamoType(put["Item"][table.hash_key_attr])
        if (table.name, key) in keys:
            raise MultipleTransactionsException
        keys.add((table.name, key))
        holds = _condition(put, conditions).expr(table.get_item(key))
        errors.append(
            (None, None, None) if holds else ("ConditionalCheckFailed", "The conditional request failed", None)
        )
    if any(code for code, _, _ in errors):
        raise TransactionCanceledException(errors)
    _put_all(puts)


def _condition(put: dict[str, Any], known: dict[bytes, Any]) -> Any:  # noqa: ANN401 - moto's own kind
    """Parse a put's condition; the puts of a transaction usually share it."""
    expression = put.get("ConditionExpression")
    names, values = put.get("ExpressionAttributeNames", {}), put.get("ExpressionAttributeValues", {})
    identity = orjson.dumps([expression, names, values])
    if identity not in known:
        parser = create_condition_expression_parser(expression, names, values)
        parser.parse()
        validate_attributes_used(names, parser.expr_attr_names_found, validation_error_prefix=False)
        known[identity] = get_filter_expression(expression, names, values)
    return known[identity]


def _put_all(puts: Iterable[tuple[Table, dict[str, Any]]]) -> None:
    """Put all items; if DynamoDB would refuse one, undo the earlier ones."""
    undo: list[Callable[[], object]] = []
    try:
        for table, put in puts:
            key = DynamoType(put["Item"][table.hash_key_attr])
            undo.append(_undo(table, key))
            table.put_item(put["Item"], overwrite=True)
    except Exception:
        for step in reversed(undo):
            step()
        raise


def _undo(table: Table, key: DynamoType) -> Callable[[], object]:
    items: dict[DynamoType, Any] = table.items
    if key in items:
        before = items[key]
        return lambda: items.__setitem__(key, before)
    return lambda: items.pop(key, None)


def _init_value(value: DynamoType, given: DynamoType | dict[str, Any]) -> None:
    """Initialise a value as moto's `DynamoType.__init__` does, with numbers in DynamoDB's own form: "1.0" is "1"."""
    _moto_value(value, given)
    if value.type == "N":
        value.value = _normal(value.value)
    elif value.type == "NS":
        value.value = [_normal(number) for number in value.value]


def _normal(number: Any) -> str:  # noqa: ANN401 - moto has texts and numbers here
    text = str(number)
    return text if _NORMAL(text) else normal(text)


def _init_item(item: Item, hash_key: DynamoType, range_key: DynamoType | None, attrs: dict[str, Any]) -> None:
    """Initialise an item as moto's `Item.__init__` does, but compute its size once and not once per attribute."""
    item.hash_key, item.range_key, item.attrs = hash_key, range_key, LimitedSizeDict()
    size = 0
    for key, value in attrs.items():
        typed = DynamoType(value)
        size += bytesize(key) + typed.size()
        dict.__setitem__(item.attrs, key, typed)
    if size > MAX_ITEM_BYTES:
        raise ItemSizeTooLarge


def install(_: Context) -> Callable[[], None]:
    """Replace moto's DynamoDB actions; the returned function does nothing."""
    DynamoType.__init__ = _init_value  # type: ignore[assignment,method-assign]
    Item.__init__ = _init_item  # type: ignore[assignment,method-assign]
    urls.url_paths["{0}/"] = DynamoApi.dispatch
    return lambda: None
