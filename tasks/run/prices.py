"""What AWS charges, as far as the cost tables need it: list prices without tax, with their date and region."""

from pydantic import BaseModel

# Written down from memory of the public price lists, on demand, and rounded; nobody has compared them with an invoice.
# `CREDIT_PRICES` replaces single ones, also those of instance types that are not listed here.
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
        own: Those that the settings give; the others are the dated list prices.
    """

    own: dict[str, float] = {}

    def of(self, what: str) -> float | None:
        """Return a price, None where it is not known."""
        return self.own.get(what, USD.get(what))

    def source(self) -> str:
        """Say where the prices are from."""
        own = f"; {', '.join(sorted(self.own))} as CREDIT_PRICES says" if self.own else ""
        return f"approximate list prices of {REGION}, {DATED}{own}"
