"""Training of a model bundle from a labelled table."""
