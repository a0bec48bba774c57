"""The error family of the credit model: each message says what is wrong, where, and what to do."""

from __future__ import annotations


class CreditModelError(Exception):
    """Base of every error this library raises on purpose."""


class ContractError(CreditModelError):
    """A contract file is missing or does not describe a portfolio correctly."""


class DataError(CreditModelError):
    """A whole file or table cannot be used (as opposed to single rows of it)."""


class BundleError(CreditModelError):
    """A model bundle is incomplete, changed since it was written, or unreadable."""


class TrainingError(CreditModelError):
    """A model cannot or should not be trained on this table with these settings."""


class InputError(CreditModelError):
    """One applicant cannot be scored.

    Attributes:
        index: Zero-based position of the applicant in the request.
        column: Column at fault, or None when the row as a whole is at fault.
        value: The offending value.
        reason: What is wrong with it.
    """

    def __init__(self, *, index: int, column: str | None, value: object, reason: str) -> None:
        where = f"row {index}" if column is None else f"column '{column}' row {index}"
        super().__init__(f"{where}: {reason}")
        self.index = index
        self.column = column
        self.value = value
        self.reason = reason

    def moved(self, rows: int) -> InputError:
        """Return the same fault so many rows further down: the row of a part as a row of the whole.

        Example:
            >>> print(InputError(index=1, column="age", value=-1, reason="-1 is below 18").moved(100))
            column 'age' row 101: -1 is below 18
        """
        return InputError(index=self.index + rows, column=self.column, value=self.value, reason=self.reason)
