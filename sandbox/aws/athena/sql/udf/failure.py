"""The error of a function."""


class FunctionError(ValueError):
    """A function refuses its arguments; the message is Athena's."""


def invalid(message: str) -> FunctionError:
    """Return Trino's error for an argument that a function does not take."""
    return FunctionError(f"INVALID_FUNCTION_ARGUMENT: {message}")


def unsupported(what: str) -> FunctionError:
    """Return the error for what Athena may accept and the sandbox does not reproduce."""
    return FunctionError(f"NOT_SUPPORTED: {what} (Athena may accept this; the sandbox cannot reproduce it)")
