"""The train image: SageMaker's container contract around `credit_model.training`."""
