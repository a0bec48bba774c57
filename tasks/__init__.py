"""The steps of the flows, one package per system they call.

AWS clients retry throttling and broken connections unless `AWS_RETRY_MODE` says otherwise.
"""

import os

# boto3, awswrangler and sagemaker-core all read these. Adaptive mode retries throttling, 5xx answers and dropped
# connections with jitter, and slows down when AWS asks for it. Refusals are not retried.
os.environ.setdefault("AWS_RETRY_MODE", "adaptive")
os.environ.setdefault("AWS_MAX_ATTEMPTS", "8")
