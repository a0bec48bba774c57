"""InferenceServices as the API server sees them: their schema and the rules of KServe's webhooks."""
