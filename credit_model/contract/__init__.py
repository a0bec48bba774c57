"""The feature contract of a portfolio and the features derived from its columns."""
