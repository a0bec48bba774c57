"""EventBridge that delivers: S3 object events reach rules, and rules reach API destinations over HTTP."""

from collections.abc import Callable

from sandbox.aws.context import Context
from sandbox.aws.events.bus import attach
from sandbox.aws.events.courier import Courier


def install(_: Context) -> Callable[[], None]:
    """Connect S3, rules and API destinations; return what ends the deliveries."""
    courier = Courier()
    attach(courier)
    return courier.close
