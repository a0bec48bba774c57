"""The error family of the tasks; each message says what is wrong, where, and what to do."""


class TaskError(Exception):
    """Base of every error that a task raises on purpose."""


class SettingsError(TaskError):
    """A setting is missing or malformed."""


class AccessError(TaskError):
    """A role lacks a permission; the message names the action and the resource."""


class RequestError(TaskError):
    """AWS rejects a request as invalid."""


class BusyError(TaskError):
    """AWS stayed busy or unreachable until the client gave up retrying."""


class LakeError(TaskError):
    """A landing object cannot be published, or a lake table does not match its contract."""


class OnlineError(TaskError):
    """The online table could not be brought up to date with the lake."""


class SnapshotError(TaskError):
    """No training data can be drawn from the lake."""


class JobError(TaskError):
    """A SageMaker job failed, was stopped, or never ended."""


class RegistryError(TaskError):
    """The model registry lacks what was asked for, or its bundle is damaged."""


class ReconciliationError(TaskError):
    """The scores of a batch do not match its applicants one to one."""


class MonitoringError(TaskError):
    """There are no scores to monitor, or more than one model made them."""


class ReleaseError(TaskError):
    """A release to KServe was refused or rolled back."""


class ConflictError(ReleaseError):
    """Another writer has changed the object since it was read."""
