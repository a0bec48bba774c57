"""Statements about tables rather than rows: CREATE, DROP, ALTER, MSCK, SHOW and DESCRIBE, against Glue."""

from sandbox.aws.athena.catalog import Catalog
from sandbox.aws.athena.ddl.answer import Answer
from sandbox.aws.athena.ddl.change import Change
from sandbox.aws.athena.ddl.show import Show
from sandbox.aws.athena.ddl.tokens import Reader
from sandbox.aws.athena.ddl.views import Analyse, Views
from sandbox.aws.errors import QueryError, UnsupportedSqlError
from sandbox.aws.storage import Storage


class Ddl:
    """Executes DDL statements.

    Args:
        catalog: Glue.
        storage: S3.
        database: The database of the request.
        analyse: Gives the result columns of a view's query.
    """

    def __init__(self, catalog: Catalog, storage: Storage, database: str | None, analyse: Analyse) -> None:
        self._change = Change(catalog, storage, database)
        self._show = Show(catalog, database)
        self._views = Views(catalog, database, analyse)

    def run(self, sql: str) -> Answer:
        """Execute a statement and return its result.

        Raises:
            QueryError: Athena would reject the statement.
            UnsupportedSqlError: The sandbox does not support the statement.
        """
        reader = Reader(sql)
        if reader.accept("SHOW"):
            return self._show.show(Reader(sql[reader.next.start :], quotes=True))
        if reader.accept("DESCRIBE") or reader.accept("DESC"):
            return self._show.describe(Reader(sql[reader.next.start :], quotes=True))
        if reader.accept("MSCK"):
            reader.expect("REPAIR", "TABLE")
            return self._change.repair(reader)
        if reader.accept("ALTER", "TABLE"):
            return self._change.alter_table(reader)
        if reader.accept("DROP"):
            return self._drop(reader)
        if reader.accept("CREATE"):
            return self._create(reader)
        raise UnsupportedSqlError(f"statement {sql[:60]!r}")

    def _drop(self, reader: Reader) -> Answer:
        if reader.accept("VIEW"):
            return self._views.drop(Reader(reader.rest(), quotes=True))
        if reader.accept("TABLE"):
            return self._change.drop_table(reader)
        if reader.accept("DATABASE") or reader.accept("SCHEMA"):
            return self._change.drop_database(reader)
        reader.fail("DATABASE, TABLE or VIEW")

    def _create(self, reader: Reader) -> Answer:
        if reader.sees("OR") or reader.sees("VIEW"):
            return self._views.create(reader.sql)
        if reader.accept("DATABASE") or reader.accept("SCHEMA"):
            return self._change.create_database(reader)
        if reader.accept("EXTERNAL", "TABLE"):
            return self._change.create_table(reader)
        if reader.accept("TABLE"):
            if "iceberg" in reader.sql.lower():
                raise UnsupportedSqlError("Iceberg tables")
            raise QueryError(
                "SYNTAX_ERROR: line 1:8: CREATE TABLE needs EXTERNAL, or AS and a query; without them only Iceberg "
                "tables can be created"
            )
        reader.fail("DATABASE, EXTERNAL TABLE, TABLE or VIEW")
