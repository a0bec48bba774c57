"""File formats of Glue tables: the classes that Hive names for each, and which of them the sandbox reads and writes."""

from dataclasses import dataclass

from sandbox.aws.errors import UnsupportedSqlError

PARQUET, ORC, TEXT, OPEN_CSV, JSON, OPENX_JSON = "parquet", "orc", "text", "opencsv", "json", "openxjson"
_TEXT_INPUT = "org.apache.hadoop.mapred.TextInputFormat"
_TEXT_OUTPUT = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
_QL = "org.apache.hadoop.hive.ql.io"
_SERDE = "org.apache.hadoop.hive.serde2"


@dataclass(frozen=True)
class Format:
    """The classes that Hive names for a file format."""

    serde: str
    input: str = _TEXT_INPUT
    output: str = _TEXT_OUTPUT


LAZY = Format(f"{_SERDE}.lazy.LazySimpleSerDe")
# What STORED AS names, and the `format` of CTAS and UNLOAD.
STORED_AS = {
    "PARQUET": Format(
        f"{_QL}.parquet.serde.ParquetHiveSerDe",
        f"{_QL}.parquet.MapredParquetInputFormat",
        f"{_QL}.parquet.MapredParquetOutputFormat",
    ),
    "ORC": Format(f"{_QL}.orc.OrcSerde", f"{_QL}.orc.OrcInputFormat", f"{_QL}.orc.OrcOutputFormat"),
    "AVRO": Format(
        f"{_SERDE}.avro.AvroSerDe",
        f"{_QL}.avro.AvroContainerInputFormat",
        f"{_QL}.avro.AvroContainerOutputFormat",
    ),
    "TEXTFILE": LAZY,
    "JSON": Format("org.apache.hive.hcatalog.data.JsonSerDe"),
    "SEQUENCEFILE": Format(
        LAZY.serde,
        "org.apache.hadoop.mapred.SequenceFileInputFormat",
        f"{_QL}.HiveSequenceFileOutputFormat",
    ),
    "RCFILE": Format(f"{_SERDE}.columnar.ColumnarSerDe", f"{_QL}.RCFileInputFormat", f"{_QL}.RCFileOutputFormat"),
    "ION": Format(
        "com.amazon.ionhiveserde.IonHiveSerDe",
        "com.amazon.ionhiveserde.formats.IonInputFormat",
        "com.amazon.ionhiveserde.formats.IonOutputFormat",
    ),
}
_READERS = {
    "ParquetHiveSerDe": PARQUET,
    "OrcSerde": ORC,
    "LazySimpleSerDe": TEXT,
    "OpenCSVSerde": OPEN_CSV,
    "org.openx.data.jsonserde.JsonSerDe": OPENX_JSON,
    "JsonSerDe": JSON,
}
# Input formats that read something else than the lines or columns of the files in the table's folder.
_OTHERS = ("Symlink", "Sequence", "RCFile", "Lzo", "CloudTrail", "Ion")
WRITTEN = {PARQUET: "PARQUET", ORC: "ORC", TEXT: "TEXTFILE", JSON: "JSON"}


def reader(table: str, serde: str, input_format: str) -> str:
    """Return which reader a table's files need.

    Raises:
        UnsupportedSqlError: The sandbox cannot read such files.

    Example:
        >>> reader("db.t", "org.openx.data.jsonserde.JsonSerDe", "")
        'openxjson'
    """
    found = next((kind for ending, kind in _READERS.items() if serde.endswith(ending)), None)
    other = next((word for word in _OTHERS if word in input_format), None)
    if found is None or other:
        what = f"input format {input_format}" if found else f"serde {serde or 'none'}"
        raise UnsupportedSqlError(f"table {table} with {what}: Parquet, ORC, JSON, CSV and delimited text can be read")
    return found
