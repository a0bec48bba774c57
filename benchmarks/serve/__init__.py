"""The cost of an online prediction, compared with other servers that serve the same model."""
