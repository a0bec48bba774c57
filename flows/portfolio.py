"""Flow parameters shared by all flows, with the titles, rules and choices that the Prefect UI shows."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

from pydantic import Field

from credit_model.contract.contract import contract_names


def shown(title: str, *, choices: Sequence[str] | None = None, **rules: Any) -> Any:  # noqa: ANN401 - as pydantic's Field
    """Return a pydantic field that sets how the Prefect UI shows a parameter.

    The description comes from the flow's docstring. The title is put where Prefect does not overwrite it with the
    parameter's name.

    Args:
        title: Title of the field.
        choices: Values that the form offers; the API accepts no others.
        rules: Rules that pydantic checks, such as `pattern` or `ge`.

    Example:
        >>> from prefect.utilities.callables import parameter_schema
        >>> def flow(months: Annotated[int, shown("Months held out", ge=1)] = 2) -> None: ...
        >>> parameter_schema(flow).properties["months"]["title"]
        'Months held out'
    """
    return Field(json_schema_extra={"title": title, **({"enum": list(choices)} if choices else {})}, **rules)


Portfolio = Annotated[str, shown("Portfolio", pattern=r"^[a-z][a-z0-9_]*$", choices=contract_names())]
Day = Annotated[date | None, shown("Day (UTC)")]
