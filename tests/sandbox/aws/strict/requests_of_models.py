"""Random requests that a service model allows, and mutations that it does not."""

import base64
import random
import string
from collections.abc import Iterator
from typing import Any

from sandbox.aws.strict.patterns import compiled

Shape = Any
Json = Any
_ALPHABETS = (string.ascii_lowercase, string.digits, string.ascii_letters + string.digits, "a")
# Values that fit patterns which random letters do not.
_SAMPLES = (
    "a", "1", "arn:aws:iam::123456789012:role/a", "arn:aws:sagemaker:eu-west-1:123456789012:model/a", "s3://bucket/key",
    "https://example.com", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/a:1", "AB", "a-b", "sha256:" + "a" * 64,
    "11111111-1111-1111-1111-111111111111", "/", "/a/", "2026-11-27", "true", "aws:kms", "$LATEST", "d-aaaaaaaaaaaa",
    "arn:aws:kms:eu-west-1:123456789012:key/a", "subnet-0a1b2c3d", "sg-0a1b2c3d", "a.b", "10.0.0.0/16", "i-0a1b2c3d4e",
)  # fmt: skip
_DEEPEST = 3


class UnfitError(Exception):
    """No value was found that fits a shape."""


class Maker:
    """Makes values of shapes; members that need not be there are left out where nothing fits them.

    Args:
        chance: The source of randomness.
    """

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def value(self, shape: Shape, depth: int = 0) -> Json:
        """Return a value that a shape allows."""
        make = getattr(self, f"_{shape.type_name}", None)
        return make(shape, depth) if make else self._scalar(shape)

    def _structure(self, shape: Shape, depth: int) -> dict[str, Json]:
        found: dict[str, Json] = {}
        for name, member in shape.members.items():
            required = name in shape.required_members
            if not required and (depth > _DEEPEST or self._chance.random() < 0.5):
                continue
            try:
                found[name] = self.value(member, depth + 1)
            except UnfitError:
                if required:
                    raise
        return found

    def _list(self, shape: Shape, depth: int) -> list[Json]:
        least, most = shape.metadata.get("min", 0), shape.metadata.get("max", 3)
        count = self._chance.randint(min(least, 50), max(min(most, least + 2), least)) if depth <= _DEEPEST else least
        return [self.value(shape.member, depth + 1) for _ in range(count)]

    def _map(self, shape: Shape, depth: int) -> dict[str, Json]:
        least = shape.metadata.get("min", 0)
        if depth > _DEEPEST and not least:
            return {}
        found: dict[str, Json] = {}
        for _ in range(20):
            if len(found) < max(least, 1):
                found[self.value(shape.key)] = self.value(shape.value, depth + 1)
        return found

    def _string(self, shape: Shape, _: int = 0) -> str:
        if shape.enum:
            return str(self._chance.choice(shape.enum))
        least, most = shape.metadata.get("min", 0), shape.metadata.get("max", 40)
        pattern = compiled(shape.metadata["pattern"]) if shape.metadata.get("pattern") else None
        for text in self._texts(least, most):
            if least <= len(text) <= most and (pattern is None or pattern.fullmatch(text)):
                return text
        raise UnfitError(shape.name)

    def _texts(self, least: int, most: int) -> Iterator[str]:
        for alphabet in _ALPHABETS:
            length = self._chance.randint(least, max(least, min(most, least + 12)))
            yield "".join(self._chance.choice(alphabet) for _ in range(length))
        yield from _SAMPLES
        yield "a" * least

    def _blob(self, shape: Shape, _: int) -> str:
        return base64.b64encode(b"x" * shape.metadata.get("min", 1)).decode()

    def _integer(self, shape: Shape, _: int) -> int:
        least = shape.metadata.get("min", 0)
        return int(self._chance.randint(least, max(least, min(shape.metadata.get("max", least + 5), least + 5))))

    _long = _integer

    def _scalar(self, shape: Shape) -> Json:
        if shape.type_name in ("float", "double"):
            return float(shape.metadata.get("min", 0))
        return True if shape.type_name == "boolean" else 1_700_000_000 if shape.type_name == "timestamp" else "a"


def mutations(shape: Shape, request: dict[str, Json], chance: random.Random) -> Iterator[tuple[str, dict[str, Json]]]:
    """Yield changed requests, each with one broken constraint of a member of the first level."""
    for name in shape.required_members:
        if not shape.members[name].metadata.get("idempotencyToken"):
            yield f"no {name}", {key: value for key, value in request.items() if key != name}
    for name, member in shape.members.items():
        for what, value in _wrong(member, chance):
            yield f"{name} {what}", {**request, name: value}


def _wrong(shape: Shape, chance: random.Random) -> Iterator[tuple[str, Json]]:
    facts, kind = shape.metadata, shape.type_name
    if kind in ("structure", "list", "map", "boolean", "integer", "long"):
        yield "of another type", "text"
    elif kind == "string":
        yield "of another type", chance.choice([5, True, {}, []])
    if kind == "string" and shape.enum:
        yield "not in the enum", "-".join(shape.enum)[:500] + "?"
    if kind == "string":
        yield from _lengths(facts, lambda length: "a" * length)
    elif kind in ("integer", "long"):
        yield from _bounds(facts)


def _lengths(facts: dict[str, Any], make: Any) -> Iterator[tuple[str, Json]]:
    if facts.get("min", 0) > 0:
        yield "too short", make(facts["min"] - 1)
    if facts.get("max", 1 << 30) < 1 << 20:
        yield "too long", make(facts["max"] + 1)


def _bounds(facts: dict[str, Any]) -> Iterator[tuple[str, int]]:
    if "min" in facts:
        yield "too small", facts["min"] - 1
    if "max" in facts:
        yield "too large", facts["max"] + 1
