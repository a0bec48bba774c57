"""What stops a look at the supply chain; each message says what to do."""


class SupplyError(Exception):
    """The supply chain cannot be judged, or must not ship."""


class ExceptionsError(SupplyError):
    """The list of exceptions is not what it must be."""


class ToolError(SupplyError):
    """A tool of the environment `supply`, or a service, did not answer as it should."""
