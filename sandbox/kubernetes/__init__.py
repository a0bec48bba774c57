"""A Kubernetes API with KServe's Knative mode: revisions are processes behind a weighted gateway."""
