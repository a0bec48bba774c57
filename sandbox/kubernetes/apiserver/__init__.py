"""A Kubernetes API server in memory: resources, schemas, patches and watches."""
