"""Rows per second and peak memory of batch scoring, compared with other tools on the same model and files."""
