"""A stage on AWS: templates, manifests, the work pool, stage files, and the driver that deploys them."""
