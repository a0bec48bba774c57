"""The embedded default: AWS, Kubernetes and Prefect APIs on loopback, so that the platform runs whole on one machine."""
