"""The front of the sandbox's AWS: refuses what AWS refuses, and gives every failure the form that clients read."""

import logging
import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from sandbox.aws.strict import refusals
from sandbox.aws.strict.answers import Answers
from sandbox.aws.strict.constraints import WrongTypeError, violations
from sandbox.aws.strict.folding import fold
from sandbox.aws.strict.refusals import Refusal
from sandbox.aws.strict.requests import Call, Environ, UnreadableError, identify, read_parameters
from sandbox.aws.strict.rules import broken
from sandbox.aws.strict.s3 import refuse_s3

_log = logging.getLogger(__name__)
StartResponse = Callable[..., Any]
Headers = list[tuple[str, str]]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]
_UNREADABLE = {404, 405, 500}
_PAGE = b"<!doctype html"  # what moto's server answers to a path that it does not know
_BEFORE = re.compile(rb"An error occurred \(\w+\) when calling the \w+ operation: ")
_OWN = ("/moto-api", "/latest/")


class Front:
    """A WSGI application in front of moto's.

    Args:
        behind: Moto's application.
        answers: Where answers are held against the models; None for no check.
    """

    def __init__(self, behind: Application, answers: Answers | None = None) -> None:
        self._behind = behind
        self._answers = answers

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        call = identify(environ)
        protocol = call.protocol if call else "rest-xml"
        try:
            refusal = refuse(call, environ) if call else None
            if refusal is None:
                return self._pass_on(call, environ, start_response)
        except NotImplementedError:
            refusal = _unmodelled(call, environ)
        except Exception as error:  # a bug of the sandbox must reach its client as AWS's own failures do
            _log.exception("%s", _named(call, environ))
            text = f"the sandbox failed at {_named(call, environ)}: {type(error).__name__}: {error}"
            refusal = Refusal("InternalFailure", text, 500)
        return _send(protocol, refusal, start_response)

    def _pass_on(self, call: Call | None, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        kept: list[Any] = []

        def keep(status: str, headers: list[tuple[str, str]], _: Any = None) -> None:  # noqa: ANN401 - WSGI
            kept[:] = [status, headers]

        body = self._behind(environ, keep)
        status, headers = kept
        if int(status[:3]) in _UNREADABLE and not environ["PATH_INFO"].startswith(_OWN):
            body = [b"".join(body)]
            if body[0].lower().startswith(_PAGE):
                raise NotImplementedError
        if call is not None and call.protocol == "json" and int(status[:3]) >= HTTPStatus.BAD_REQUEST:
            body = [b"".join(body)]
            status, headers, body[0] = _plain(status, headers, body[0])
        if self._answers is not None and call is not None:
            body = [b"".join(body)]
            self._answers.check(call, int(status[:3]), body[0])
        start_response(status, headers)
        return body


def refuse(call: Call, environ: Environ) -> Refusal | None:
    """Return AWS's refusal of a request; None if AWS accepts it, as far as is known before it acts."""
    if call.service == "s3":
        return refuse_s3(environ)
    if call.name and call.operation is None:
        return Refusal("UnknownOperationException", f"{call.service} has no operation {call.name}")
    try:
        read_parameters(call, environ)
        check = call.operation.check if call.operation else None
        wrong = violations(check, call.parameters) if check else []
    except WrongTypeError as error:
        return Refusal("SerializationException", str(error))
    except UnreadableError as error:
        return Refusal(error.code, str(error))
    if wrong:
        return refusals.invalid(call, wrong)
    fold(call, environ)
    return broken(call)


def _plain(status: str, headers: Headers, body: bytes) -> tuple[str, Headers, bytes]:
    """Return a failure of a JSON service as AWS sends it: status 400, and no client's words around its message."""
    if status.startswith("404"):
        status = "400 BAD REQUEST"
    text = _BEFORE.sub(b"", body) if b"An error occurred" in body else body
    text = re.sub(rb" {2,}", b" ", text)
    return (
        status,
        [(name, str(len(text)) if name.lower() == "content-length" else value) for name, value in headers],
        text,
    )


def _unmodelled(call: Call | None, environ: Environ) -> Refusal:
    return Refusal("NotImplemented", f"the sandbox does not model {_named(call, environ)}", 501)


def _named(call: Call | None, environ: Environ) -> str:
    if call and call.name:
        return f"{call.service}:{call.name}"
    return f"{call.service if call else 'AWS'}: {environ.get('REQUEST_METHOD')} {environ.get('PATH_INFO')}"


def _send(protocol: str, refusal: Refusal, start_response: StartResponse) -> Iterable[bytes]:
    headers, body = refusals.response(protocol, refusal)
    headers = [*headers, ("Content-Length", str(len(body)))]
    start_response(f"{refusal.status} {HTTPStatus(refusal.status).phrase}", headers)
    return [body]
