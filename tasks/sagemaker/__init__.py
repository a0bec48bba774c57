"""SageMaker training and transform jobs and the model registry."""
