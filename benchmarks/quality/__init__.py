"""The quality of our models and of the usual others on the same cross-validation splits."""
