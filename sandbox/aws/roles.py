"""Callers: the access key of a role is its name, so that each request shows whose permissions it needs."""

import re

# The key of callers without a role: a person, the tests, and the sandbox itself.
NOBODY = "test"
SECRET = "test"  # noqa: S105 - nothing here checks a signature
_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/")


def access_key(role: str | None) -> str:
    """Return the access key id of a role, given by ARN or name; without a role, the key `NOBODY`.

    >>> access_key("arn:aws:iam::123456789012:role/credit-flows")
    'credit-flows'
    """
    return role.rsplit("/", 1)[-1] if role else NOBODY


def credentials(role: str | None) -> dict[str, str]:
    """Return the variables that give a process the credentials of a role."""
    return {"AWS_ACCESS_KEY_ID": access_key(role), "AWS_SECRET_ACCESS_KEY": SECRET}


def caller(authorization: str | None) -> str:
    """Return the access key id that signed a request; `NOBODY` if it is unsigned."""
    found = _CREDENTIAL.search(authorization or "")
    return found[1] if found else NOBODY
