"""The controllers of KServe and Knative: revisions as processes, traffic and status."""
