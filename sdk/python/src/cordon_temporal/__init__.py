"""Workspaces of stored targets in Temporal workflows.

A Cordon worker fetches a target, keeps the tree of one run apart from those of
others, and removes it when the run is done. This package calls its activities from
workflows in Python: one by one, or all of it as ``await with_workspace(...)``, which goes on elsewhere
where a host is lost, or as ``async with workspace(...)``.

Everything here may be imported in workflow code: it is deterministic, and does no
input or output of its own. What talks to a worker's socket instead, from activities, is
:mod:`cordon_temporal.socket_activities`, which is imported by itself.
"""

from cordon_temporal._activities import (
    FetchOptions,
    acquire_workspace,
    cleanup_cache,
    get_target,
    upload_results,
)
from cordon_temporal._context import with_workspace, workspace
from cordon_temporal._names import STORAGE_ACTIVITIES, Mode
from cordon_temporal._workspace import ActivityOptions, Workspace
from cordon_temporal.errors import ErrorType, cordon_error_type, cordon_failure
from cordon_temporal.routing import StorageRouting

__all__ = [
    "STORAGE_ACTIVITIES",
    "ActivityOptions",
    "ErrorType",
    "FetchOptions",
    "Mode",
    "StorageRouting",
    "Workspace",
    "acquire_workspace",
    "cleanup_cache",
    "cordon_error_type",
    "cordon_failure",
    "get_target",
    "upload_results",
    "with_workspace",
    "workspace",
]
