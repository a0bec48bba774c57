"""Feature look-ups by application id in DynamoDB."""
