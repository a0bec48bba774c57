"""The images of a stage in ECR: built and pushed, found by digest, kept while they run, copied between stages."""
