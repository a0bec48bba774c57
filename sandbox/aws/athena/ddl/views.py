"""CREATE VIEW and DROP VIEW: a view is kept in Glue as Presto's views are."""

import re
from collections.abc import Callable

from sandbox.aws.athena.catalog import Catalog
from sandbox.aws.athena.ddl.answer import NOTHING, Answer
from sandbox.aws.athena.ddl.tokens import Reader
from sandbox.aws.athena.engine import Column
from sandbox.aws.athena.tables import views
from sandbox.aws.athena.writes.columns import check_columns, require_names
from sandbox.aws.errors import QueryError

Analyse = Callable[[str], list[Column]]
_NAME = r"(?:\"(?:[^\"]|\"\")+\"|`[^`]+`|\w+)"
_CREATE = re.compile(
    rf"CREATE\s+(?P<replace>OR\s+REPLACE\s+)?VIEW\s+(?P<name>{_NAME}(?:\s*\.\s*{_NAME}){{0,2}})\s*"
    r"(?:COMMENT\s+'(?P<comment>(?:[^']|'')*)'\s*)?(?:SECURITY\s+(?P<security>DEFINER|INVOKER)\s+)?"
    r"AS\b\s*(?P<query>.*)$",
    re.IGNORECASE | re.DOTALL,
)


class Views:
    """Executes statements about views.

    Args:
        catalog: Glue.
        database: The database of the request.
        analyse: Gives the result columns of a query, or raises what Athena would.
    """

    def __init__(self, catalog: Catalog, database: str | None, analyse: Analyse) -> None:
        self._catalog = catalog
        self._database = database
        self._analyse = analyse

    def create(self, sql: str) -> Answer:
        """CREATE [OR REPLACE] VIEW name AS query.

        Raises:
            QueryError: The name is taken, or the query is not valid.
        """
        found = _CREATE.match(sql)
        if not found:
            Reader(sql, quotes=True).fail("CREATE [OR REPLACE] VIEW name AS query")
        database, name = self._qualified(Reader(found["name"], quotes=True))
        self._catalog.require_database(database)
        raw = self._catalog.raw(database, name)
        what = f"awsdatacatalog.{database}.{name}"
        if raw and not views.is_view(raw):
            raise QueryError(f"TABLE_ALREADY_EXISTS: line 1:1: Table already exists: '{what}'")
        if raw and not found["replace"]:
            raise QueryError(f"TABLE_ALREADY_EXISTS: line 1:1: View already exists: '{what}'")
        query = found["query"].strip()
        columns = self._analyse(query)
        require_names(columns, query)
        check_columns(columns, creates_table=True, stored=False)
        kinds = {column.name: column.kind for column in columns}
        described = views.encode(name, query, kinds, database=self._database or database, comment=found["comment"])
        if raw:
            self._catalog.drop_table(database, name)
        self._catalog.create(database, described)
        return NOTHING

    def drop(self, reader: Reader) -> Answer:
        """DROP VIEW [IF EXISTS] name.

        Raises:
            QueryError: There is no such view.
        """
        present = reader.accept("IF", "EXISTS")
        database, name = self._qualified(reader)
        reader.end()
        raw = self._catalog.raw(database, name)
        if raw is None and not present:
            raise QueryError(f"TABLE_NOT_FOUND: line 1:1: View 'awsdatacatalog.{database}.{name}' does not exist")
        if raw is not None and not views.is_view(raw):
            raise QueryError(
                f"TABLE_NOT_FOUND: line 1:1: View 'awsdatacatalog.{database}.{name}' does not exist, but a table with "
                "that name exists. Did you mean DROP TABLE?"
            )
        if raw is not None:
            self._catalog.drop_table(database, name)
        return NOTHING

    def _qualified(self, reader: Reader) -> tuple[str, str]:
        given, name = reader.qualified()
        database = given or self._database
        if not database:
            raise QueryError("MISSING_SCHEMA_NAME: line 1:1: Schema must be specified when session schema is not set")
        return database, name
