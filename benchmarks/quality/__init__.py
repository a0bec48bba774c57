"""The quality of our models and of common alternatives on the same cross-validation splits."""
