"""Snapshots: immutable training data, drawn from the lake by Athena and described by a manifest."""

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from credit_model.contract.contract import Contract, load_contract
from tasks import assets, layout, s3
from tasks.errors import SnapshotError
from tasks.lake import athena, tables
from tasks.settings import settings
from tasks.steps import making

HOLDOUT_EVERY = 5
COMPLETE_SHARE = 0.95
MIN_TRAINING_MONTHS = 3
MAX_ATTEMPTS = 3

# Numbers the rows of one file and target class in the order of the ids' digests; every fifth is held out. This is
# exactly stratified, and no applicant moves between train and holdout as later files arrive.
DRAW = "row_number() OVER (PARTITION BY _file, defaulted ORDER BY to_hex(md5(to_utf8(ranked.application_id))))"


class Split(BaseModel, frozen=True):
    """How train and holdout were separated: `out_of_time` by month, or `stratified` by a draw in each target class."""

    method: str
    holdout_months: list[str] = []
    train_months: list[str] = []
    holdout_share: float | None = None


class Snapshot(BaseModel, frozen=True):
    """The address and contents of a snapshot."""

    snapshot_id: str
    portfolio: str
    uri: str
    split: Split
    train_rows: int
    holdout_rows: int
    target_rate: float
    bytes_scanned: int

    def channel(self, name: str) -> str:
        """Return the address of a training channel: train, holdout or contract."""
        return f"{self.uri}{name}/"


class Part(BaseModel, frozen=True):
    """One of the two parts of a snapshot, train or holdout: its query and its files, SHA-256 by name."""

    query: str
    parameters: list[str]
    query_id: str
    bytes_scanned: int
    rows: int
    defaults: int
    files: dict[str, str]


class Manifest(Snapshot, frozen=True):
    """A snapshot and how it was drawn, as `manifest.json` beside its files.

    Attributes:
        schema_hash: Digest of the contract.
        parts: `train` and `holdout`.
        ingested_files: Partition values of every file of the lake that the queries read, by table.
    """

    schema_hash: str
    parts: dict[str, Part]
    ingested_files: dict[str, list[list[str]]] = {}

    def snapshot(self) -> Snapshot:
        """Return the snapshot alone: the list of files may be long, and later steps do not need it."""
        return Snapshot(**self.model_dump(include=set(Snapshot.model_fields)))


def read_manifest(snapshot_id: str) -> Manifest | None:
    """Return the manifest of a snapshot, None where there is none."""
    found = s3.read_json(_manifest_uri(snapshot_id))
    return Manifest.model_validate(found) if found else None


def _manifest_uri(snapshot_id: str) -> str:
    return f"{layout.snapshot(snapshot_id)}manifest.json"


@dataclass(frozen=True)
class Month:
    """A month's applications, and how many of them have a known outcome."""

    dt: str
    rows: int
    labelled: int


@making(assets.SNAPSHOT, of=(assets.APPLICATIONS,), by="athena")
def take_snapshot(portfolio: str, holdout_months: int = 2) -> Snapshot:
    """Draw train and holdout from the lake; if the same data were drawn before, return that snapshot.

    The snapshot's id is a digest of the contract, the query and the ingested files it reads. If a file arrives while
    the queries run, they run again.

    Raises:
        SnapshotError: there are no labelled applications, or files keep arriving.
    """
    contract = load_contract(portfolio)
    for _ in range(MAX_ATTEMPTS):
        files = _visible_files(contract)
        snapshot_id = s3.digest(contract.digest(), files, labelled_query(contract), holdout_months, HOLDOUT_EVERY)
        manifest = read_manifest(snapshot_id)
        if manifest is None:
            manifest = _draw(contract, snapshot_id, files, holdout_months)
            if _visible_files(contract) != files:
                s3.delete(s3.list_keys(manifest.uri))
                continue
            s3.write_json(_manifest_uri(snapshot_id), manifest.model_dump(mode="json"))
        rows = {"train_rows": manifest.train_rows, "holdout_rows": manifest.holdout_rows}
        assets.describe(assets.SNAPSHOT, portfolio, snapshot_id=snapshot_id, uri=manifest.uri, **rows)
        return manifest.snapshot()
    raise SnapshotError(
        f"portfolio {portfolio}: files kept arriving during {MAX_ATTEMPTS} attempts; run train again later"
    )


def _visible_files(contract: Contract) -> dict[str, list[list[str]]]:
    return {
        "applications": tables.partitions(tables.applications(contract)),
        "outcomes": tables.partitions(tables.outcomes(), f"portfolio = '{contract.name}'"),
    }


def _labelled(contract: Contract) -> str:
    """Return common table expressions for the latest version of each application and its latest known outcome."""
    columns = tables.selected(contract)
    return f"""WITH ranked AS (
  SELECT application_id, applied_at, {columns}, dt,
    {tables.RECENCY} AS _rank
  FROM {tables.applications(contract).name}
), observed AS (
  SELECT application_id, defaulted,
    {tables.RECENCY} AS _rank,
    first_value(ingest) OVER (PARTITION BY application_id ORDER BY ingested_at, ingest) AS _file
  FROM {tables.outcomes().name} WHERE portfolio = ?
), labelled AS (
  SELECT ranked.application_id, applied_at, {columns}, ranked.dt, defaulted, {DRAW} AS _draw
  FROM ranked LEFT JOIN observed ON ranked.application_id = observed.application_id AND observed._rank = 1
  WHERE ranked._rank = 1
)"""  # noqa: S608 - names come from a validated contract, values are parameters


