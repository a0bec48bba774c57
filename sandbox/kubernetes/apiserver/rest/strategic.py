"""Strategic merge patch: lists of built-in types merge by the key of their items."""

from sandbox.kubernetes.apiserver.documents import Json, Object
from sandbox.kubernetes.apiserver.errors import BadRequestError, UnknownError
from sandbox.kubernetes.apiserver.schema import Schema

DIRECTIVE = "$patch"
DELETE_PRIMITIVES, ORDER, RETAIN = "$deleteFromPrimitiveList/", "$setElementOrder/", "$retainKeys"


def strategic_merge_patch(target: Object, patch: Object, schema: Schema) -> Object:
    """Apply a strategic merge patch to a copy of `target`; the schema's list keys say how lists merge.

    >>> ports = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": {}}
    >>> strategic_merge_patch({"p": [{"name": "a"}]}, {"p": [{"name": "b"}]}, {"properties": {"p": ports}})
    {'p': [{'name': 'b'}, {'name': 'a'}]}
    """
    return dict(_merge(target, patch, schema))


def _merge(target: Json, patch: Json, schema: Schema) -> Json:
    if not isinstance(patch, dict):
        return patch
    if patch.get(DIRECTIVE) == "replace":
        return {key: value for key, value in patch.items() if key != DIRECTIVE}
    if patch.get(DIRECTIVE) == "delete":
        return {}
    if patch.get(DIRECTIVE) not in (None, "merge"):
        shown = " ".join(f"{key}:{value}" for key, value in sorted(patch.items()))
        raise UnknownError(f"unknown patch type: {patch[DIRECTIVE]} in map: map[{shown}]")
    merged = dict(target) if isinstance(target, dict) else {}
    if RETAIN in patch:
        merged = {key: value for key, value in merged.items() if key in patch[RETAIN]}
    for key, value in patch.items():
        _merge_field(merged, key, value, schema)
    return merged


def _merge_field(merged: Object, key: str, value: Json, schema: Schema) -> None:
    """Merge one field of a patch into an object, in place."""
    inner = schema.get("properties", {}).get(key, schema.get("additionalProperties") or {})
    if key.startswith(DELETE_PRIMITIVES):
        name = key.removeprefix(DELETE_PRIMITIVES)
        merged[name] = [item for item in merged.get(name) or [] if item not in value]
    elif key.startswith((ORDER, RETAIN, DIRECTIVE)):
        return
    elif value is None:
        merged.pop(key, None)
    elif isinstance(value, list) and inner.get("x-kubernetes-list-type") in ("map", "set"):
        merged[key] = _merge_list(merged.get(key) or [], value, inner)
    else:
        merged[key] = _merge(merged.get(key), value, inner)


def _merge_list(target: list[Json], patch: list[Json], schema: Schema) -> list[Json]:
    if any(isinstance(item, dict) and item.get(DIRECTIVE) == "replace" for item in patch):
        return [item for item in patch if not (isinstance(item, dict) and DIRECTIVE in item)]
    if schema["x-kubernetes-list-type"] == "set":
        return [*target, *(item for item in patch if item not in target)]
    key = schema["x-kubernetes-list-map-keys"][0]
    places = {item.get(key): place for place, item in enumerate(target)}
    gone, merged = set(), []
    for item in patch:
        if key not in item:
            raise BadRequestError(f"map: {item} does not contain declared merge key: {key}")
        if item.get(DIRECTIVE) == "delete":
            gone.add(item[key])
        else:
            before = target[places[item[key]]] if item[key] in places else {}
            merged.append((places.get(item[key], -1), _merge(before, item, schema["items"])))
    named = {item[key] for _, item in merged} | gone
    left = [(place, item) for place, item in enumerate(target) if item.get(key) not in named]
    return _interleaved(merged, left)


def _interleaved(patched: list[tuple[int, Json]], left: list[tuple[int, Json]]) -> list[Json]:
    """Return patched items in the patch's order among the others; a new item comes before them."""
    result: list[Json] = []
    for place, item in left:
        while patched and patched[0][0] < place:
            result.append(patched.pop(0)[1])
        result.append(item)
    return [*result, *(item for _, item in patched)]
