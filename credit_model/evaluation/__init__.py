"""Measures, evidence, fairness and drift of one model on labelled data."""
