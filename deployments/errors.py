"""What can go wrong with a stage, in words that say what to do."""


class EstateError(Exception):
    """A stage cannot be planned, made or taken down; the message says why and what to do."""


class StageFileError(EstateError):
    """A stage's file does not fit the templates."""


class StackError(EstateError):
    """CloudFormation has refused or undone a change."""


class MissingImageError(EstateError):
    """An image of this commit is not in its repository yet."""
