"""The lake's tables in Glue: created when first needed, widened when a contract gains columns."""

from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import ClientError

from credit_model.contract.contract import Contract
from tasks import layout
from tasks.errors import LakeError
from tasks.settings import settings

GLUE_TYPES = {
    "numeric": "double",
    "integer": "bigint",
    "boolean": "boolean",
    "categorical": "string",
    "ordinal": "string",
}

RESERVED = {"portfolio", "dt", "ingest", "ingested_at"}
# The lake is append-only. Rank 1 of an application or outcome is the row that arrived last.
RECENCY = "row_number() OVER (PARTITION BY application_id ORDER BY ingested_at DESC, ingest DESC)"


@dataclass(frozen=True)
class LakeTable:
    """A table of the lake: its name, its folder under `lake/`, its columns and its partition keys, in order."""

    name: str
    folder: str
    columns: dict[str, str]
    partitions: tuple[str, ...]

    @property
    def uri(self) -> str:
        """Return the folder's address, ending in `/`."""
        return layout.lake(self.folder)

    def location(self, values: list[str]) -> str:
        """Return a partition's hive-style address, ending in `/`."""
        return self.uri + "".join(f"{key}={value}/" for key, value in zip(self.partitions, values, strict=True))


def applications(contract: Contract) -> LakeTable:
    """Return the applications table of a portfolio; each has its own, because columns and types differ.

    Raises:
        LakeError: a column of the contract has a reserved name.
    """
    taken = sorted(RESERVED & {column.name for column in contract.columns})
    if taken:
        raise LakeError(f"contract {contract.name}: column {taken[0]!r} has a name that the lake reserves; rename it")
    columns = {"application_id": "string", "applied_at": "timestamp"}
    columns |= {column.name: GLUE_TYPES[column.kind] for column in contract.columns}
    columns |= {"ingested_at": "timestamp"}
    folder = f"applications/portfolio={contract.name}"
    return LakeTable(f"applications_{contract.name}", folder, columns, ("dt", "ingest"))


def selected(contract: Contract) -> str:
    """Return a contract's columns for a SELECT, quoted because a column may be named `order` or `group`."""
    return ", ".join(f'"{column.name}"' for column in contract.columns)


def outcomes() -> LakeTable:
    """Return the table of observed outcomes of all portfolios."""
    columns = {
        "application_id": "string",
        "defaulted": "boolean",
        "observed_at": "timestamp",
        "ingested_at": "timestamp",
    }
    return LakeTable("outcomes", "outcomes", columns, ("portfolio", "dt", "ingest"))


def scores() -> LakeTable:
    """Return the table of published batch scores of all portfolios."""
    text = dict.fromkeys(("grade", "decision", "model_version"), "string")
    columns = {"application_id": "string", "pd": "double", "score": "bigint", **text, "scored_at": "timestamp"}
    return LakeTable("scores", "scores", columns, ("portfolio", "dt"))


def ensure(table: LakeTable) -> None:
    """Create the table if it does not exist; add the columns that its contract has gained.

    Raises:
        LakeError: a column exists with another type.
    """
    import awswrangler as wr  # noqa: PLC0415 - heavy: imported where it is used

    database = settings().database
    existing: dict[str, str] | None = wr.catalog.get_table_types(database, table.name)
    if existing is not None:
        _check_types(table, existing)
        if set(table.columns) <= set(existing):
            return
    try:
        # Not "overwrite": of two concurrent first files, the second would drop the table of the first.
        wr.catalog.create_parquet_table(
            database,
            table.name,
            table.uri,
            columns_types=table.columns,
            partitions_types=dict.fromkeys(table.partitions, "string"),
            mode="append",
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "AlreadyExistsException":
            raise
        ensure(table)


def _check_types(table: LakeTable, existing: dict[str, str]) -> None:
    for column, kind in table.columns.items():
        found = existing.get(column, kind)
        if found != kind:
            raise LakeError(
                f"column {column!r} of table {table.name} is {found} in Glue and {kind} in the contract; "
                "rename the column in the contract or migrate the table"
            )


def add_partitions(table: LakeTable, locations: dict[str, list[str]]) -> None:
    """Make partitions visible, given as `{location: values}`; existing ones stay as they are."""
    import awswrangler as wr  # noqa: PLC0415 - heavy: imported where it is used

    wr.catalog.add_parquet_partitions(settings().database, table.name, locations, columns_types=table.columns)


def partitions(table: LakeTable, expression: str | None = None) -> list[list[str]]:
    """Return the values of every visible partition, sorted; none if the table does not exist yet."""
    return sorted(locations(table, expression).values())


def locations(table: LakeTable, expression: str | None = None) -> dict[str, list[str]]:
    """Return the values of every visible partition by address; none if the table does not exist yet."""
    import awswrangler as wr  # noqa: PLC0415 - heavy: imported where it is used

    try:
        found: dict[str, list[str]] = wr.catalog.get_partitions(settings().database, table.name, expression=expression)
    except ClientError as error:
        if error.response["Error"]["Code"] == "EntityNotFoundException":
            return {}
        raise
    return found


def point_partition(table: LakeTable, values: list[str], location: str) -> None:
    """Point a partition at `location` in one step: readers see either its old content or the new."""
    ensure(table)
    glue: Any = boto3.client("glue")
    database = settings().database
    try:
        held = glue.get_partition(DatabaseName=database, TableName=table.name, PartitionValues=values)["Partition"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "EntityNotFoundException":
            raise
        add_partitions(table, {location: values})
        return
    held["StorageDescriptor"]["Location"] = location
    fields = {key: held[key] for key in ("Values", "StorageDescriptor", "Parameters") if key in held}
    glue.update_partition(DatabaseName=database, TableName=table.name, PartitionValueList=values, PartitionInput=fields)
