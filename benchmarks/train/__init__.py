"""Training time and memory of `credit_model.train` beside bare LightGBM on the same prepared rows."""
