"""Runs the steps against a server and compares two runs."""

import json
import re
from dataclasses import dataclass
from typing import Any

import urllib3
from kubernetes import client

from tests.sandbox.kubernetes.apiserver.contract import objects, writes
from tests.sandbox.kubernetes.apiserver.contract.steps import Memory, Step

urllib3.disable_warnings()
STEPS: list[Step] = [
    *objects.DISCOVERY,
    *objects.CREATE,
    *objects.READ,
    *objects.REPLACE,
    *objects.CORE,
    *writes.PATCH,
    *writes.VALIDATION,
    *writes.SYNTAX,
    *writes.APPLIED,
    *writes.STATUS,
    *writes.FORMS,
    *writes.WATCHED,
    *objects.DELETE,
]
UID = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
AGE = re.compile(r"\d+(s|m\d*s?|h|d)")
VERSIONS = (
    (re.compile(r"(resource version: |current: )\d+"), r"\g<1><version>"),
    (re.compile(r"(ResourceVersion in record \()\d+"), r"\g<1><version>"),
)


@dataclass(frozen=True)
class Answer:
    """What a server said: the code and the body, without what differs each time."""

    code: int
    body: Any


class Server:
    """A server that takes the steps, with what it has said so far."""

    def __init__(self, host: str, headers: dict[str, str]) -> None:
        self.host = host
        self.headers = headers
        self.memory: Memory = {}
        self._http = urllib3.PoolManager(cert_reqs="CERT_NONE", retries=False)

    @classmethod
    def of(cls, api: client.ApiClient) -> "Server":
        headers: dict[str, str] = {}
        api.update_params_for_auth(headers, [], ["BearerToken"])
        return cls(api.configuration.host, headers)

    def take(self, step: Step) -> Answer:
        """Carry out a step."""
        try:
            path = step.path(self.memory) if callable(step.path) else step.path
            body = step.body(self.memory) if callable(step.body) else step.body
        except KeyError as error:
            return Answer(0, f"an earlier step did not give {error}")
        sent = None if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
        given = {"Accept": step.accept, "User-Agent": "contract/1", **self.headers, **step.headers}
        if sent is not None:
            given["Content-Type"] = step.media
        answer = self._http.request(step.method, self.host + path, body=sent, headers=given, timeout=20)
        text = answer.data.decode()
        if step.save and answer.status < 400:
            self.memory[step.save] = json.loads(text)
        return Answer(answer.status, _events(text) if step.watch and answer.status < 400 else _normal(_parsed(text)))

    def run(self, steps: list[Step] = STEPS) -> dict[str, Answer]:
        """Carry out all steps in order."""
        return {step.name: self.take(step) for step in steps}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _events(text: str) -> list[Any]:
    lines = [json.loads(line) for line in text.splitlines() if line]
    return [_normal(line) for line in lines if line.get("type") != "BOOKMARK"]


def _normal(value: Any, key: str = "") -> Any:
    """Return a body without uids, versions, moments and tokens, and with managed fields in order."""
    if isinstance(value, dict):
        return {name: _normal(item, name) for name, item in value.items()}
    if isinstance(value, list):
        items = [_normal(item, "cell" if key == "cells" else "") for item in value]
        return sorted(items, key=_order) if key in ("managedFields", "versions", "resources", "causes") else items
    if key in ("resourceVersion", "continue", "serverAddress") and value:
        return f"<{key}>"
    if key == "cell" and isinstance(value, str) and AGE.fullmatch(value):
        return "<age>"
    return _text(value) if isinstance(value, str) else value


def _order(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _text(text: str) -> str:
    head, separator, faults = text.partition("is invalid: [")
    if separator:  # Go lists faults in any order
        text = f"{head}{separator}{', '.join(sorted(re.split(r', (?=spec|<nil>|metadata)', faults.rstrip(']'))))}]"
    text = MOMENT.sub("<moment>", UID.sub("<uid>", text))
    for pattern, form in VERSIONS:
        text = pattern.sub(form, text)
    return text


def difference(ours: Any, theirs: Any, path: str = "") -> list[str]:
    """Return where two bodies differ, ours first."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        names = [*ours, *(name for name in theirs if name not in ours)]
        gone = "<nothing>"
        return [d for n in names for d in difference(ours.get(n, gone), theirs.get(n, gone), f"{path}.{n}")]
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = zip(ours, theirs, strict=True)
        return [d for i, (a, b) in enumerate(pairs) for d in difference(a, b, f"{path}[{i}]")]
    return [] if ours == theirs else [f"{path or 'body'}: {ours!r} | {theirs!r}"]
