"""Other views of the API: discovery, OpenAPI, tables."""
