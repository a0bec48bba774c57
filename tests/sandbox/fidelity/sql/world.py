"""The database and the tables that probes read."""

import re
from typing import Any

from tests.sandbox.fidelity.sql.runner import Prober

DATABASE = "probes"
_TABLES = {
    "base": "SELECT * FROM (VALUES (BIGINT '1', 'a', 1.5e0, TIMESTAMP '2020-01-01 10:00:00.123'), "
    "(BIGINT '2', 'b', nan(), TIMESTAMP '2020-01-02 00:00:00.000'), "
    "(BIGINT '3', CAST(NULL AS varchar), CAST(NULL AS double), CAST(NULL AS timestamp))) AS t(id, name, v, ts)",
}


def named(statements: list[str], pattern: str, default: str) -> str:
    """Return the name that statements give to a bucket or a database, so that foreign probes find what they name."""
    found = (match[1] for match in map(re.compile(pattern).search, statements) if match)
    return next(found, default)


def furnish(session: Any, endpoint: str, bucket: str, database: str = DATABASE) -> str:
    """Make the database and the tables of the probes; return the database's name."""
    session.client("glue", endpoint_url=endpoint).create_database(DatabaseInput={"Name": database})
    prober = Prober(session.client("athena", endpoint_url=endpoint), f"s3://{bucket}/tables/", database)
    for name, query in _TABLES.items():
        prober.ask(f"CREATE TABLE {name} WITH (external_location = 's3://{bucket}/{name}/') AS {query}")
    return database
