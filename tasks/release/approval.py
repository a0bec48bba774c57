"""Approvals in the registry: the model that one names, and whether it has already led to a release."""

from datetime import datetime

from tasks.errors import RegistryError
from tasks.sagemaker.registry import RegisteredModel, get_model, group_name, list_models
from tasks.steps import step


@step
def find_model(portfolio: str, named: str) -> RegisteredModel:
    """Return a registered model by its version, or by the ARN of its package as the registry's events name it.

    Raises:
        RegistryError: there is none.
    """
    if not named.startswith("arn:"):
        return get_model.fn(portfolio, named)
    found = next((model for model in list_models(portfolio) if model.arn == named), None)
    if found is None:
        raise RegistryError(
            f"group {group_name(portfolio)} of portfolio {portfolio} holds no package {named}; it may have been deleted"
        )
    return found


def acted_upon(model: RegisteredModel, approved_at: datetime | None) -> bool:
    """Return whether this approval has already led to a release.

    EventBridge delivers at least once, maybe late. Without this check, a late copy of an older model's approval would
    replace its successor.
    """
    return approved_at is not None and model.released_at is not None and model.released_at >= approved_at
