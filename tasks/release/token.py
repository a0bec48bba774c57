"""The bearer token that a release sends: whether it lasts as long as the release."""

import base64
import json
from datetime import UTC, datetime, timedelta

from tasks.errors import ReleaseError
from tasks.settings import settings


def expiry(token: str) -> datetime | None:
    """Return when a JWT expires (its claim `exp`, RFC 7519), None for any other token or one without that claim.

    >>> expiry("not-a-jwt") is None
    True
    """
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return datetime.fromtimestamp(float(claims["exp"]), UTC)
    except (ValueError, TypeError, KeyError, OverflowError, OSError):
        return None


def require_lasting(seconds: float) -> None:
    """Refuse a token that would expire in mid-release, because a good model would then be taken back.

    Args:
        seconds: longest time that the release may take.

    Raises:
        ReleaseError: it expires earlier.
    """
    ends = expiry(settings().serve_token.get_secret_value())
    needed = datetime.now(UTC) + timedelta(seconds=seconds)
    if ends is not None and ends < needed:
        raise ReleaseError(
            f"CREDIT_SERVE_TOKEN expires at {ends:%Y-%m-%d %H:%M} UTC and the release may take until "
            f"{needed:%Y-%m-%d %H:%M} UTC; use a token that lasts longer, or shorter dwell_seconds and ready_seconds"
        )
