"""SHOW and DESCRIBE, in the layout of their results in Athena."""

import re
from collections.abc import Callable
from typing import Any

from sandbox.aws.athena.catalog import Catalog
from sandbox.aws.athena.ddl.answer import Answer, listing
from sandbox.aws.athena.ddl.tokens import Reader
from sandbox.aws.athena.results import Row
from sandbox.aws.athena.tables import views
from sandbox.aws.errors import QueryError, UnsupportedSqlError

_WIDTH = 20
_BLANK = " \t \t "
_HIDDEN = {"comment", "EXTERNAL"}


def hive_pattern(text: str) -> re.Pattern[str]:
    """Return a pattern of SHOW as a regular expression: `*` is anything and `|` separates alternatives, as in Hive.

    >>> bool(hive_pattern("sco*|x").fullmatch("scores"))
    True
    """
    return re.compile("|".join(part.replace(".*", "*").replace("*", ".*") for part in text.split("|")), re.IGNORECASE)


class Show:
    """Executes SHOW and DESCRIBE.

    Args:
        catalog: Glue.
        database: The database of the request.
    """

    def __init__(self, catalog: Catalog, database: str | None) -> None:
        self._catalog = catalog
        self._database = database

    def show(self, reader: Reader) -> Answer:
        """Execute a statement after its SHOW."""
        for word, handler in self._handlers().items():
            if reader.accept(word):
                return handler(reader)
        reader.expect("CREATE")
        view = not reader.accept("TABLE")
        if view:
            reader.expect("VIEW")
        return self._created(reader, view=view)

    def _handlers(self) -> dict[str, Callable[[Reader], Answer]]:
        return {
            "DATABASES": self._databases,
            "SCHEMAS": self._databases,
            "TABLES": lambda reader: listing("tab_name", self._matching(reader, self._names(self._in(reader)))),
            "VIEWS": lambda reader: listing(
                "views", self._matching(reader, self._names(self._in(reader), views_only=True))
            ),
            "COLUMNS": self._columns,
            "PARTITIONS": self._partitions,
            "TBLPROPERTIES": self._properties,
        }

    def _databases(self, reader: Reader) -> Answer:
        names = sorted(item["Name"] for item in self._catalog.databases())
        return listing("database_name", self._matching(reader, names))

    def _in(self, reader: Reader) -> str:
        given = reader.name() if reader.accept("IN") or reader.accept("FROM") else self._database
        if not given:
            raise QueryError("FAILED: SemanticException: no database is given")
        if all(item["Name"] != given for item in self._catalog.databases()):
            raise QueryError(f"FAILED: SemanticException [Error 10072]: Database does not exist: {given}")
        return given

    def _names(self, database: str, *, views_only: bool = False) -> list[str]:
        found = self._catalog.tables(database)
        return sorted(item["Name"] for item in found if not views_only or views.is_view(item))

    def _matching(self, reader: Reader, names: list[str]) -> list[str]:
        reader.accept("LIKE")
        if reader.next.kind != "text":
            reader.end()
            return names
        pattern = hive_pattern(reader.text())
        reader.end()
        return [name for name in names if pattern.fullmatch(name)]

    def _target(self, reader: Reader) -> tuple[str, str, dict[str, Any]]:
        given, name = reader.qualified()
        database = given or self._database
        raw = self._catalog.raw(database, name) if database else None
        if raw is None or database is None:
            raise QueryError(f"FAILED: SemanticException [Error 10001]: Table not found {database or 'default'}.{name}")
        return database, name, raw

    def _columns(self, reader: Reader) -> Answer:
        if not reader.accept("IN"):
            reader.expect("FROM")
        given, name = reader.qualified()
        if reader.accept("IN") or reader.accept("FROM"):
            given = reader.name()
        reader.end()
        database = given or self._database
        raw = self._catalog.raw(database, name) if database else None
        if raw is None:
            raise QueryError(f"FAILED: SemanticException [Error 10001]: Table not found {name}")
        return listing("field", [column["Name"] for column in _all_columns(raw)])

    def _partitions(self, reader: Reader) -> Answer:
        database, name, raw = self._target(reader)
        reader.end()
        if not raw.get("PartitionKeys"):
            raise QueryError(f"FAILED: Execution Error: Table {name} is not a partitioned table")
        if raw.get("Parameters", {}).get("projection.enabled", "").lower() == "true":
            raise UnsupportedSqlError(f"SHOW PARTITIONS {name}: its partitions are projected")
        table = self._catalog.table(database, name)
        pairs = [list(zip(table.keys, item.values, strict=True)) for item in self._catalog.partitions(table)]
        return listing("partition", ["/".join(f"{key}={value}" for key, value in pair) for pair in sorted(pairs)])

    def _properties(self, reader: Reader) -> Answer:
        _, name, raw = self._target(reader)
        parameters = raw.get("Parameters", {})
        if not reader.accept_sign("("):
            reader.end()
            rows: list[Row] = [[f"{key}\t{value}"] for key, value in sorted(parameters.items())]
            return Answer(["prpt_name", "prpt_value"], rows)
        wanted = reader.text()
        reader.expect_sign(")")
        missing = f"Table {self._database}.{name} does not have property: {wanted}"
        return Answer(["prpt_name", "prpt_value"], [[parameters.get(wanted, missing)]])

    def _created(self, reader: Reader, *, view: bool) -> Answer:
        _, name, raw = self._target(reader)
        reader.end()
        if views.is_view(raw) != view:
            what = "a table" if view else "a view"
            raise QueryError(
                f"FAILED: SemanticException: {name} is {what}; use SHOW CREATE {'TABLE' if view else 'VIEW'}"
            )
        if view:
            text = f"CREATE VIEW {name} AS\n{views.decode(raw)['originalSql']}"
            return listing("Create View", text.split("\n"))
        return listing("createtab_stmt", _statement(name, raw))

    def describe(self, reader: Reader) -> Answer:
        """DESCRIBE [EXTENDED | FORMATTED] table [column]."""
        detailed = reader.accept("FORMATTED")
        if reader.accept("EXTENDED"):
            raise UnsupportedSqlError("DESCRIBE EXTENDED: its last line is Hive's internal text")
        database, _, raw = self._target(reader)
        found = _all_columns(raw)
        if reader.sees("PARTITION"):
            raise UnsupportedSqlError("DESCRIBE of one partition")
        if reader.next.kind != "end":
            wanted = reader.name()
            found = [column for column in found if column["Name"] == wanted]
            if not found:
                raise QueryError(f"FAILED: SemanticException [Error 10004]: Invalid column reference {wanted}")
            reader.end()
            return _described([_line(column) for column in found])
        if detailed:
            return _described(_formatted(raw, database))
        lines = [_line(column) for column in found]
        if raw.get("PartitionKeys"):
            lines += _partition_lines(raw)
        return _described(lines)


