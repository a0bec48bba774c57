"""The error family of deployments; each message says what to do."""


class EstateError(Exception):
    """A stage cannot be planned, deployed or destroyed."""


class StageFileError(EstateError):
    """A stage's file does not match the templates."""


class AccountError(EstateError):
    """The credentials or the region belong to another stage."""


class StackError(EstateError):
    """CloudFormation has refused or rolled back a change."""


class MissingImageError(EstateError):
    """An image of this commit is not in its repository yet."""
