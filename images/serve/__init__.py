"""The serve image: one model server that answers KServe's V1 and V2 protocols and SageMaker's container contract."""
