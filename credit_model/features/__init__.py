"""Applicants as the float64 matrix that the model reads: from tables, rows or columns of values."""
