"""Reason codes for applicants and importance of features."""
