"""A Kubernetes API with KServe's Knative-mode controller, whose revisions are processes behind a weighted gateway."""
