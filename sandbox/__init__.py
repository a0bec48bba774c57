"""The default environment: AWS, Kubernetes and Prefect APIs on loopback, so the whole platform runs on one machine."""
