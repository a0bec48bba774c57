"""How often the gate is wrong, on simulated pairs of models where the right answer is known."""
