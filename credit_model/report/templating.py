"""The Jinja environment of the library's templates."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape


def environment() -> Environment:
    """Return a new environment of the library's templates; it escapes HTML, and an undefined name is an error."""
    return Environment(
        loader=PackageLoader("credit_model", "templates"),
        undefined=StrictUndefined,
        autoescape=select_autoescape(["html.j2"]),
        trim_blocks=True,
        lstrip_blocks=True,
    )
