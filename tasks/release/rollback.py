"""Which model a rollback goes back to, and the note on the one that it takes away."""

from pydantic import BaseModel

from tasks.errors import ReleaseError
from tasks.release import kserve
from tasks.release.inference_service import served, service_name
from tasks.release.rollout import settle
from tasks.sagemaker.registry import RegisteredModel, list_models, record_withdrawal
from tasks.steps import step


class Withdrawal(BaseModel, frozen=True):
    """What a rollback takes away and what it brings back."""

    bad: RegisteredModel
    good: RegisteredModel


@step
def settle_dead_release(portfolio: str) -> str | None:
    """Undo a release that died half-way; return what was done, None where nothing had to be undone."""
    done = settle(portfolio)
    return str(done) if done and done.undone else None


@step
def withdraw(portfolio: str, reason: str) -> Withdrawal:
    """Note on the model that serves that it is taken back, and choose the one to go back to.

    A model that was taken back is never gone back to, unless it was released again since. The note is written before
    anything is changed in the cluster: a run after one that died goes on with the same two models.

    Raises:
        ReleaseError: nothing serves, or no other model has ever served and may still.
    """
    models = list_models(portfolio)
    bad = serving(portfolio, models)
    champion = max((m for m in models if m.released_at), key=lambda m: str(m.released_at), default=bad)
    if champion.withdrawn and champion.version != bad.version:
        return Withdrawal(bad=champion, good=bad)  # an earlier rollback died before it was done
    good = choose(models, bad)
    if not bad.withdrawn:
        record_withdrawal.fn(bad, reason)
    return Withdrawal(bad=bad, good=good)


def serving(portfolio: str, models: list[RegisteredModel]) -> RegisteredModel:
    """Return the registered model that the InferenceService names.

    Raises:
        ReleaseError: there is no service, or it names none of them.
    """
    service = kserve.read(service_name(portfolio))
    uri = served(service["spec"]["predictor"]).bundle_uri if service else None
    found = next((model for model in models if model.bundle_uri == uri), None)
    if found is None:
        raise ReleaseError(f"portfolio {portfolio}: no registered model serves ({uri or 'no InferenceService'})")
    return found


def choose(models: list[RegisteredModel], bad: RegisteredModel) -> RegisteredModel:
    """Return the model released last among the others that are approved and were not taken back.

    Raises:
        ReleaseError: there is none.
    """
    standing = [m for m in models if m.released_at and not m.withdrawn and m.status == "Approved"]
    others = [model for model in standing if model.version != bad.version]
    if not others:
        raise ReleaseError(
            f"portfolio {bad.portfolio}: no approved model served before {bad.version} that was not taken back itself; "
            "release a version of your choice"
        )
    return max(others, key=lambda model: str(model.released_at))
