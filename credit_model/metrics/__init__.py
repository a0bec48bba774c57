"""Measures of a PD model, one concern a file: discrimination, calibration, stability, DeLong's test."""
