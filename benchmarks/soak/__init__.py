"""Scenarios that take minutes: what the platform must stand, run against a whole platform on this machine."""
