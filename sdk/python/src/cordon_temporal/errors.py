"""What a Cordon worker says went wrong."""

from __future__ import annotations

from enum import Enum

from temporalio.exceptions import ApplicationError


class ErrorType(str, Enum):
    """The ``type`` of the ApplicationError that one of Cordon's activities fails with."""

    INVALID_ARGUMENT = "InvalidArgument"
    TARGET_NOT_FOUND = "TargetNotFound"
    ARCHIVE_REJECTED = "ArchiveRejected"
    INTEGRITY_MISMATCH = "IntegrityMismatch"
    PERMISSION_DENIED = "PermissionDenied"
    TARGET_TOO_LARGE = "TargetTooLarge"

    WORKSPACE_LOST = "WorkspaceLost"
    """The run's workspace is not where it was, with what was written there. The run's step, begun
    anew, may succeed: :func:`cordon_temporal.with_workspace` does that."""

    NO_SPACE = "NoSpace"
    STORAGE_UNAVAILABLE = "StorageUnavailable"
    BUSY = "Busy"

    TOOL_FAILED = "ToolFailed"
    """A command of the tool bridge failed, which its caller's retry policy may try again."""

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later without anybody changing anything."""
        return self in _RETRYABLE

    def __str__(self) -> str:
        return self.value


def cordon_failure(err: BaseException | None) -> ApplicationError | None:
    """Cordon's own error in one that a workflow, or its client, caught: that itself, or one that
    caused it, as those of activities, child workflows and workflows are. Its message says
    what was asked, what was wrong and what to do. None where there is none: a timeout, a
    cancellation, an error of somebody else.

    A workflow that raises it, and not the ActivityError around it, fails for good where a
    retry would not help: Temporal looks at the outermost error alone when it decides whether to
    try a workflow again.
    """
    while err is not None:
        if isinstance(err, ApplicationError) and err.type in _KNOWN:
            return err
        err = err.__cause__
    return None


def cordon_error_type(err: BaseException | None) -> ErrorType | None:
    """The type of Cordon's own error in ``err``, as :func:`cordon_failure` finds it."""
    failure = cordon_failure(err)
    return None if failure is None else ErrorType(failure.type)


_RETRYABLE = frozenset({ErrorType.NO_SPACE, ErrorType.STORAGE_UNAVAILABLE, ErrorType.BUSY, ErrorType.TOOL_FAILED})
_KNOWN = frozenset(known.value for known in ErrorType)
