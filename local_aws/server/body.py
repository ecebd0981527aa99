"""A request's body as it comes in."""

import hashlib
import os
import tempfile

from local_aws.messages import Disconnected, Head, Receive
from local_aws.services import MEGABYTE

IN_MEMORY = 4 * MEGABYTE
LARGEST_DRAINED = 64 * MEGABYTE


class TooLarge(Exception):
    """A body beyond what its service takes."""


class Body:
    """A request's body: in memory while small, then in a file; hashed as it comes."""

    def __init__(self, folder: os.PathLike) -> None:
        self.file = tempfile.SpooledTemporaryFile(IN_MEMORY, dir=folder)  # noqa: SIM115
        self.size = 0
        self._sha256 = hashlib.sha256()
        self._complete = False

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    async def fill(self, receive: Receive, limit: int) -> None:
        """Read the body to its end, once. Raises TooLarge and Disconnected."""
        while not self._complete:
            chunk = await self._next(receive)
            self.size += len(chunk)
            if self.size > limit:
                raise TooLarge
            self._sha256.update(chunk)
            self.file.write(chunk)

    async def drained(self, head: Head, receive: Receive) -> bool:
        """Throw away what is left of the body; False if there is too much of it.

        A client that waits for "100 Continue" does not send its body at all.
        """
        if not self._complete and head.header("expect"):
            return False
        thrown = 0
        while not self._complete and thrown <= LARGEST_DRAINED:
            thrown += len(await self._next(receive))
        return self._complete

    def read(self) -> bytes:
        """All of it."""
        self.file.seek(0)
        return self.file.read()

    async def _next(self, receive: Receive) -> bytes:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        self._complete = not message.get("more_body", False)
        return message.get("body", b"")
