"""The tables that the probes read, made through AWS's own APIs, and a function that runs a statement."""

import io
import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq

from sandbox.estate import REGION
from tests.sandbox.aws.polling import await_query
from tests.sandbox.fidelity.tables.probe import Rows

BUCKET, DATABASE = "probes-of-tables", "probes_of_tables"
_SERDES = {
    "parquet": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
    "lazy": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
    "csv": "org.apache.hadoop.hive.serde2.OpenCSVSerde",
    "openx": "org.openx.data.jsonserde.JsonSerDe",
    "json": "org.apache.hive.hcatalog.data.JsonSerDe",
    "avro": "org.apache.hadoop.hive.serde2.avro.AvroSerDe",
}
_MOMENT = datetime(2020, 1, 1, 10, 0, 0, 123000)


class World:
    """A bucket and a database with the tables of the probes.

    Args:
        endpoint: Address of the AWS to ask.
    """

    def __init__(self, endpoint: str) -> None:
        session = boto3.Session("test", "test", region_name=REGION)
        self._s3, self._glue, self._athena = (
            session.client(name, endpoint_url=endpoint)
            for name in ("s3", "glue", "athena")  # type: ignore[call-overload] # the stubs want literals
        )
        self._s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        self._glue.create_database(DatabaseInput={"Name": DATABASE})
        self._parquet_tables()
        self._text_tables()
        self._projected_tables()

    def run(self, sql: str, parameters: Sequence[str] = ()) -> Rows | str:
        """Run a statement; return its rows without a header, or why it failed."""
        request: dict[str, Any] = {"ExecutionParameters": list(parameters)} if parameters else {}
        try:
            identifier = self._athena.start_query_execution(
                QueryString=re.sub(r"\bDB\b", DATABASE, sql.replace("BUCKET", BUCKET)),
                QueryExecutionContext={"Database": DATABASE},
                ResultConfiguration={"OutputLocation": f"s3://{BUCKET}/results/"},
                **request,
            )["QueryExecutionId"]
        except self._athena.exceptions.InvalidRequestException as error:
            return str(error)
        execution = await_query(self._athena, identifier)
        if execution["Status"]["State"] != "SUCCEEDED":
            return str(execution["Status"]["StateChangeReason"])
        found = self._athena.get_query_results(QueryExecutionId=identifier)["ResultSet"]["Rows"]
        rows = [[cell.get("VarCharValue") for cell in row["Data"]] for row in found]
        return rows[1:] if execution["ResultConfiguration"]["OutputLocation"].endswith(".csv") else rows

    def put(self, key: str, content: dict[str, Any] | str) -> None:
        """Write an object: text, or a Parquet file of columns."""
        body = content.encode() if isinstance(content, str) else b""
        if isinstance(content, dict):
            sink = io.BytesIO()
            pq.write_table(pa.table(content), sink)
            body = sink.getvalue()
        self._s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    def table(
        self,
        name: str,
        columns: str,
        *,
        keys: str = "",
        serde: str = "parquet",
        options: dict[str, str] | None = None,
        parameters: dict[str, str] | None = None,
    ) -> None:
        """Register a table; `columns` and `keys` are such as `id bigint; name string`."""
        self._glue.create_table(
            DatabaseName=DATABASE,
            TableInput={
                "Name": name,
                "TableType": "EXTERNAL_TABLE",
                "Parameters": {"EXTERNAL": "TRUE", **(parameters or {})},
                "PartitionKeys": _described(keys),
                "StorageDescriptor": {
                    "Columns": _described(columns),
                    "Location": f"s3://{BUCKET}/{name}/",
                    "SerdeInfo": {"SerializationLibrary": _SERDES[serde], "Parameters": options or {}},
                },
            },
        )

    def _parquet_tables(self) -> None:
        moments = pa.array([_MOMENT] * 3, pa.timestamp("us"))
        self.put("base/part-0", {"id": [1, 2, 3], "name": ["a", "b", None], "v": [1.5, None, 2.5], "ts": moments})
        self.put("base/_SUCCESS", "x")
        self.table("base", "id bigint; name string; v double; ts timestamp")
        self.put("nest/a", {"a": [[1, 2]], "s": [{"x": 1, "y": "z"}], "d": [Decimal("1.50")]})
        self.table("nest", "a array<int>; s struct<x:int,y:string>; d decimal(5,2)")
        for position, (year, day) in enumerate([(2020, "2020-01-05"), (2021, "2021-02-06"), (9, "2009-02-06")], 1):
            self.put(f"pt/y={year}/d={day}/a", {"id": [position]})
        self.table("pt", "id bigint", keys="y int; d date")
        self.run("MSCK REPAIR TABLE pt")
        self.put("wide/a", {"id": [1.5]})
        self.table("wide", "id bigint")
        self.table("avro", "id bigint", serde="avro")

    def _text_tables(self) -> None:
        comma, header = {"field.delim": ","}, {"skip.header.line.count": "1"}
        self.put("lazy/a.csv", "1,a,1.5,true\n2,,x,TRUE\n,c,NaN,1\n1.9,d\n+4,e,1e3,false,more\n\\N,\\N,\\N,\\N\n")
        self.table("lazy", "i int; s string; d double; b boolean", serde="lazy", options=comma)
        self.put(
            "times/a.csv",
            "2020-01-01 10:11:12,2020-01-01\n2020-01-01T10:11:12.5,2020-1-2\nx,x\n2020-01-01,2020-13-01\n",
        )
        self.table("times", "t timestamp; d date", serde="lazy", options=comma)
        self.put("odd/a.csv", "a\\,b,1\n\nq,2\r\n")
        self.table("odd", "s string; i int", serde="lazy", options={**comma, "escape.delim": "\\"})
        self.put("nulls/a.csv", "x,NA\nNA,y\n")
        self.table("nulls", "s string; t string", serde="lazy", options={**comma, "serialization.null.format": "NA"})
        self.put("quoted/a.csv", 'h1,h2\n"a,b","say ""x"""\n"",c\n"d"\n\'e\',"f\\"g"\n')
        self.table("quoted", "s string; t string", serde="csv", parameters=header)
        self.put("typed/a.csv", "1,true,18262,1579059880000,1.5\n")
        self.table("typed", "i int; b boolean; d date; t timestamp; f double", serde="csv")
        self.put("bad/a.csv", "abc\n")
        self.table("bad", "i int", serde="csv")
        self.put("empty/a.csv", '""\n')
        self.table("empty", "i int", serde="csv")
        self.put("semi/a.csv", "'a;b';c\n")
        self.table("semi", "s string; t string", serde="csv", options={"separatorChar": ";", "quoteChar": "'"})
        line = '{"ID": 1, "s": {"k": [1, 2.50]}, "n": {"a": 1}, "l": ["x", null]}\n{"id": "2", "s": "t"}\n'
        self.put("ox/a.json", line)
        self.table("ox", "id int; s string; n struct<a:int>; l array<string>", serde="openx")
        self.put("hj/a.json", '{"id": 1, "d": 1.005, "t": "2020-01-02 03:04:05.678"}\n{"ID": null, "x": 1}\n')
        self.table("hj", "id int; d decimal(5,2); t timestamp", serde="json")
        self.put("broken/a.json", '{"id": 1}\n{"id": \n')
        self.table("broken", "id int", serde="openx")
        self.put("forgiven/a.json", '{"id": 1}\n{"id": \n')
        self.table("forgiven", "id int", serde="openx", options={"ignore.malformed.json": "true"})
        self.put("mapped/a.json", '{"time-stamp": "x", "a.b": 1}\n')
        options = {"mapping.ts": "time-stamp", "dots.in.keys": "true"}
        self.table("mapped", "ts string; a_b int", serde="openx", options=options)

    def _projected_tables(self) -> None:
        enabled = {"projection.enabled": "true"}
        for day in ("2020-01-03", "2020-02-03"):
            self.put(f"pd/dt={day}/a", {"id": [int(day[6])]})
        dates = {"type": "date", "format": "yyyy-MM-dd", "range": "2020-01-01,2020-01-31"}
        self.table("pd", "id bigint", keys="dt string", parameters={**enabled, **_projection("dt", dates)})
        for number in ("01", "05", "10"):
            self.put(f"pi/n={number}/a", {"id": [int(number)]})
        numbers = {"type": "integer", "range": "0,20", "digits": "2", "interval": "5"}
        self.table("pi", "id bigint", keys="n string", parameters={**enabled, **_projection("n", numbers)})
        for name in ("a", "b", "c"):
            self.put(f"pe/{name}/x", {"id": [ord(name)]})
        enum = {
            **_projection("k", {"type": "enum", "values": "a,b"}),
            "storage.location.template": f"s3://{BUCKET}/pe/${{k}}",
        }
        self.table("pe", "id bigint", keys="k string", parameters={**enabled, **enum})
        injected = {**_projection("k", {"type": "injected"}), "storage.location.template": f"s3://{BUCKET}/pe/${{k}}/"}
        self.table("pj", "id bigint", keys="k string", parameters={**enabled, **injected})
        recent = {"type": "date", "format": "yyyy/MM", "range": "NOW-1MONTHS,NOW"}
        self.table("pn", "id bigint", keys="m string", parameters={**enabled, **_projection("m", recent)})
        self.table("px", "id bigint", keys="m string", parameters={**enabled, **_projection("m", {"type": "date"})})


def _projection(key: str, settings: dict[str, str]) -> dict[str, str]:
    return {f"projection.{key}.{name}": value for name, value in settings.items()}


def _described(columns: str) -> list[dict[str, str]]:
    pairs = (column.split(None, 1) for column in filter(None, columns.split(";")))
    return [{"Name": name, "Type": kind.strip()} for name, kind in pairs]
