"""The error of a function."""


class Failure(ValueError):
    """A function refuses its arguments; the message is Athena's."""


def invalid(message: str) -> Failure:
    """Return Trino's error for an argument that a function does not take."""
    return Failure(f"INVALID_FUNCTION_ARGUMENT: {message}")
