"""Athena that runs queries: DuckDB executes the statements on the tables that Glue describes."""

from collections.abc import Callable

from moto.athena import urls

from sandbox.aws.athena.api import AthenaApi
from sandbox.aws.athena.service import AthenaService
from sandbox.aws.context import Context

Stop = Callable[[], None]


def install(context: Context) -> Stop:
    """Replace moto's Athena actions; return a function that stops the running queries."""
    services: dict[str, AthenaService] = {}
    bound = type("AthenaApi", (AthenaApi,), {"context": context, "services": services})
    urls.url_paths["{0}/$"] = getattr(bound, "dispatch")  # noqa: B009 - `type(...)` hides the attribute from mypy

    def stop() -> None:
        for service in services.values():
            service.close()

    return stop
