"""CREATE EXTERNAL TABLE, read into the description that Glue keeps of a table."""

import time
from typing import Any

from sandbox.aws.athena.ddl.tokens import Reader
from sandbox.aws.athena.ddl.types import column_type
from sandbox.aws.athena.formats import LAZY, STORED_AS, Format
from sandbox.aws.errors import QueryError, SandboxAwsError, UnsupportedSqlError
from sandbox.aws.storage import Location

_DELIMITERS = {
    ("FIELDS", "TERMINATED", "BY"): "field.delim",
    ("ESCAPED", "BY"): "escape.delim",
    # Hive's own spelling.
    ("COLLECTION", "ITEMS", "TERMINATED", "BY"): "colelction.delim",
    ("MAP", "KEYS", "TERMINATED", "BY"): "mapkey.delim",
    ("LINES", "TERMINATED", "BY"): "line.delim",
    ("NULL", "DEFINED", "AS"): "serialization.null.format",
}


def columns(reader: Reader) -> list[dict[str, str]]:
    """Read `(name type [COMMENT 'text'], …)`.

    Raises:
        QueryError: It is malformed, or a name comes twice.
    """
    found = reader.listed(lambda: _column(reader))
    names = [column["Name"] for column in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise QueryError(f"FAILED: SemanticException [Error 10036]: Duplicate column name: {twice}")
    return found


def _column(reader: Reader) -> dict[str, str]:
    column = {"Name": reader.name(), "Type": column_type(reader)}
    if reader.accept("COMMENT"):
        column["Comment"] = reader.text()
    return column


def pairs(reader: Reader) -> dict[str, str]:
    """Read `('key' = 'value', …)`."""

    def pair() -> tuple[str, str]:
        key = reader.text()
        reader.expect_sign("=")
        return key, reader.text()

    return dict(reader.listed(pair))


def table_input(reader: Reader, name: str) -> dict[str, Any]:
    """Read a table's definition after its name.

    Raises:
        QueryError: It is malformed, has no location, or a partition key is also a column.
        UnsupportedSqlError: It is an Iceberg table.
    """
    definition = _Definition(reader)
    stored = columns(reader)
    definition.clauses()
    if definition.parameters.get("table_type", "").upper() == "ICEBERG":
        raise UnsupportedSqlError("Iceberg tables")
    if definition.location is None:
        raise QueryError(
            "FAILED: SemanticException: No location is specified; an EXTERNAL table needs LOCATION 's3://…/'"
        )
    both = {column["Name"] for column in stored} & {key["Name"] for key in definition.keys}
    if both:
        raise QueryError(
            f"FAILED: SemanticException [Error 10035]: Column repeated in partitioning columns: {both.pop()}"
        )
    return definition.described(name, stored)


class _Definition:
    """The clauses after the columns of CREATE EXTERNAL TABLE."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.location: str | None = None
        self.keys: list[dict[str, str]] = []
        self.parameters: dict[str, str] = {}
        self._comment = ""
        self._format: Format | None = None
        self._serde = ""
        self._options: dict[str, str] = {}
        self._buckets: tuple[list[str], int] = ([], 0)

    def clauses(self) -> None:
        reader = self._reader
        while reader.next.kind != "end":
            if reader.accept("COMMENT"):
                self._comment = reader.text()
            elif reader.accept("PARTITIONED", "BY"):
                self.keys = columns(reader)
            elif reader.accept("CLUSTERED", "BY"):
                self._buckets = self._clustered()
            elif reader.accept("ROW", "FORMAT"):
                self._row_format()
            elif reader.accept("STORED", "AS"):
                self._format = self._stored_as()
            elif reader.accept("WITH", "SERDEPROPERTIES"):
                self._options.update(pairs(reader))
            elif reader.accept("LOCATION"):
                self.location = _checked_location(reader.text())
            elif reader.accept("TBLPROPERTIES"):
                self.parameters = pairs(reader)
            else:
                reader.fail("a clause of CREATE EXTERNAL TABLE")

    def _clustered(self) -> tuple[list[str], int]:
        names = self._reader.listed(self._reader.name)
        self._reader.expect("INTO")
        count = self._reader.take().value
        self._reader.expect("BUCKETS")
        return names, int(count)

    def _row_format(self) -> None:
        reader = self._reader
        if reader.accept("SERDE"):
            self._serde = reader.text()
            return
        reader.expect("DELIMITED")
        self._serde = LAZY.serde
        while found := next((words for words in _DELIMITERS if reader.accept(*words)), None):
            self._options[_DELIMITERS[found]] = reader.text()
        if "field.delim" in self._options:
            self._options["serialization.format"] = self._options["field.delim"]

    def _stored_as(self) -> Format:
        reader = self._reader
        if reader.accept("INPUTFORMAT"):
            given = reader.text()
            reader.expect("OUTPUTFORMAT")
            return Format("", given, reader.text())
        word = reader.name().upper()
        if word not in STORED_AS or word == "JSON":
            raise QueryError(f"FAILED: SemanticException: Unrecognized file format in STORED AS clause: '{word}'")
        return STORED_AS[word]

    def described(self, name: str, stored: list[dict[str, str]]) -> dict[str, Any]:
        kind = self._format or LAZY
        storage: dict[str, Any] = {
            "Columns": stored,
            "Location": self.location,
            "InputFormat": kind.input,
            "OutputFormat": kind.output,
            "NumberOfBuckets": self._buckets[1] or -1,
            "BucketColumns": self._buckets[0],
            "SerdeInfo": {
                "SerializationLibrary": self._serde or kind.serde or LAZY.serde,
                "Parameters": {"serialization.format": "1", **self._options},
            },
        }
        told = {"EXTERNAL": "TRUE", "transient_lastDdlTime": str(int(time.time()))}
        if self._comment:
            told["comment"] = self._comment
        return {
            "Name": name,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {**told, **self.parameters},
            "PartitionKeys": self.keys,
            "StorageDescriptor": storage,
        }


def _checked_location(text: str) -> str:
    try:
        Location.parse(text)
    except SandboxAwsError as error:
        raise QueryError(
            f"FAILED: SemanticException: location {text!r} is not in S3; write 's3://bucket/folder/'"
        ) from error
    return text
