"""The release of a model to KServe, and its rollback."""
