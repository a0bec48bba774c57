"""EventBridge that delivers events: S3 object events match rules, and rules call API destinations over HTTP."""

from collections.abc import Callable

from sandbox.aws.context import Context
from sandbox.aws.events.bus import attach
from sandbox.aws.events.courier import Courier


def install(_: Context) -> Callable[[], None]:
    """Connect S3, rules and API destinations; return a function that stops the deliveries."""
    courier = Courier()
    attach(courier)
    return courier.close
