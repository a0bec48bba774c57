"""Rows a second and peak memory of batch scoring, against what others do with the same model and files."""
