"""What becomes of fields that the schema does not know: refused, warned of, or dropped in silence."""

from aiohttp import web

from sandbox.kubernetes.apiserver.documents import Object
from sandbox.kubernetes.apiserver.errors import BadRequestError, FieldError, InvalidError
from sandbox.kubernetes.apiserver.resources import ResourceType
from sandbox.kubernetes.apiserver.rest.request import option_fault
from sandbox.kubernetes.apiserver.validation import unknown_fields

LEVELS = ("Ignore", "Warn", "Strict")


def warn(resource: ResourceType, request: web.Request, thing: Object) -> dict[str, str]:
    """Return the headers that warn of fields the server drops; `fieldValidation` says how strict it is.

    Raises:
        BadRequestError: There are such fields, and the client asked for `Strict`.
        InvalidError: Likewise, in a patch; or the level is unknown.
    """
    level = request.query.get("fieldValidation", "Warn") or "Warn"
    if level not in LEVELS:
        supported = ", ".join(f'"{each}"' for each in ("", *LEVELS))
        text = f'Unsupported value: "{level}": supported values: {supported}'
        raise option_fault(request.method, FieldError("fieldValidation", "FieldValueNotSupported", text))
    found = [f'unknown field "{path}"' for path in unknown_fields(thing, resource.schema)]
    if not found or level == "Ignore":
        return {}
    if level == "Warn":
        return {"Warning": ", ".join(f'299 - "{_escaped(text)}"' for text in found)}
    text = f"strict decoding error: {', '.join(found)}"
    if request.method == "PATCH":
        cause = FieldError("patch", "FieldValueInvalid", f"Invalid value: {text}")
        raise InvalidError(f'{resource.kind}.{resource.group} "" is invalid: {cause.text}', causes=[cause])
    kind = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}'
    raise BadRequestError(f"{kind}: {text}")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
