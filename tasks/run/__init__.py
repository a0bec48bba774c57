"""The Prefect run: its context, its record, its costs and its links to the AWS console."""
