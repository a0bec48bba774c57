"""What the server refuses, as an HTTP status and a JSON answer that says what is wrong, where and what to do."""

from credit_model.errors import InputError


class RequestError(Exception):
    """A request that cannot be answered.

    Attributes:
        status: HTTP status of the answer, 4xx.
        where: what the fault belongs to (`index`, `column`, `value`, …), for the answer's body.
    """

    status = 400

    def __init__(self, message: str, **where: object) -> None:
        super().__init__(message)
        self.where = where

    def body(self) -> dict[str, object]:
        """Return the JSON answer."""
        return {"error": str(self), **self.where}


class TooLargeError(RequestError):
    """The body or the batch is larger than the server takes."""

    status = 413


class UnsupportedTypeError(RequestError):
    """The content type is not one of those the route takes."""

    status = 415


class NotAcceptableError(RequestError):
    """None of the types the client accepts can be given."""

    status = 406


class NotServedError(RequestError):
    """The route exists in the protocol but is closed here."""

    status = 404


class ApplicantError(RequestError):
    """One applicant cannot be scored; names the row, the column and the value."""

    status = 422

    def __init__(self, error: InputError) -> None:
        super().__init__(
            str(error), index=error.index, column=error.column, value=_plain(error.value), reason=error.reason
        )


def _plain(value: object) -> object:
    """JSON as it came in; anything else in words."""
    return value if isinstance(value, str | int | float | bool | None) else str(value)[:200]
