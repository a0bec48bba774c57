"""Athena that executes: DuckDB runs the statements, over the tables that Glue describes."""

from collections.abc import Callable

from moto.athena import urls

from sandbox.aws.athena.api import AthenaApi
from sandbox.aws.context import Context

Stop = Callable[[], None]


def install(context: Context) -> Stop:
    """Put our actions in place of moto's; return what stops the queries under way."""
    bound = type("AthenaApi", (AthenaApi,), {"context": context, "services": {}})
    urls.url_paths["{0}/$"] = bound.dispatch

    def stop() -> None:
        for service in bound.services.values():
            service.close()

    return stop
