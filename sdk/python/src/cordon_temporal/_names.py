"""Names that workers and callers share."""

from __future__ import annotations

from enum import Enum

GET_TARGET = "get_target"
ACQUIRE_WORKSPACE = "acquire_workspace"
CLEANUP_CACHE = "cleanup_cache"
UPLOAD_RESULTS = "upload_results"

CHOOSE_HOSTS = "choose_hosts"
"""Where a run's workspace is best made. Workers that do not have it yet are asked in vain."""

WATCH_WORKSPACE = "watch_workspace"
"""Goes on for as long as a host has a workspace, on a queue of that host's."""

STORAGE_ACTIVITIES = frozenset({GET_TARGET, ACQUIRE_WORKSPACE, CLEANUP_CACHE, UPLOAD_RESULTS})
"""The activities that a worker with ``--serve storage`` has, and the socket of any worker."""


class Mode(str, Enum):
    """How a run has its target on disk."""

    ISOLATED = "isolated"
    """A tree of its own, fetched for it alone."""

    SHARED = "shared"
    """One tree for all runs, read-only."""

    COPY_ON_WRITE = "copy-on-write"
    """A view of its own of what was fetched once."""

    def __str__(self) -> str:
        return self.value
