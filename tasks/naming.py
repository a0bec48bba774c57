"""Names and free text in the alphabets of SageMaker, Kubernetes and Prefect artifact keys."""

import unicodedata

MOST_METADATA = 256


def dashed(portfolio: str) -> str:
    """Return the portfolio's name with dashes.

    >>> dashed("uci_credit_card")
    'uci-credit-card'
    """
    return portfolio.replace("_", "-")


def metadata_value(text: str) -> str:
    """Return free text as a value of a model package's metadata, whose alphabet SageMaker limits.

    Letters, digits, spaces and `_.:/+-@` stay; the bytes of everything else are written as in quoted-printable text,
    which `quopri.decodestring` reads back from UTF-8. What is over SageMaker's 256 characters is cut off.

    >>> metadata_value("declines too many (#12)")
    'declines too many =28=2312=29'
    """
    value = ""
    for letter in text:
        kept = letter in "_.:/+-@" or unicodedata.category(letter)[0] in "LNZ"
        piece = letter if kept else "".join(f"={byte:02X}" for byte in letter.encode())
        if len(value) + len(piece) > MOST_METADATA:
            break
        value += piece
    return value
