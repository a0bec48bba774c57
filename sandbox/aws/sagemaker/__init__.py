"""Placeholder while the room is built."""

from collections.abc import Callable

from sandbox.aws.context import Context


def install(context: Context) -> Callable[[], None]:
    """Nothing yet."""
    return lambda: None
