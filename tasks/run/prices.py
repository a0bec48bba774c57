"""AWS list prices for the cost tables, without tax, with their date and region."""

from pydantic import BaseModel

# Rounded on-demand prices, written from memory of the public lists and never compared with an invoice.
# `CREDIT_PRICES` replaces single prices and adds those of other instance types.
DATED = "2025-11"
REGION = "eu-west-1"
ATHENA_TB = "athena-tb"
USD = {
    ATHENA_TB: 5.0,
    "ml.m5.large": 0.128,
    "ml.m5.xlarge": 0.257,
    "ml.m5.2xlarge": 0.514,
    "ml.m5.4xlarge": 1.027,
    "ml.c5.xlarge": 0.23,
    "ml.c5.2xlarge": 0.461,
    "ml.c5.4xlarge": 0.922,
}


class Prices(BaseModel, frozen=True):
    """Prices in US dollars: per hour of an instance type, and per TB that Athena scans.

    Attributes:
        own: Prices from the settings; all others are the dated list prices.

    Example:
        >>> Prices(own={"ml.m5.large": 0.1}).of("ml.m5.large"), Prices().of(ATHENA_TB), Prices().of("ml.none")
        (0.1, 5.0, None)
    """

    own: dict[str, float] = {}

    def of(self, what: str) -> float | None:
        """Return a price, None if it is unknown."""
        return self.own.get(what, USD.get(what))

    def source(self) -> str:
        """Describe where the prices come from."""
        own = f"; {', '.join(sorted(self.own))} from CREDIT_PRICES" if self.own else ""
        return f"approximate list prices of {REGION}, {DATED}{own}"
