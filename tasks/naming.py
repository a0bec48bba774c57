"""How a portfolio is named where underscores are not allowed: SageMaker, Kubernetes, Prefect artifact keys."""


def dashed(portfolio: str) -> str:
    """Return the portfolio's name with dashes.

    >>> dashed("uci_credit_card")
    'uci-credit-card'
    """
    return portfolio.replace("_", "-")
