"""Every family, so that importing this declares every service."""

from ntgate.services import (
    exception,
    file,
    kernel,
    memory,
    object,
    process,
    registry,
    registry_hive,
    registry_query,
    sync,
    system,
    thread,
)

__all__ = [
    "exception",
    "file",
    "kernel",
    "memory",
    "object",
    "process",
    "registry",
    "registry_hive",
    "registry_query",
    "sync",
    "system",
    "thread",
]
