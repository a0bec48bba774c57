"""The server's error family: an HTTP status and a JSON body that says what is wrong, where, and what to do."""

from credit_model.data.coercion import show
from credit_model.errors import InputError

MAX_TEXT = 400


class RequestError(Exception):
    """A request that cannot be answered.

    Attributes:
        status: HTTP status of the answer, 4xx or 503.
        where: location of the fault (`index`, `column`, `value`, …), for the answer's body.
    """

    status = 400

    def __init__(self, message: str, **where: object) -> None:
        super().__init__(message)
        self.where = where

    def body(self) -> dict[str, object]:
        """Return the JSON body of the answer."""
        return {"error": cut(str(self)), **{name: _plain(value) for name, value in self.where.items()}}


class TooLargeError(RequestError):
    """The body or the batch is larger than the server accepts."""

    status = 413


class UnsupportedTypeError(RequestError):
    """The route does not accept the content type."""

    status = 415


class NotAcceptableError(RequestError):
    """The route cannot answer in any type that the client accepts."""

    status = 406


class NotServedError(RequestError):
    """The route exists in the protocol but is closed here."""

    status = 404


class BusyError(RequestError):
    """The server has no room now; the same request may succeed later."""

    status = 503


class SlowError(RequestError):
    """The body stopped arriving."""

    status = 408


class ApplicantError(RequestError):
    """One applicant cannot be scored; names the row, the column and the value."""

    status = 422

    def __init__(self, error: InputError) -> None:
        super().__init__(str(error), index=error.index, column=error.column, value=error.value, reason=error.reason)


def cut(text: str) -> str:
    """Return text short enough for an answer.

    >>> len(cut("a" * 1000))
    400
    """
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


def _plain(value: object) -> object:
    """Return simple values as they came in, with long text cut; summarise anything else, because it may be deep."""
    if isinstance(value, int | float | None):
        return value
    return cut(value if isinstance(value, str) else show(value))