def _described(lines: list[str]) -> Answer:
    return Answer(["col_name", "data_type", "comment"], [[line] for line in lines])


def _all_columns(raw: dict[str, Any]) -> list[dict[str, str]]:
    return [*raw.get("StorageDescriptor", {}).get("Columns", []), *raw.get("PartitionKeys", [])]


def _padded(*parts: str) -> str:
    return "\t".join(part.ljust(_WIDTH) for part in parts)


def _line(column: dict[str, str]) -> str:
    return _padded(column["Name"], column["Type"], column.get("Comment", ""))


def _partition_lines(raw: dict[str, Any]) -> list[str]:
    head = [_BLANK, "# Partition Information\t \t ", _padded("# col_name", "data_type", "comment"), _BLANK]
    return head + [_line(column) for column in raw["PartitionKeys"]]


def _formatted(raw: dict[str, Any], database: str) -> list[str]:
    storage = raw.get("StorageDescriptor", {})
    head = _padded("# col_name", "data_type", "comment")
    lines = [head, _BLANK, *map(_line, storage.get("Columns", []))]
    if raw.get("PartitionKeys"):
        lines += _partition_lines(raw)
    created = raw["CreateTime"].strftime("%a %b %d %H:%M:%S UTC %Y") if raw.get("CreateTime") else "UNKNOWN"
    facts = {
        "Database:": database,
        "Owner:": raw.get("Owner", "hadoop"),
        "CreateTime:": created,
        "LastAccessTime:": "UNKNOWN",
        "Protect Mode:": "None",
        "Retention:": str(raw.get("Retention", 0)),
        "Location:": storage.get("Location", ""),
        "Table Type:": raw.get("TableType", "EXTERNAL_TABLE"),
    }
    lines += [_BLANK, "# Detailed Table Information\t \t ", *(f"{_padded(*pair)}\t " for pair in facts.items())]
    lines += ["Table Parameters:\t \t "]
    lines += [f"\t{_padded(*pair)}" for pair in sorted(raw.get("Parameters", {}).items())]
    return [*lines, _BLANK, "# Storage Information\t \t ", *_storage_lines(storage)]


