"""Monthly monitoring of a model in production."""
