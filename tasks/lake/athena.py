"""Athena through awswrangler: parameterised queries, UNLOAD to Parquet, and the bytes scanned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks import layout
from tasks.run import costs
from tasks.settings import settings


@dataclass(frozen=True)
class UnloadResult:
    """One finished UNLOAD: the query's text and id, and the bytes it scanned."""

    query_id: str
    query: str
    parameters: list[str]
    bytes_scanned: int


def literals(values: Sequence[str | int]) -> list[str]:
    """Return execution parameters as Athena expects them: SQL literals, with strings quoted.

    >>> literals(["o'neil", 3])
    ["'o''neil'", '3']
    """
    return [str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'" for value in values]


def rows(query: str, parameters: Sequence[str | int] = ()) -> list[dict[str, Any]]:
    """Run a SELECT and return its rows as dictionaries; for small answers (counts, profiles).

    Example:
        >>> rows("SELECT count(*) AS n FROM outcomes WHERE portfolio = ?", ["case"])  # doctest: +SKIP
        [{'n': 45000}]
    """
    import awswrangler as wr  # noqa: PLC0415 - heavy: imported where it is used

    here = settings()
    frame = wr.athena.read_sql_query(
        query,
        database=here.database,
        workgroup=here.workgroup,
        ctas_approach=False,
        s3_output=layout.query_results(),
        params=literals(parameters) or None,
        paramstyle="qmark",
        athena_query_wait_polling_delay=min(here.poll_seconds, 0.25),
    )
    costs.count_query(_scanned(frame.query_metadata))
    found: list[dict[str, Any]] = frame.to_dict(orient="records")
    return found


def unload(query: str, parameters: Sequence[str | int], prefix_uri: str) -> UnloadResult:
    """Run a SELECT and write its rows as Parquet under `prefix_uri`, which must be empty.

    Raises:
        awswrangler.exceptions.QueryFailed: with Athena's own message.
    """
    import awswrangler as wr  # noqa: PLC0415 - heavy: imported where it is used

    here = settings()
    found = wr.athena.unload(
        query,
        path=prefix_uri,
        database=here.database,
        file_format="PARQUET",
        compression="zstd",
        workgroup=here.workgroup,
        params=literals(parameters) or None,
        paramstyle="qmark",
        athena_query_wait_polling_delay=min(here.poll_seconds, 0.25),
    )
    scanned = _scanned(found.raw_payload)
    costs.count_query(scanned)
    return UnloadResult(
        query_id=found.execution_id, query=query, parameters=list(literals(parameters)), bytes_scanned=scanned
    )


def _scanned(execution: Mapping[str, Any]) -> int:
    return int(execution.get("Statistics", {}).get("DataScannedInBytes", 0))
