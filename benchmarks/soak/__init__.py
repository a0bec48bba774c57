"""Scenarios that take minutes: failures that the platform must survive, run against a complete sandbox."""
