"""A simulated portfolio with a known true PD."""
