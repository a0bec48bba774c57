"""The flow parameters that every flow shares, as the Prefect UI shows them: titles, rules, choices."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

from pydantic import Field

from credit_model.contract.contract import contract_names


def shown(title: str, *, choices: Sequence[str] | None = None, **rules: Any) -> Any:  # noqa: ANN401 - as pydantic's Field
    """Return how a parameter shows in the form of the Prefect UI; what stands below it comes from the flow's docstring.

    The title goes where Prefect does not overwrite it: as a plain title it would be the parameter's name.

    Args:
        title: What stands above the field.
        choices: What the form offers; the API takes nothing else.
        rules: What pydantic shall check, such as `pattern` or `ge`.

    Example:
        >>> from prefect.utilities.callables import parameter_schema
        >>> def flow(months: Annotated[int, shown("Months held out", ge=1)] = 2) -> None: ...
        >>> parameter_schema(flow).properties["months"]["title"]
        'Months held out'
    """
    return Field(json_schema_extra={"title": title, **({"enum": list(choices)} if choices else {})}, **rules)


Portfolio = Annotated[str, shown("Portfolio", pattern=r"^[a-z][a-z0-9_]*$", choices=contract_names())]
Day = Annotated[date | None, shown("Day (UTC)")]
