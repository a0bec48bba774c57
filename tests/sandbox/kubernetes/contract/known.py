"""Differences that remain between the sandbox and the real API server of the tests, with the reason."""

# The real server is Kubernetes 1.20; the sandbox follows 1.33 where the two differ.
AGE = "1.20 is older than what the sandbox follows: "

KNOWN: dict[str, str] = {}
