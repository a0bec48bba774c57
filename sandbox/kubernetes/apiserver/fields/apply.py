"""Server-side apply: a writer's whole intent merges into an object, and what it no longer wants goes."""

from sandbox.kubernetes.apiserver.documents import Object, now
from sandbox.kubernetes.apiserver.errors import ConflictError, FieldError
from sandbox.kubernetes.apiserver.fields.managed import APPLY, UNOWNED, Claims, Writer, claim, read, take, write
from sandbox.kubernetes.apiserver.fields.paths import FieldSet, readable, with_parents
from sandbox.kubernetes.apiserver.fields.values import compare, fields_of, merge, without
from sandbox.kubernetes.apiserver.schema import Schema


def apply(live: Object, intent: Object, schema: Schema, writer: Writer, *, force: bool) -> Object:
    """Return the object after a writer applies an intent to it.

    Args:
        live: The stored object; one with only a name for a new object.
        intent: All that the writer wants to own.
        schema: The schema of both, with its list types.
        writer: The writer; its operation is `Apply`.
        force: Whether to take fields that others own.

    Raises:
        ConflictError: Others own fields that the intent changes; the message names them.
    """
    claims = read(live["metadata"])
    wanted = frozenset(fields_of(intent, schema)) - UNOWNED
    before = claims[writer].fields if writer in claims else frozenset()
    claim(claims, writer, wanted, now())
    merged: Object = merge(live, intent, schema)
    merged = without(merged, schema, _dropped(before, wanted, claims))
    difference = compare(live, merged, schema)
    if not force:
        _check(claims, writer, difference.written)
    take(claims, writer, difference.written | frozenset(difference.removed))
    merged["metadata"] = {**merged["metadata"], "managedFields": write(claims)}
    return merged


def _dropped(before: FieldSet, wanted: FieldSet, claims: Claims) -> FieldSet:
    """Return the fields that the writer alone owned and no longer wants."""
    owned = with_parents(path for held in claims.values() for path in held.fields)
    return frozenset(path for path in before - wanted if path not in owned)


def _check(claims: Claims, writer: Writer, written: FieldSet) -> None:
    conflicts = {other: sorted(held.fields & written) for other, held in claims.items() if other != writer}
    found = [(other, path) for other, paths in sorted(conflicts.items(), key=_name) for path in paths]
    if not found:
        return
    causes = [FieldError(readable(path), "FieldManagerConflict", f"conflict with {o.text}") for o, path in found]
    several = "conflicts" if len(causes) > 1 else "conflict"
    raise ConflictError(f"Apply failed with {len(causes)} {several}: {_text(conflicts)}", causes=causes)


def _name(pair: tuple[Writer, list[tuple[str, ...]]]) -> str:
    return pair[0].text


def _text(conflicts: dict[Writer, list[tuple[str, ...]]]) -> str:
    groups = []
    for other, paths in sorted(conflicts.items(), key=_name):
        if len(paths) == 1:
            groups.append(f"conflict with {other.text}: {readable(paths[0])}")
        elif paths:
            groups.append("\n".join([f"conflicts with {other.text}:", *(f"- {readable(path)}" for path in paths)]))
    return "\n".join(groups)


def applier(manager: str, api_version: str) -> Writer:
    """Return the writer of an apply request."""
    return Writer(manager, APPLY, api_version)
