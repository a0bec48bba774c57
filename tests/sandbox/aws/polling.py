"""Waits for queries and jobs of the AWS sandbox, and reads the logs of jobs."""

import time


def await_query(athena, identifier):
    """Wait until a query has ended; return its execution."""
    for _ in range(1000):
        execution = athena.get_query_execution(QueryExecutionId=identifier)["QueryExecution"]
        if execution["Status"]["State"] in ("SUCCEEDED", "FAILED", "CANCELLED"):
            return execution
        time.sleep(0.01)
    raise AssertionError(execution)


def await_status(job, field, *statuses):
    """Refresh a sagemaker-core job until its field has one of the statuses; return the job."""
    for _ in range(400):
        job.refresh()
        if getattr(job, field) in statuses:
            return job
        time.sleep(0.05)
    raise AssertionError(f"still {getattr(job, field)}")


def log_messages(logs, group, prefix):
    """Return the messages of the log streams whose name starts with the prefix."""
    streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=prefix)["logStreams"]
    assert streams
    pages = [
        logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True)
        for stream in streams
    ]
    return [event["message"] for page in pages for event in page["events"]]
