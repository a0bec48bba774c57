"""One file per system that the flows touch; its AWS clients retry patiently unless `AWS_RETRY_MODE` says otherwise."""

import os

# The one place: boto3, awswrangler and sagemaker-core all read these. Adaptive mode retries throttling, a 5xx and a
# dropped connection with jitter and slows down where AWS asks for it; refusals are not retried.
os.environ.setdefault("AWS_RETRY_MODE", "adaptive")
os.environ.setdefault("AWS_MAX_ATTEMPTS", "8")
