"""Waiting for the disk."""

import os


def full_fsync(descriptor: int) -> None:
    """fsync; on macOS down to the medium, which fsync alone does not do there."""
    import fcntl

    command = getattr(fcntl, "F_FULLFSYNC", None)
    if command is None:
        os.fsync(descriptor)
    else:
        fcntl.fcntl(descriptor, command)
