"""`metadata.managedFields`: who wrote which field last."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sandbox.kubernetes.apiserver.documents import Object, now
from sandbox.kubernetes.apiserver.fields.paths import FieldSet, from_fields, to_fields
from sandbox.kubernetes.apiserver.fields.values import compare
from sandbox.kubernetes.apiserver.schema import Schema

APPLY, UPDATE = "Apply", "Update"
# Nobody owns what the server itself keeps.
_OF_THE_SERVER = (
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)
UNOWNED: FieldSet = frozenset(
    {("f:apiVersion",), ("f:kind",), ("f:metadata",), *(("f:metadata", f"f:{name}") for name in _OF_THE_SERVER)}
)


@dataclass(frozen=True)
class Writer:
    """Who writes, how, and to which part of an object."""

    manager: str
    operation: str = UPDATE
    api_version: str = ""
    subresource: str = ""

    @property
    def text(self) -> str:
        """The writer as a conflict's message names it."""
        named = f'"{self.manager}"' + (f' with subresource "{self.subresource}"' if self.subresource else "")
        return named if self.operation == APPLY else f"{named} using {self.api_version}"


@dataclass(frozen=True)
class Claim:
    """The fields of one writer, and when that set last changed."""

    fields: FieldSet
    time: str


Claims = dict[Writer, Claim]


def read(metadata: Object) -> Claims:
    """Return the claims in an object's metadata."""
    found = {}
    for entry in metadata.get("managedFields") or ():
        writer = Writer(
            entry.get("manager", ""),
            entry.get("operation", UPDATE),
            entry.get("apiVersion", ""),
            entry.get("subresource", ""),
        )
        found[writer] = Claim(from_fields(entry.get("fieldsV1", {})), entry.get("time", now()))
    return found


def write(claims: Claims) -> list[Object]:
    """Return claims as `managedFields`: applied ones first, then by time and name."""
    order = sorted(claims.items(), key=lambda pair: (pair[0].operation, pair[1].time, pair[0].manager))
    return [_entry(writer, claim) for writer, claim in order if claim.fields]


def _entry(writer: Writer, claim: Claim) -> Object:
    entry: dict[str, Any] = {
        "manager": writer.manager,
        "operation": writer.operation,
        "apiVersion": writer.api_version,
        "time": claim.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": to_fields(claim.fields),
    }
    return entry | ({"subresource": writer.subresource} if writer.subresource else {})


def claim(claims: Claims, writer: Writer, fields: Iterable[tuple[str, ...]], moment: str) -> None:
    """Set a writer's fields in place; the time stays if the fields do."""
    wanted = frozenset(fields) - UNOWNED
    if writer not in claims or claims[writer].fields != wanted:
        claims[writer] = Claim(wanted, moment)


def take(claims: Claims, writer: Writer, fields: FieldSet) -> None:
    """Take fields from everybody but one writer, in place."""
    for other, held in list(claims.items()):
        if other != writer and held.fields & fields:
            claims[other] = Claim(held.fields - fields, held.time)


def after_update(old: Object, new: Object, schema: Schema, writer: Writer) -> list[Object]:
    """Return the `managedFields` of an object after a plain write."""
    claims = read(old["metadata"])
    difference = compare(old, new, schema)
    take(claims, writer, difference.written | difference.removed)
    held = claims[writer].fields if writer in claims else frozenset()
    if difference.written - UNOWNED or held & difference.removed:
        claim(claims, writer, (held - difference.removed) | difference.written, now())
    return write(claims)
