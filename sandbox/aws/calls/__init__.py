"""A record of the AWS calls of each role in `calls.jsonl`, which the tests compare with the policies."""

from collections.abc import Callable
from typing import Any

from moto.core.authorization import ActionAuthenticatorMixin

from sandbox.aws.calls.recorder import Recorder
from sandbox.aws.context import Context

FILE = "calls.jsonl"


def install(context: Context) -> Callable[[], None]:
    """Record calls where moto can check permissions; return a function that closes the file."""
    recorder = Recorder(context.folder() / FILE)
    ask = ActionAuthenticatorMixin._authenticate_and_authorize_action

    def record(request: Any, kind: type, resource: str = "*") -> None:  # noqa: ANN401 - moto's response classes
        recorder.record(request, resource)
        ask(request, kind, resource)

    ActionAuthenticatorMixin._authenticate_and_authorize_action = record  # type: ignore[method-assign,assignment]
    return recorder.close
