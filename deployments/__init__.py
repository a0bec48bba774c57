"""What a stage consists of, and the driver that makes it so: templates, manifests, the work pool, values of stages."""
