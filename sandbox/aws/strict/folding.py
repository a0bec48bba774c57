"""Names that Glue keeps in lower case, in whatever case they are given."""

import io
from typing import Any

import orjson

from sandbox.aws.strict.requests import Call, Environ

_NAMES = ("DatabaseName", "TableName")
_INPUTS = ("DatabaseInput", "TableInput")
_OF_NAME = ("GetDatabase", "DeleteDatabase", "UpdateDatabase", "GetTable", "DeleteTable")


def fold(call: Call, environ: Environ) -> None:
    """Put the names of a request to Glue in lower case, for the rules and for moto.

    https://docs.aws.amazon.com/glue/latest/webapi/API_TableInput.html: names are folded when they are stored.
    """
    if call.service != "glue":
        return
    given = call.parameters
    places: list[tuple[dict[str, Any], str]] = [(given, name) for name in _NAMES]
    places += [(given[name], "Name") for name in _INPUTS if isinstance(given.get(name), dict)]
    if call.name in _OF_NAME:
        places.append((given, "Name"))
    changed = False
    for holder, name in places:
        value = holder.get(name)
        if isinstance(value, str) and value != value.lower():
            holder[name], changed = value.lower(), True
    if changed:
        body = orjson.dumps(given)
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
