"""Entry points of the three container images: train, serve and worker."""
