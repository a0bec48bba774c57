"""Ingestion: turns a landing object into typed Parquet partitions, once; bad rows go to quarantine."""

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from botocore.exceptions import ClientError
from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact
from pydantic import BaseModel

from credit_model.contract.contract import Contract, load_contract
from credit_model.data.raw_file import delivered_rows
from credit_model.data.reading import ReadResult, read_applications, read_outcomes
from tasks import layout, s3
from tasks.errors import LakeError
from tasks.lake import tables
from tasks.naming import dashed
from tasks.steps import step

LOGGED_FAULTS = 10
READERS = {"applications": read_applications, "outcomes": read_outcomes}


class LandedObject(BaseModel, frozen=True):
    """One object under `landing/{portfolio}/{applications|outcomes}/`, in one version."""

    uri: str
    etag: str
    version_id: str | None
    portfolio: str
    table: str
    landed_at: datetime

    @property
    def ingest_id(self) -> str:
        """Return a digest of address and ETag: the same bytes delivered twice are the same file."""
        return s3.digest(self.uri, self.etag)


class IngestReport(BaseModel, frozen=True):
    """The result of one ingest, kept as the file's entry in the ledger."""

    ingest_id: str
    source: LandedObject
    rows: int
    accepted: int
    rejected: int
    labelled: int
    months: list[str]
    ignored_columns: list[str]
    quarantine: str | None
    repeated: bool = False


@step
def find_landed(uri: str, version_id: str | None) -> LandedObject:
    """Look up a landing object in the given version; a later version under the same key is another file.

    Raises:
        LakeError: the object does not exist, or its key is not `…/{portfolio}/{applications|outcomes}/{file}`.
    """
    bucket, key = s3.split(uri)
    portfolio, table = _place(uri, key)
    try:
        head = s3.client().head_object(Bucket=bucket, Key=key, **s3.version(version_id))
    except ClientError as error:
        code = error.response["Error"]["Code"]
        raise LakeError(
            f"{uri} cannot be read ({code}): check the key and this role's permission s3:GetObject"
        ) from error
    return LandedObject(
        uri=uri,
        etag=head["ETag"].strip('"'),
        version_id=head.get("VersionId"),
        portfolio=portfolio,
        table=table,
        landed_at=head["LastModified"],
    )


def portfolio_of(uri: str) -> str | None:
    """Return the portfolio in an address `…/{portfolio}/{applications|outcomes}/{file}`, None for any other address.

    >>> portfolio_of("s3://bucket/landing/case/outcomes/2026-10.csv")
    'case'
    """
    parts = uri.split("/")
    return parts[-3] if len(parts) > 5 and parts[-2] in READERS else None


def _place(uri: str, key: str) -> tuple[str, str]:
    parts = key.split("/")
    if len(parts) < 3 or parts[-2] not in READERS:
        raise LakeError(
            f"{uri} is not landing/PORTFOLIO/applications/FILE or landing/PORTFOLIO/outcomes/FILE; move it there"
        )
    return parts[-3], parts[-2]


@step
def publish(landed: LandedObject) -> IngestReport:
    """Publish good rows to the lake and bad rows to quarantine, and enter the file in the ledger.

    Safe to repeat: every key and partition follows from the file's identity, and readers see a partition only once all
    of its objects are there. An unreadable file leaves nothing behind.

    Raises:
        credit_model.errors.DataError: the file as a whole does not match the contract.
        LakeError: not a single row does.
    """
    entry = layout.ledger(landed.portfolio, landed.ingest_id)
    done = s3.read_json(entry)
    if done:
        return IngestReport.model_validate({**done, "repeated": True})
    contract = load_contract(landed.portfolio)
    result, rejected = _read(landed, contract)
    quarantine = _quarantine(landed, rejected)
    if result.accepted.num_rows == 0:
        first = _fault(landed, rejected, 0)
        raise LakeError(f"{landed.uri}: no row fits contract {contract.name}; see {quarantine}; first fault: {first}")
    if landed.table == "applications":
        _publish_table(landed, tables.applications(contract), _application_rows(landed, contract, result.accepted))
    outcomes = _outcome_rows(landed, result.accepted)
    _publish_table(landed, tables.outcomes(), outcomes)
    report = _report(landed, result, quarantine, outcomes.num_rows)
    s3.write_json(entry, report.model_dump(mode="json"))
    return report


