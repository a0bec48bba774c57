"""The functions that Trino has: their signatures, and the DuckDB text with their results."""
