"""Requests are repeated while errors may pass, with the pause that the server asks for, and not for ever."""

import pytest

from tasks.release import retries
from tasks.release.retries import patiently


class BusyError(Exception):
    def __init__(self, retry_after: str | None = None) -> None:
        super().__init__("busy")
        self.headers = {"Retry-After": retry_after} if retry_after else None


@pytest.fixture
def pauses(monkeypatch) -> list[float]:
    found: list[float] = []

    class Time:
        sleep = staticmethod(found.append)

    monkeypatch.setattr(retries, "time", Time)
    return found


def call(*errors: Exception):
    left = list(errors)

    def answer() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return answer


def is_busy(error: BaseException) -> bool:
    return isinstance(error, BusyError)


def test_passing_errors_are_waited_out_with_growing_pauses(pauses):
    assert patiently(call(*[BusyError() for _ in range(5)]), is_busy) == "done"
    assert len(pauses) == 5
    assert all(2**k / 2 <= pause <= 2**k / 2 + 0.5 for k, pause in enumerate(pauses))


def test_the_server_says_when_to_come_back(pauses):
    assert patiently(call(BusyError("7"), BusyError("Wed, 21 Oct 2026 07:28:00 GMT"), BusyError("3600")), is_busy)
    assert pauses[0] == 7
    assert 1 <= pauses[1] <= 1.5  # a date is not read
    assert pauses[2] == retries.LONGEST_PAUSE


def test_a_final_error_is_not_repeated(pauses):
    with pytest.raises(KeyError):
        patiently(call(KeyError("x")), is_busy)
    assert pauses == []


def test_patience_ends_with_the_last_error(pauses):
    with pytest.raises(BusyError):
        patiently(call(*[BusyError() for _ in range(9)]), is_busy, attempts=3)
    assert len(pauses) == 2
