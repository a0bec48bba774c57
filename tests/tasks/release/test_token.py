"""A token that would expire in mid-release is refused before anything changes."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import ReleaseError
from tasks.release import token
from tasks.settings import settings

KEY = "a key of at least thirty-two bytes, as RFC 7518 wants"


def signed(**claims: object) -> str:
    """Return a JWT made by another implementation."""
    return jwt.encode({"sub": "release", **claims}, KEY, algorithm="HS256")


@given(st.integers(0, 4_000_000_000))
def test_the_expiry_is_the_claim_exp(seconds):
    assert token.expiry(signed(exp=seconds)) == datetime.fromtimestamp(seconds, UTC)


@given(st.text(max_size=80))
def test_any_other_token_has_no_expiry_and_raises_nothing(text):
    token.expiry(text)
    token.expiry(f"{text}.{text}.{text}")


@pytest.mark.parametrize("claims", [{}, {"nbf": 1}])
def test_a_jwt_without_the_claim_lasts(claims):
    assert token.expiry(signed(**claims)) is None


@pytest.mark.parametrize(("lasts", "refused"), [(3600, False), (600, True), (-5, True)])
def test_it_must_last_as_long_as_the_release(monkeypatch, release_settings, lasts, refused):
    monkeypatch.setenv("CREDIT_SERVE_TOKEN", signed(exp=datetime.now(UTC) + timedelta(seconds=lasts)))
    settings.cache_clear()
    if refused:
        with pytest.raises(ReleaseError, match="CREDIT_SERVE_TOKEN expires at .* use a token that lasts longer"):
            token.require_lasting(1800)
    else:
        token.require_lasting(1800)
