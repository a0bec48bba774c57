"""The WITH properties of CREATE TABLE AS and UNLOAD, checked as Athena checks them."""

from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.aws.athena.sql.statements import Write
from sandbox.aws.errors import QueryError, UnsupportedSqlError

_TEXTS = {
    "format",
    "external_location",
    "field_delimiter",
    "write_compression",
    "parquet_compression",
    "orc_compression",
}
_CTAS = {
    *_TEXTS,
    *("partitioned_by", "bucketed_by", "bucket_count", "compression_level", "table_type", "is_external", "location"),
    *("partitioning", "vacuum_max_snapshot_age_seconds", "vacuum_min_snapshots_to_keep", "null_format"),
    *("optimize_rewrite_min_data_file_size_bytes", "optimize_rewrite_max_data_file_size_bytes"),
    *(
        "optimize_rewrite_data_file_threshold",
        "optimize_rewrite_delete_file_threshold",
        "vacuum_max_metadata_files_to_keep",
    ),
}
_UNLOAD = {"format", "partitioned_by", "compression", "compression_level", "field_delimiter"}
FORMATS = {"PARQUET", "ORC", "AVRO", "JSON", "TEXTFILE"}


@dataclass(frozen=True)
class Properties:
    """How rows are stored.

    Attributes:
        keys: Names of the partition columns, in order.
        bucketed_by: Names of the bucket columns.
        compression: As written, or nothing for the default.
        level: Of the compression.
    """

    format: str
    keys: list[str]
    bucketed_by: list[str]
    buckets: int
    compression: str
    level: int | None
    delimiter: str


def checked(write: Write, *, unload: bool) -> Properties:
    """Check the properties of a statement.

    Raises:
        QueryError: A property does not exist, or its value is not valid.
        UnsupportedSqlError: The statement makes an Iceberg table, or sets what the sandbox cannot reproduce.
    """
    options = write.options
    known = _UNLOAD if unload else _CTAS
    unknown = next((name for name in options if name not in known), None)
    if unknown:
        raise QueryError(
            f"INVALID_TABLE_PROPERTY: line 1:1: Catalog 'awsdatacatalog' table property '{unknown}' does not exist"
        )
    if str(options.get("table_type", "HIVE")).upper() == "ICEBERG":
        raise UnsupportedSqlError("Iceberg tables")
    if "null_format" in options:
        raise UnsupportedSqlError("the table property null_format")
    given = [options[name] for name in ("write_compression", "compression") if name in options]
    format = str(options.get("format", "" if unload else "PARQUET")).upper()
    given += [options[f"{format.lower()}_compression"]] if f"{format.lower()}_compression" in options else []
    if len(given) > 1:
        raise QueryError("INVALID_TABLE_PROPERTY: only one compression property can be set")
    if not format:
        raise QueryError("INVALID_TABLE_PROPERTY: line 1:1: UNLOAD needs the property 'format'")
    if format not in FORMATS:
        raise QueryError(
            f"INVALID_TABLE_PROPERTY: line 1:1: Invalid value for property 'format': '{format}' is none of "
            f"{sorted(FORMATS)}"
        )
    buckets, bucketed_by = _buckets(options)
    level = options.get("compression_level")
    return Properties(
        format=format,
        keys=write.partitioned_by,
        bucketed_by=bucketed_by,
        buckets=buckets,
        compression=str(given[0]).upper() if given else "",
        level=int(str(level)) if level is not None else None,
        delimiter=str(options.get("field_delimiter", "\x01")),
    )


def _buckets(options: Mapping[str, str | list[str]]) -> tuple[int, list[str]]:
    named, count = options.get("bucketed_by", []), str(options.get("bucket_count", "0"))
    names = [name.lower() for name in ([named] if isinstance(named, str) else named)]
    if not count.isdigit():
        raise QueryError(f"INVALID_TABLE_PROPERTY: line 1:1: Invalid value for property 'bucket_count': {count}")
    if bool(names) != bool(int(count)):
        raise QueryError("INVALID_TABLE_PROPERTY: bucketed_by and bucket_count must be specified together")
    return int(count), names
