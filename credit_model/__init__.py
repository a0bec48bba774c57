"""The credit-default model as a plain Python library: contract, reading, training, bundle, scoring."""
