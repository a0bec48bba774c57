"""Cleans up after dead runs: half-way releases, jobs that nobody follows, scores that were never published.

A run counts as dead if this Prefect server knows it and it has ended, or if it is unknown and was last seen before the
oldest run that Prefect keeps. Other work, and work that names no run, is left alone.
"""

from collections.abc import Sequence
from datetime import date, datetime

from prefect import get_client, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from pydantic import BaseModel

from tasks import layout, s3
from tasks.batch import DRAWN, PUBLISHED, Batch, check_answers, publish
from tasks.errors import ReconciliationError
from tasks.lake import tables
from tasks.lake.snapshot import Snapshot
from tasks.naming import dashed
from tasks.run import context
from tasks.sagemaker.jobs import TRAINING, TRANSFORM, JobKind, followers
from tasks.sagemaker.steps import training_stem, transform_stem
from tasks.steps import step

# File in the folder of a batch that will never be published; it says why.
SETTLED = "settled.json"
UNFINISHED = [StateType.PENDING, StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING]


class Leftover(BaseModel, frozen=True):
    """Something that a dead run left, and what was done about it."""

    what: str
    name: str
    done: str


@step
def settle_release(portfolio: str) -> list[Leftover]:
    """Undo a release that died half-way, unless a release is under way now.

    An unreachable cluster must not block training or scoring: the failure is only reported.
    """
    if not s3.list_keys(layout.release(portfolio)) or _releasing():
        return []
    from tasks.release import undo  # noqa: PLC0415 - heavy: imported where it is used

    try:
        settled = undo.settle(portfolio)
        done = str(settled) if settled else None
    except Exception as error:
        done = f"left to the next release: {error}"
    return _report(portfolio, [Leftover(what="release", name=portfolio, done=done)] if done else [])


@step
def settle_trainings(snapshot: Snapshot, hyperparameters: dict[str, str]) -> list[Leftover]:
    """Stop training jobs that only dead runs have followed, except the one that `train_model` will attach to."""
    return stop_abandoned(TRAINING, snapshot.portfolio, keep=training_stem(snapshot, hyperparameters))


@step
def settle_transforms(batch: Batch) -> list[Leftover]:
    """Stop transform jobs that only dead runs have followed, except the one that `transform_batch` will attach to."""
    places = {"input_uri": batch.input_uri, "output_uri": batch.output_uri}
    return stop_abandoned(
        TRANSFORM, batch.portfolio, keep=transform_stem(batch.portfolio, batch.model_version, **places)
    )


def stop_abandoned(kind: JobKind, portfolio: str, *, keep: str) -> list[Leftover]:
    """Stop a portfolio's jobs in progress that only dead runs have followed.

    Args:
        kind: Training or transform.
        portfolio: Owner of the jobs.
        keep: Name, without the attempt's number, of the job that this run is about to attach to or to create.
    """
    found = []
    for job in kind.under_way(portfolio):
        name = kind.name(job)
        mine = name == keep or name.startswith(f"{keep}-")
        if not mine and _abandoned(followers(kind.arn(job)), job["CreationTime"]):
            kind.stop(name)
            done = "stopped: the runs that followed it have ended"
            found.append(Leftover(what=f"{kind.noun} job", name=name, done=done))
    return _report(portfolio, found)


@step
def settle_batches(portfolio: str, keep: str) -> list[Leftover]:
    """Publish complete scores of dead runs for days that have none; delete batches that were only drawn.

    Args:
        portfolio: Owner of the batches.
        keep: Id of the batch that this run works on.
    """
    if TRANSFORM.under_way(portfolio):
        return []  # a job may still be writing; the next run looks again
    found = [_settle_batch(batch) for batch in _unpublished(portfolio) if batch.batch_id != keep]
    return _report(portfolio, [one for one in found if one is not None])


def _releasing() -> bool:
    release = FlowFilter(name=FlowFilterName(any_=["release", "rollback"]))
    unfinished = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=UNFINISHED)))
    with get_client(sync_client=True) as client:
        return bool(client.read_flow_runs(flow_filter=release, flow_run_filter=unfinished))


def _abandoned(flow_runs: Sequence[str], seen: datetime) -> bool:
    named = [run for run in flow_runs if run]
    return bool(named) and all(context.is_over(run, seen) for run in named)


def _unpublished(portfolio: str) -> list[Batch]:
    uri = layout.batches(portfolio)
    names = set(s3.list_keys(uri))
    folders = {name.removesuffix(DRAWN) for name in names if name.endswith(f"/{DRAWN}")}
    left = sorted(one for one in folders if not {f"{one}{PUBLISHED}", f"{one}{SETTLED}"} & names)
    documents = [s3.read_json(f"{one}{DRAWN}") for one in left]
    return [Batch.model_validate(document) for document in documents if document]


def _settle_batch(batch: Batch) -> Leftover | None:
    if not batch.day or not _abandoned(batch.runs, s3.written(f"{batch.folder}{DRAWN}")):
        return None
    visible = tables.locations(tables.scores(), f"portfolio = '{batch.portfolio}'")
    if batch.output_uri in visible:
        publish(batch, batch.model_version, date.fromisoformat(batch.day))  # only the note in its folder was missing
        return None
    done = _finish_or_undo(batch, newer=[batch.portfolio, batch.day] in visible.values())
    return Leftover(what="batch", name=batch.batch_id, done=done)


def _finish_or_undo(batch: Batch, *, newer: bool) -> str:
    """Publish complete scores, delete a batch that was only drawn, and keep everything else as evidence."""
    if not s3.list_keys(batch.output_uri):
        s3.delete(s3.list_keys(batch.folder))
        return "deleted: it was drawn but never scored"
    try:
        check_answers(batch)
    except ReconciliationError as error:
        done = f"left as it is: {error}"
    else:
        if not newer:
            publish(batch, batch.model_version, date.fromisoformat(batch.day))
            return f"{batch.rows:,} scores published for {batch.day}"
        done = f"left as it is: other scores are published for {batch.day}"
    s3.write_json(f"{batch.folder}{SETTLED}", {"done": done})
    return done


def _report(portfolio: str, found: list[Leftover]) -> list[Leftover]:
    for one in found:
        get_run_logger().warning("leftover of a dead run: %s %s: %s", one.what, one.name, one.done)
    if found:
        lines = [f"| {one.what} | `{one.name}` | {one.done} |" for one in found]
        head = ["# Leftovers of dead runs", "", "| what | name | done |", "|---|---|---|"]
        create_markdown_artifact(key=f"settled-{dashed(portfolio)}", markdown="\n".join([*head, *lines]))
    return found
