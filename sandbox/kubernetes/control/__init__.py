"""The control loops of KServe and Knative as synchronous code over the store, and what they share."""
