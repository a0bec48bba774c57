"""How raw margins become probabilities of default, and how that mapping is fitted."""
