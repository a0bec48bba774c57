"""Training time and memory of `credit_model.train`, compared with bare LightGBM on the same prepared rows."""
