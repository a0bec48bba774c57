"""LightGBM text models: prediction and editing."""
