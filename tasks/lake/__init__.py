"""The lake: ingestion, Glue tables, Athena queries, snapshots and the online table."""