def labelled_query(contract: Contract) -> str:
    """Return the query for every application with a known outcome."""
    columns = tables.selected(contract)
    selected = f"SELECT application_id, applied_at, {columns}, defaulted"
    return f"{_labelled(contract)}\n{selected} FROM labelled WHERE defaulted IS NOT NULL"


def _months(contract: Contract) -> list[Month]:
    counts = "SELECT dt, count(*) AS n, count(defaulted) AS labelled"
    query = f"{_labelled(contract)}\n{counts} FROM labelled GROUP BY dt ORDER BY dt"
    return [Month(str(row["dt"]), int(row["n"]), int(row["labelled"])) for row in athena.rows(query, [contract.name])]


def choose_split(months: list[Month], holdout_months: int) -> Split:
    """Hold out the latest complete months if there are enough, else a fifth of each target class.

    A month is complete when at least 95 % of its applications have a known outcome. In a younger month, early defaults
    would be over-represented.

    Raises:
        SnapshotError: no application has a known outcome.

    Example:
        >>> choose_split([Month(f"2026-0{n}", 100, 100) for n in range(1, 6)], 2).holdout_months
        ['2026-04', '2026-05']
    """
    if not any(month.labelled for month in months):
        raise SnapshotError(
            "no application in the lake has a known outcome yet; ingest labelled applications or outcomes first"
        )
    complete = [month.dt for month in months if month.labelled >= COMPLETE_SHARE * month.rows]
    if len(complete) < MIN_TRAINING_MONTHS + holdout_months:
        return Split(method="stratified", holdout_share=1 / HOLDOUT_EVERY)
    return Split(
        method="out_of_time", holdout_months=complete[-holdout_months:], train_months=complete[:-holdout_months]
    )


def _predicates(split: Split) -> dict[str, tuple[str, list[str | int]]]:
    if split.method == "out_of_time":
        parts: dict[str, list[str]] = {"train": split.train_months, "holdout": split.holdout_months}
        return {name: (f"dt IN ({', '.join('?' * len(months))})", list(months)) for name, months in parts.items()}
    return {"train": ("_draw % ? <> 0", [HOLDOUT_EVERY]), "holdout": ("_draw % ? = 0", [HOLDOUT_EVERY])}


def _draw(contract: Contract, snapshot_id: str, files: dict[str, list[list[str]]], holdout_months: int) -> Manifest:
    """Unload both parts, write the contract beside them, and return the manifest."""
    uri = layout.snapshot(snapshot_id)
    s3.delete(s3.list_keys(uri))
    split = choose_split(_months(contract), holdout_months)
    parts = {
        name: _unload(f"{labelled_query(contract)} AND {predicate}", [contract.name, *values], f"{uri}{name}/")
        for name, (predicate, values) in _predicates(split).items()
    }
    s3.write_bytes(f"{uri}contract/contract.yaml", contract.dump().encode())
    rows = sum(part.rows for part in parts.values())
    return Manifest(
        snapshot_id=snapshot_id,
        portfolio=contract.name,
        uri=uri,
        split=split,
        train_rows=parts["train"].rows,
        holdout_rows=parts["holdout"].rows,
        target_rate=sum(part.defaults for part in parts.values()) / rows if rows else 0.0,
        bytes_scanned=sum(part.bytes_scanned for part in parts.values()),
        schema_hash=contract.digest(),
        parts=parts,
        ingested_files=files,
    )


def champion_holdout(snapshot: Snapshot, contract: Contract, folder: Path) -> pa.Table:
    """Draw the applicants of a snapshot's holdout with the columns of another contract, that of the champion.

    The lake's table keeps the columns of every contract that files were ingested under. A column that it never had is
    absent from the answer. Files that arrived since the snapshot was taken may add applicants.

    Args:
        snapshot: whose holdout.
        contract: the champion's.
        folder: local folder to download to.
    """
    import awswrangler as wr  # noqa: PLC0415 - heavy: imported where it is used

    held = wr.catalog.get_table_types(settings().database, tables.applications(contract).name) or {}
    known = tuple(column for column in contract.columns if column.name in held)
    readable = contract.model_copy(update={"columns": known, "derived": ()})
    predicate, values = _predicates(snapshot.split)["holdout"]
    uri = f"{snapshot.uri}champion/{contract.digest()[:12]}/"
    s3.delete(s3.list_keys(uri))
    athena.unload(f"{labelled_query(readable)} AND {predicate}", [contract.name, *values], uri)
    s3.download_folder(uri, folder)
    return pq.read_table(folder)


def _unload(query: str, values: list[str | int], prefix_uri: str) -> Part:
    done = athena.unload(query, values, prefix_uri)
    files, rows, defaults = {}, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for path in s3.download_folder(prefix_uri, Path(folder)):
            with path.open("rb") as stream:
                files[path.name] = hashlib.file_digest(stream, "sha256").hexdigest()
            target = pq.read_table(path, columns=["defaulted"])["defaulted"]
            rows += len(target)
            defaults += int(target.to_numpy().sum())
    return Part(
        query=done.query,
        parameters=done.parameters,
        query_id=done.query_id,
        bytes_scanned=done.bytes_scanned,
        rows=rows,
        defaults=defaults,
        files=files,
    )
