"""The verbs of the API: reading requests, writing objects, lists, watches and deletions."""
