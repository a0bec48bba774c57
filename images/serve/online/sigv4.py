"""Signs requests to one AWS JSON service with Signature Version 4; constant parts are computed once.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html. botocore's own
signer gives the same result (a test compares them) but is many times slower, because it signs any request.
"""

import hmac
import time
from hashlib import sha256
from typing import NamedTuple

CONTENT_TYPE = "application/x-amz-json-1.0"


class Credentials(NamedTuple):
    """AWS keys; temporary ones have a `token`."""

    access_key: str
    secret_key: str
    token: str | None


class Signer:
    """Signs POST requests to one host and one service."""

    def __init__(self, credentials: Credentials, *, region: str, host: str, service: str) -> None:
        self._credentials = credentials
        self._region = region
        self._host = host
        self._service = service
        self._day = ""
        self._key = b""

    def renew(self, credentials: Credentials) -> None:
        """Replace the keys."""
        self._credentials, self._day = credentials, ""

    def headers(self, target: str, body: bytes, now: float) -> dict[str, str]:
        """Return the headers of a signed POST of `body` to `/`.

        Args:
            target: value of `X-Amz-Target`, for example `DynamoDB_20120810.BatchGetItem`.
            body: JSON.
            now: Unix time in seconds.
        """
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        headers = {"content-type": CONTENT_TYPE, "host": self._host, "x-amz-date": stamp}
        if self._credentials.token:
            headers["x-amz-security-token"] = self._credentials.token
        headers["x-amz-target"] = target  # the names must be in alphabetical order
        names = ";".join(headers)
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        canonical = f"POST\n/\n\n{lines}\n{names}\n{sha256(body).hexdigest()}"
        scope = f"{stamp[:8]}/{self._region}/{self._service}/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(self._signing_key(stamp[:8]), text.encode(), "sha256").hex()
        signed = f"Credential={self._credentials.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        return {**headers, "authorization": f"AWS4-HMAC-SHA256 {signed}"}

    def _signing_key(self, day: str) -> bytes:
        if day != self._day:
            key = f"AWS4{self._credentials.secret_key}".encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._day, self._key = day, key
        return self._key
