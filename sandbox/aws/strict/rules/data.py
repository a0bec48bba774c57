"""Rules of Glue and of Athena's API."""

from collections.abc import Iterator
from typing import Any

from moto.athena.models import athena_backends
from moto.glue.models import glue_backends

from sandbox.aws.strict.requests import Call
from sandbox.aws.strict.rules.rule import Rule


def _table(call: Call) -> Any:  # noqa: ANN401 - moto's
    database = glue_backends[call.account][call.region].databases.get(call.get("DatabaseName"))
    return database and database.tables.get(call.get("TableName"))


def _partitions(call: Call) -> Iterator[list[str]]:
    """Yield the values of each partition that a request creates or names."""
    for given in (call.get("PartitionInput"), *(call.get("PartitionInputList") or [])):
        if given:
            yield given.get("Values") or []
    for name in ("PartitionValues", "PartitionValueList"):
        if call.get(name) is not None:
            yield call.get(name)


def _partition_values(call: Call) -> str | None:
    table = _table(call)
    if table is None:
        return None
    count = len(table.versions[max(table.versions)].get("PartitionKeys") or [])
    if all(len(values) == count for values in _partitions(call)):
        return None
    return "The number of partition keys do not match the number of partition values"


def _version(call: Call) -> str | None:
    table = _table(call)
    if table is None or call.get("VersionId") in {str(version) for version in table.versions}:
        return None
    return "Table version not found."


def _repeated_columns(call: Call) -> str | None:
    given = call.get("TableInput") or {}
    columns = [*((given.get("StorageDescriptor") or {}).get("Columns") or []), *(given.get("PartitionKeys") or [])]
    names = [column["Name"].lower() for column in columns]
    repeated = [name for name in names if names.count(name) > 1]
    return f"Column name {repeated[0]} is repeated" if repeated else None


def _primary(call: Call) -> str | None:
    return "The primary workgroup cannot be deleted." if call.get("WorkGroup") == "primary" else None


def _named_query(call: Call) -> str | None:
    name = call.get("NamedQueryId")
    return (
        None if name in athena_backends[call.account][call.region].named_queries else f"NamedQuery {name} was not found"
    )


def _catalog(call: Call) -> str | None:
    name = call.get("Name")
    known = name == "AwsDataCatalog" or name in athena_backends[call.account][call.region].data_catalogs
    return None if known else f"Data Catalog {name} was not found"


_INPUT, _MISSING, _REQUEST = "InvalidInputException", "EntityNotFoundException", "InvalidRequestException"
GLUE = (
    Rule(
        "CreatePartition BatchCreatePartition UpdatePartition GetPartition",
        "API PartitionInput.Values",
        _partition_values,
        _INPUT,
    ),
    Rule("DeleteTableVersion", "API DeleteTableVersion errors", _version, _MISSING),
    Rule("CreateTable UpdateTable", "Hive: columns and partition keys are distinct", _repeated_columns, _INPUT),
)
ATHENA = (
    Rule("DeleteWorkGroup", "API DeleteWorkGroup: the primary workgroup cannot be deleted", _primary, _REQUEST),
    Rule("GetNamedQuery", "API GetNamedQuery", _named_query, _REQUEST),
    Rule("GetDataCatalog", "API GetDataCatalog", _catalog, _REQUEST),
)
