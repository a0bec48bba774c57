"""Benchmarks of the gate, the models, the server, batch scoring, training and the whole platform."""
