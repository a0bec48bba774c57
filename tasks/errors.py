"""The one error family of the tasks: what is wrong, where, and what to do about it."""


class TaskError(Exception):
    """Base of every error that a task raises on purpose."""


class SettingsError(TaskError):
    """A setting is missing or malformed."""


class AccessError(TaskError):
    """A role lacks a permission; the message names action and resource."""


class RequestError(TaskError):
    """AWS refuses a request for what it asks."""


class BusyError(TaskError):
    """AWS could not be reached or was busy for longer than its clients are patient."""


class LakeError(TaskError):
    """A landing object cannot be published, or a lake table does not fit its contract."""


class OnlineError(TaskError):
    """The online table does not hold what the lake holds."""


class SnapshotError(TaskError):
    """No training data can be drawn from the lake."""


class JobError(TaskError):
    """A SageMaker job failed, was stopped, or never ended."""


class RegistryError(TaskError):
    """The model registry does not hold what was asked for, or the bundle in it is damaged."""


class ReconciliationError(TaskError):
    """A batch answer does not hold exactly the applicants that were asked."""


class MonitoringError(TaskError):
    """There are no scores to watch, or it is not clear which model made them."""


class ReleaseError(TaskError):
    """A release to KServe was refused or rolled back."""


class ConflictError(ReleaseError):
    """Somebody else has changed the object since it was read."""
