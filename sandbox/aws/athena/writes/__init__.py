"""Statements that store a query's rows: CREATE TABLE AS, UNLOAD and INSERT."""
