"""Athena's SQL: statements, types and functions, translated to DuckDB or refused."""