def _storage_lines(storage: dict[str, Any]) -> list[str]:
    serde = storage.get("SerdeInfo", {})
    facts = {
        "SerDe Library:": serde.get("SerializationLibrary", ""),
        "InputFormat:": storage.get("InputFormat", ""),
        "OutputFormat:": storage.get("OutputFormat", ""),
        "Compressed:": "Yes" if storage.get("Compressed") else "No",
        "Num Buckets:": str(storage.get("NumberOfBuckets", -1)),
        "Bucket Columns:": str(storage.get("BucketColumns", [])).replace("'", ""),
        "Sort Columns:": "[]",
    }
    lines = [f"{_padded(*pair)}\t " for pair in facts.items()] + ["Storage Desc Params:\t \t "]
    return lines + [f"\t{_padded(*pair)}" for pair in sorted(serde.get("Parameters", {}).items())]


def _statement(name: str, raw: dict[str, Any]) -> list[str]:
    """Return the lines of SHOW CREATE TABLE."""
    storage = raw.get("StorageDescriptor", {})
    serde = storage.get("SerdeInfo", {})
    lines = [f"CREATE EXTERNAL TABLE `{name}`(", *_definitions(storage.get("Columns", []))]
    comment = raw.get("Parameters", {}).get("comment")
    lines += ["COMMENT " + _quoted(comment)] if comment else []
    if raw.get("PartitionKeys"):
        lines += ["PARTITIONED BY ( ", *_definitions(raw["PartitionKeys"])]
    if storage.get("BucketColumns"):
        lines += ["CLUSTERED BY ( ", *_last(storage["BucketColumns"], ") ")]
        lines += [f"INTO {storage.get('NumberOfBuckets')} BUCKETS"]
    lines += ["ROW FORMAT SERDE ", f"  {_quoted(serde.get('SerializationLibrary', ''))} "]
    options = {key: value for key, value in serde.get("Parameters", {}).items() if key != "serialization.format"}
    if options:
        lines += ["WITH SERDEPROPERTIES ( ", *_pairs(options, ") ")]
    lines += ["STORED AS INPUTFORMAT ", f"  {_quoted(storage.get('InputFormat', ''))} "]
    lines += ["OUTPUTFORMAT ", f"  {_quoted(storage.get('OutputFormat', ''))}"]
    lines += ["LOCATION", f"  {_quoted(storage.get('Location', ''))}"]
    told = {key: value for key, value in raw.get("Parameters", {}).items() if key not in _HIDDEN}
    return [*lines, "TBLPROPERTIES (", *_pairs(told, ")")] if told else lines


def _definitions(columns: list[dict[str, str]]) -> list[str]:
    texts = []
    for column in columns:
        comment = f" COMMENT {_quoted(column['Comment'])}" if column.get("Comment") else ""
        texts.append(f"`{column['Name']}` {column['Type']}{comment}")
    return _last(texts, ")")


def _pairs(values: dict[str, str], closing: str) -> list[str]:
    return _last([f"{_quoted(key)}={_quoted(value)}" for key, value in sorted(values.items())], closing)


def _last(texts: list[str], closing: str) -> list[str]:
    return [f"  {text}{', ' if place < len(texts) - 1 else closing}" for place, text in enumerate(texts)]


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
