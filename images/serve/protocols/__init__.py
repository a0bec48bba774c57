"""Request and response formats: KServe V1 and V2, and SageMaker's /invocations."""
