"""Probes of Athena's SQL: queries with the answers of Trino's documentation, tests and source."""
