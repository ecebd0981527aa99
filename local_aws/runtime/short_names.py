"""Folders with a short name, for what a container needs one of.

A Unix socket's path holds about a hundred characters, and a shell script does not quote
the paths in it; a container's own folder may be called anything.
"""

from pathlib import Path

SOCKETS = Path("/tmp")  # noqa: S108 - each in a folder that only this user can enter
PREFIX = "sagemaker-"

# In such a folder: a link to the folder of the container that it belongs to.
OWNER = "container"
