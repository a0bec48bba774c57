"""Measured comparisons: of the gate with the truth, and of the models with their rivals."""
