"""Differences that remain between the sandbox and the real API server of the tests, with the reason."""

import json
import re
from typing import Any

# The real server is Kubernetes 1.20; the sandbox follows a current one. What a later release changed everywhere in the
# same way is taken out of both answers here; a step that is the same after that is counted apart, as `aged`.
#   1. Faults name the item of a list: `containers[0].image`, where 1.20 says `containers.image`.
#   2. A wrong type is a reason of its own, where 1.20 says that the value is invalid.
#   3. `managedFields` keep the status subresource apart; 1.20 does not know it.
#   4. Apply follows the types of the definition. 1.20 gives them up where the definition has an int-or-string, as
#      KServe's has (it keeps them in one without): it claims each parent as well, and takes each list as a whole.
#   5. Finalizers and owners of a custom resource have owners too.
#   6. The texts that describe a built-in column have changed.
_INDEX = re.compile(r"\[\d+\]")
_DECODER = "1.20's JSON decoder has words of its own for a wrong type, with the bytes around it"
_UNTYPED = "1.20 takes each list of a definition with an int-or-string as a whole; later releases follow the list keys"
_RESET = "1.20 also claims what a write cannot change: the status beside the rest, and the rest beside the status"
KNOWN: dict[str, str] = {
    "an unknown path": "the real server answers with the list of its own paths",
    "the reviews of one's own rights": "1.20 still serves v1beta1",
    "create without a kind": _DECODER,
    "create a ConfigMap with a number": _DECODER,
    "a name that is a number": _DECODER,
    "a label that is a number": _DECODER,
    "labels that are a list": _DECODER,
    "an annotation that is a number": _DECODER,
    "strategic: a wrong type": "1.20 converts the patch before it decodes it, and reports the conversion",
    "create with a status": _RESET,
    "write a specification through the status": _RESET,
    "write labels through the status": _RESET,
    "write a status through the object": _RESET,
    "what may I": "the sandbox has no roles: one may do everything",
    "replace at a path that is missing": "1.20 adds what is to be replaced; later releases refuse, as the RFC says",
    "apply an unknown field": "1.20 prunes it; later releases refuse what the definition does not declare",
    "apply what is no YAML": "the fault is worded by the YAML library",
    "apply a list with keys": _UNTYPED,
    "apply another item of a list with keys": _UNTYPED,
    "apply another's item": _UNTYPED,
    "give up an item": _UNTYPED,
}


def aged(value: Any, key: str = "") -> Any:
    """Return a body without what later releases changed everywhere."""
    if isinstance(value, dict) and value.get("reason") == "FieldValueTypeInvalid":
        value = {**value, "reason": "FieldValueInvalid"}
    if isinstance(value, dict):
        return {
            name: aged(item, name)
            for name, item in value.items()
            if key != "columnDefinitions" or name != "description"
        }
    if key == "managedFields" and isinstance(value, list):
        return _merged(value)
    if isinstance(value, list):
        return [aged(item, key) for item in value]
    return _INDEX.sub("", value) if isinstance(value, str) and key in ("message", "field") else value


def _merged(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return entries without subresources: those of one writer together, without the parents that apply claims."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for entry in entries:
        identity = tuple(str(entry.get(each)) for each in ("manager", "operation", "apiVersion"))
        fields = _without_parents(entry["fieldsV1"]) if entry["operation"] == "Apply" else entry["fieldsV1"]
        if entry["apiVersion"] != "v1":
            fields = _of_definition(fields)
        before = found.get(identity, {"fieldsV1": {}})["fieldsV1"]
        kept = {name: item for name, item in entry.items() if name != "subresource"}
        found[identity] = {**kept, "fieldsV1": {**before, **fields}}
    return sorted(found.values(), key=lambda entry: json.dumps(entry, sort_keys=True))


def _of_definition(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a custom resource that 1.20 tracks."""
    metadata = {k: v for k, v in fields.get("f:metadata", {}).items() if k not in ("f:finalizers", "f:ownerReferences")}
    return {**fields, "f:metadata": metadata} if metadata else {k: v for k, v in fields.items() if k != "f:metadata"}


def _without_parents(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: _without_parents(inner) for name, inner in fields.items() if name != "."}
