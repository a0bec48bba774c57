"""Athena's SQL: its statements, types and functions, translated for DuckDB or refused."""
