"""A request's body as it comes in."""

import hashlib
import os
import tempfile

from local_aws.messages import Disconnected, Receive
from local_aws.services import MEGABYTE

IN_MEMORY = 4 * MEGABYTE
LARGEST_DRAINED = 64 * MEGABYTE


class TooLarge(Exception):
    """A body beyond what its service takes."""


class Body:
    """A request's body: in memory while small, then in a file; hashed as it comes."""

    def __init__(self, receive: Receive, folder: os.PathLike) -> None:
        self.file = tempfile.SpooledTemporaryFile(IN_MEMORY, dir=folder)  # noqa: SIM115
        self.size = 0
        self._receive = receive
        self._sha256 = hashlib.sha256()
        self.is_complete = False

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    async def fill(self, limit: int) -> None:
        """Read the body to its end, once. Raises TooLarge and Disconnected."""
        while not self.is_complete:
            chunk = await self._next()
            self.size += len(chunk)
            if self.size > limit:
                raise TooLarge
            self._sha256.update(chunk)
            self.file.write(chunk)

    async def drained(self) -> bool:
        """Throw away what is left of the body; False if there is too much of it."""
        thrown = 0
        while not self.is_complete and thrown <= LARGEST_DRAINED:
            thrown += len(await self._next())
        return self.is_complete

    async def disconnected(self) -> None:
        """Return once the client has left; after the body has been read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def read(self) -> bytes:
        """All of it."""
        self.file.seek(0)
        return self.file.read()

    async def _next(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        self.is_complete = not message.get("more_body", False)
        return message.get("body", b"")
