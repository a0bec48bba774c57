"""Binds queries: every name gets its meaning and every expression its type in Trino, or Trino's error."""
