"""Chooses the model that a rollback returns to, and records the withdrawal of the other."""

from prefect import get_run_logger
from pydantic import BaseModel

from tasks import s3
from tasks.errors import ReleaseError
from tasks.release import kserve
from tasks.release.inference_service import served, service_name
from tasks.release.status import CANARY, summary
from tasks.release.undo import ForeignChange, settle
from tasks.sagemaker.registry import RegisteredModel, list_models, record_withdrawal
from tasks.steps import step


class Withdrawal(BaseModel, frozen=True):
    """The model that a rollback withdraws, and the one it brings back."""

    bad: RegisteredModel
    good: RegisteredModel


@step
def settle_dead_release(portfolio: str, foreign_change: ForeignChange = "refuse") -> str | None:
    """Undo a release that died half-way; return what was done, None if there was none or it had finished."""
    done = settle(portfolio, foreign_change)
    return str(done) if done and not done.finished else None


@step
def withdraw(portfolio: str, reason: str) -> Withdrawal:
    """Record that the serving model is withdrawn, and choose the one to return to.

    A withdrawn model is never chosen unless it has been released again since. The record is written before anything
    changes in the cluster, so a run after one that died continues with the same two models.

    Raises:
        ReleaseError: nothing serves, or there is no other model to return to.
    """
    models = list_models(portfolio)
    bad = serving(portfolio, models)
    champion = max((m for m in models if m.released_at), key=lambda m: str(m.released_at), default=bad)
    if champion.withdrawn and champion.version != bad.version:
        return Withdrawal(bad=champion, good=bad)  # an earlier rollback died half-way
    good = choose(models, bad)
    if not bad.withdrawn:
        record_withdrawal.fn(bad, reason)
    return Withdrawal(bad=bad, good=good)


def serving(portfolio: str, models: list[RegisteredModel]) -> RegisteredModel:
    """Return the registered model that the InferenceService serves.

    Raises:
        ReleaseError: there is no service, or it serves none of them.
    """
    service = kserve.read(service_name(portfolio))
    if service and CANARY in service["spec"]["predictor"]:
        raise ReleaseError(
            f"portfolio {portfolio}: the InferenceService's spec is not what serves ({summary(service)}); run release "
            "with the version of your choice and foreign_change = 'take over'"
        )
    uri = served(service["spec"]["predictor"]).bundle_uri if service else None
    found = next((model for model in models if model.bundle_uri == uri), None)
    if found is None:
        raise ReleaseError(f"portfolio {portfolio}: no registered model serves ({uri or 'no InferenceService'})")
    return found


def choose(models: list[RegisteredModel], bad: RegisteredModel) -> RegisteredModel:
    """Return the model released last among the others that are approved and not withdrawn.

    Raises:
        ReleaseError: there is none.
    """
    standing = [m for m in models if m.released_at and not m.withdrawn and m.status == "Approved"]
    others = [model for model in standing if model.version != bad.version and _has_bundle(model)]
    if not others:
        raise ReleaseError(
            f"portfolio {bad.portfolio}: no approved model that served before {bad.version} is left to return to; "
            "release a version of your choice"
        )
    return max(others, key=lambda model: str(model.released_at))


def _has_bundle(model: RegisteredModel) -> bool:
    """Return whether a model's bundle is still in the bucket; a lifecycle rule or a person may have deleted it."""
    kept = bool(s3.list_keys(model.bundle_uri))
    if not kept:
        get_run_logger().warning("version %s cannot be returned to: %s is empty", model.version, model.bundle_uri)
    return kept
