"""The flow parameters that every flow shares, as the Prefect UI shows them."""

from typing import Annotated

from pydantic import Field

Portfolio = Annotated[
    str,
    Field(
        title="Portfolio",
        description="Name of a feature contract, such as case or uci_credit_card",
        pattern=r"^[a-z][a-z0-9_]*$",
    ),
]
