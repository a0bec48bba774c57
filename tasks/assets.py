"""The assets whose lineage Prefect records: the lake's applications, the snapshot, the model and the scores."""

from typing import ParamSpec, TypeVar

from prefect.assets import Asset
from prefect.tasks import MaterializingTask

P = ParamSpec("P")
R = TypeVar("R")

# Templates: `of` fills in the portfolio. These are names, not addresses. A node of the lineage stays the same while
# snapshots, models and scores come and go; the event's payload says which one came.
APPLICATIONS = "credit://portfolio/lake.applications"
SNAPSHOT = "credit://portfolio/snapshot"
MODEL = "credit://portfolio/model"
SCORES = "credit://portfolio/scores"


def of(portfolio: str, task: MaterializingTask[P, R]) -> MaterializingTask[P, R]:
    """Return the task bound to one portfolio's asset.

    Example:
        >>> of("case", take_snapshot)("case", 2)  # doctest: +SKIP
    """
    made = [_asset(asset.key, portfolio) for asset in task.assets]
    return task.with_options(assets=made, asset_deps=[_asset(asset.key, portfolio) for asset in task.asset_deps])


def _asset(template: str, portfolio: str) -> Asset:
    return Asset(key=template.replace("://portfolio/", f"://{portfolio}/"))


def describe(asset: str, portfolio: str, **facts: object) -> None:
    """Add facts to the event of a materialisation; do nothing outside the task that makes the asset."""
    from prefect.context import AssetContext  # noqa: PLC0415 - only here

    context = AssetContext.get()
    key = _asset(asset, portfolio).key
    if context is not None and key in {made.key for made in context.downstream_assets}:
        context.add_asset_metadata(key, dict(facts))