def _read(landed: LandedObject, contract: Contract) -> tuple[ReadResult, pa.Table]:
    """Return the parsed file, and its faults with the rows as delivered."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / landed.uri.rsplit("/", 1)[-1]
        s3.download(landed.uri, path, landed.version_id)
        result = READERS[landed.table](path, contract, label=landed.uri)
        rows = result.rejected["row"].to_pylist()
        delivered = delivered_rows(path, set(rows)) if rows else {}
    return result, result.rejected.append_column("delivered", pa.array([delivered[row] for row in rows], pa.string()))


def _report(landed: LandedObject, result: ReadResult, quarantine: str | None, labelled: int) -> IngestReport:
    return IngestReport(
        ingest_id=landed.ingest_id,
        source=landed,
        rows=result.rows,
        accepted=result.accepted.num_rows,
        rejected=result.rows - result.accepted.num_rows,
        labelled=labelled,
        months=sorted(set(_months(landed, result.accepted, "applied_at").to_pylist())),
        ignored_columns=list(result.ignored_columns),
        quarantine=quarantine,
    )


def _quarantine(landed: LandedObject, rejected: pa.Table) -> str | None:
    """Write every fault with its row, column, reason and the row itself; log the first few."""
    if rejected.num_rows == 0:
        return None
    uri = layout.quarantine(landed.portfolio, landed.table, landed.ingest_id)
    _write_parquet(rejected, uri)
    for number in range(min(rejected.num_rows, LOGGED_FAULTS)):
        get_run_logger().warning("to quarantine: %s", _fault(landed, rejected, number))
    return uri


def _fault(landed: LandedObject, rejected: pa.Table, number: int) -> str:
    fault = rejected.slice(number, 1).to_pylist()[0]
    return f"{landed.uri} row {fault['row']} column '{fault['column']}': {fault['reason']}"


def _months(landed: LandedObject, table: pa.Table, column: str) -> pa.Array:
    """Return the month (`YYYY-MM`) of a time column, or of the landing for rows without a time."""
    landing = landed.landed_at.strftime("%Y-%m")
    if column not in table.column_names:
        return pa.array([landing] * table.num_rows, pa.string())
    months = pc.strftime(table[column].combine_chunks(), format="%Y-%m")
    return pc.fill_null(months, landing)


def _stamp(table: pa.Table, landed: LandedObject, months: pa.Array) -> pa.Table:
    stamp = pa.array([landed.landed_at] * table.num_rows, pa.timestamp("us", "UTC"))
    return table.append_column("ingested_at", stamp).append_column("dt", months)


def _application_rows(landed: LandedObject, contract: Contract, accepted: pa.Table) -> pa.Table:
    names = ["application_id", "applied_at", *(column.name for column in contract.columns)]
    return _stamp(accepted.select(names), landed, _months(landed, accepted, "applied_at"))


def _outcome_rows(landed: LandedObject, accepted: pa.Table) -> pa.Table:
    """Return the rows with a known outcome: application_id, defaulted, observed_at, and the table's partitions."""
    known = (
        accepted.filter(pc.is_valid(accepted["defaulted"]))
        if "defaulted" in accepted.column_names
        else accepted.slice(0, 0)
    )
    table = pa.table({"application_id": known["application_id"], "defaulted": _column(known, "defaulted", pa.bool_())})
    table = table.append_column("observed_at", _column(known, "observed_at", pa.timestamp("us", "UTC")))
    return _stamp(table, landed, _months(landed, known, "observed_at"))


def _column(table: pa.Table, name: str, kind: pa.DataType) -> Any:  # noqa: ANN401 - pyarrow is untyped
    return table[name] if name in table.column_names else pa.nulls(table.num_rows, kind)


def _publish_table(landed: LandedObject, lake_table: tables.LakeTable, table: pa.Table) -> None:
    """Write one Parquet object per partition, then make all partitions visible at once."""
    if table.num_rows == 0:
        return
    locations: dict[str, list[str]] = {}
    for month in pc.unique(table["dt"]).to_pylist():
        keys = {"portfolio": landed.portfolio, "dt": month, "ingest": landed.ingest_id}
        values = [keys[key] for key in lake_table.partitions]
        location = lake_table.location(values)
        _write_parquet(table.filter(pc.equal(table["dt"], month)).drop_columns(["dt"]), f"{location}part-0.parquet")
        locations[location] = values
    tables.ensure(lake_table)
    tables.add_partitions(lake_table, locations)


def _write_parquet(table: pa.Table, uri: str) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    s3.write_bytes(uri, sink.getvalue().to_pybytes())


@step
def show_ingest(report: IngestReport) -> None:
    """Write a summary artifact of an ingest: rows read, accepted and quarantined."""
    landed = report.source
    get_run_logger().info(
        "%s: %d rows, %d accepted, %d to quarantine", landed.uri, report.rows, report.accepted, report.rejected
    )
    repeated = " (already ingested)" if report.repeated else ""
    quarantine = f" in `{report.quarantine}`" if report.quarantine else ""
    text = f"""# {landed.portfolio}: {report.accepted:,} of {report.rows:,} rows ingested

- source `{landed.uri}` (version `{landed.version_id}`), ingest `{report.ingest_id}`{repeated}
- outcomes known: {report.labelled:,}; months {", ".join(report.months)}
- to quarantine: {report.rejected:,}{quarantine}
- columns not in the contract, ignored: {", ".join(report.ignored_columns) or "none"}
"""
    create_markdown_artifact(key=f"ingest-{dashed(landed.portfolio)}", markdown=text)
