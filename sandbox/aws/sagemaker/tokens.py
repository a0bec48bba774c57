"""The tokens of List responses: opaque to clients, refused unless they were given out."""

import base64
import binascii

from sandbox.aws.errors import ApiError

_PREFIX = b"sandbox:"


def write(start: int) -> str:
    """Return the token of the page that starts at an item.

    >>> read(write(20))
    20
    """
    return base64.urlsafe_b64encode(_PREFIX + str(start).encode()).decode()


def read(token: str | None) -> int:
    """Return where a page starts.

    Raises:
        ApiError: The token was not given out (ValidationException).
    """
    if not token:
        return 0
    try:
        text = base64.b64decode(token, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        text = b""
    if not text.startswith(_PREFIX):
        raise ApiError("ValidationException", "The provided NextToken is invalid.")
    return int(text.removeprefix(_PREFIX))
