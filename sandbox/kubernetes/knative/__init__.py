"""Knative Serving's loops: Service, Configuration, Revision, Route and the ingress that programs the gateway."""
