"""The HTTP application: routes, authentication and the server process."""
