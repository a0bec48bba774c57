"""Where everything is in the bucket: its prefixes, and the address of each kind of object (`docs/bucket.md`)."""

from enum import StrEnum

from tasks.settings import settings


class Prefix(StrEnum):
    """The first part of every key in the bucket."""

    LANDING = "landing"
    QUARANTINE = "quarantine"
    LEDGER = "ledger"
    LAKE = "lake"
    ONLINE = "online"
    ATHENA = "athena"
    SNAPSHOTS = "snapshots"
    TRAINING = "training"
    CHECKPOINTS = "checkpoints"
    MODELS = "models"
    GATES = "gates"
    RELEASES = "releases"
    BATCH = "batch"
    MONITOR = "monitor"
    DRIFT = "drift"
    RUNS = "runs"
    # Model servers write here: `CREDIT_PREDICTION_LOG` names the address.
    PREDICTIONS = "predictions"


def landing(portfolio: str) -> str:
    """Return the prefix where a portfolio's files arrive."""
    return settings().uri(Prefix.LANDING, portfolio, "")


def quarantine(portfolio: str, table: str, ingest_id: str) -> str:
    """Return the address of the rows of a file that break the contract."""
    return settings().uri(Prefix.QUARANTINE, portfolio, table, f"{ingest_id}.parquet")


def ledger(portfolio: str, ingest_id: str) -> str:
    """Return the address of the record that a file has been ingested."""
    return settings().uri(Prefix.LEDGER, portfolio, f"{ingest_id}.json")


def lake(folder: str) -> str:
    """Return the prefix of a table of the lake."""
    return settings().uri(Prefix.LAKE, folder, "")


def online(table: str, created: str, ingest_id: str) -> str:
    """Return the address of the record that a file's rows are in an online table.

    The table's creation time is part of it, so that a table that was deleted and recreated is filled again.
    """
    return settings().uri(Prefix.ONLINE, table, created, f"{ingest_id}.json")


def query_results() -> str:
    """Return the prefix of Athena's query results."""
    return settings().uri(Prefix.ATHENA, "")


def snapshot(snapshot_id: str) -> str:
    """Return the prefix of a snapshot."""
    return settings().uri(Prefix.SNAPSHOTS, snapshot_id, "")


def training(portfolio: str) -> str:
    """Return the address under which SageMaker puts the archives of a portfolio's training jobs."""
    return settings().uri(Prefix.TRAINING, portfolio)


def checkpoints(portfolio: str, job_stem: str) -> str:
    """Return the address of a training's checkpoints, which all of its attempts share."""
    return settings().uri(Prefix.CHECKPOINTS, portfolio, job_stem)


def bundle(portfolio: str, version: str) -> str:
    """Return the prefix of an unpacked model bundle."""
    return settings().uri(Prefix.MODELS, portfolio, version, "")


def gate(portfolio: str, version: str) -> str:
    """Return the address of the gate's verdict on a model version."""
    return settings().uri(Prefix.GATES, portfolio, f"{version}.json")


def release(portfolio: str) -> str:
    """Return the address of the record of a portfolio's release under way."""
    return settings().uri(Prefix.RELEASES, f"{portfolio}.json")


def batches(portfolio: str) -> str:
    """Return the prefix of a portfolio's scoring batches."""
    return settings().uri(Prefix.BATCH, portfolio, "")


def batch(portfolio: str, batch_id: str) -> str:
    """Return the prefix of one scoring batch."""
    return f"{batches(portfolio)}{batch_id}/"


def monitor(portfolio: str, draw: str) -> str:
    """Return the prefix of the rows that one run of monitoring draws, and deletes in the end."""
    return settings().uri(Prefix.MONITOR, portfolio, draw, "")


def drift(portfolio: str, version: str, month: str) -> str:
    """Return the address of the record of what was announced about a month of a model's scores."""
    return settings().uri(Prefix.DRIFT, portfolio, version, f"{month}.json")


def run(flow: str, flow_run: str) -> str:
    """Return the address of a flow run's record."""
    return settings().uri(Prefix.RUNS, flow, f"{flow_run}.json")
