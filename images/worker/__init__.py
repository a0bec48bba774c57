"""The worker image: runs flows and, as a service, the worker that starts them."""
