"""The contract of the API: the same requests to the sandbox and to a real API server, answer beside answer."""
