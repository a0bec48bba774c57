"""The credit-default model as a plain Python library: contracts, reading, training, scoring, measures."""
