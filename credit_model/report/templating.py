"""What every page rendered from the library's templates shares."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape


def environment() -> Environment:
    """A new environment of the library's templates: HTML is escaped, and a name that is missing is an error."""
    return Environment(
        loader=PackageLoader("credit_model", "templates"),
        undefined=StrictUndefined,
        autoescape=select_autoescape(["html.j2"]),
        trim_blocks=True,
        lstrip_blocks=True,
    )
