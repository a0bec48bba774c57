"""The embedded default: AWS, Kubernetes and Prefect APIs on loopback, for the whole platform on one machine."""
