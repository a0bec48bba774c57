"""Portfolio names without underscores, for SageMaker, Kubernetes and Prefect artifact keys."""


def dashed(portfolio: str) -> str:
    """Return the portfolio's name with dashes.

    >>> dashed("uci_credit_card")
    'uci-credit-card'
    """
    return portfolio.replace("_", "-")
