"""How a transform job cuts an input into request bodies."""

from collections.abc import Iterator
from typing import BinaryIO


class FileFailed(Exception):
    """One input can't be transformed; the others go on.

    `fault` is ClientError or AlgorithmError, `lines` are what the data log says.
    """

    def __init__(self, fault: str, text: str) -> None:
        super().__init__(text)
        self.fault = fault
        self.lines = text.splitlines()


def cut(
    reader: BinaryIO, split_type: str, strategy: str, limit: int
) -> Iterator[bytes]:
    """The request bodies for one input, none longer than `limit` bytes.

    `split_type` and `strategy` are SplitType and BatchStrategy of CreateTransformJob.
    Raises FileFailed for a record (SplitType Line) or an object (None) that is
    longer.
    """
    if split_type == "None":
        return _whole(reader, limit)
    if strategy == "SingleRecord":
        return _lines(reader, limit)
    return _cut_at_line_ends(reader, limit)


def _whole(reader: BinaryIO, limit: int) -> Iterator[bytes]:
    body = reader.read(limit + 1)
    if len(body) > limit:
        raise _too_large()
    if body:
        yield body


def _lines(reader: BinaryIO, limit: int) -> Iterator[bytes]:
    for line in iter(lambda: reader.readline(limit + 2), b""):
        if len(line.rstrip(b"\r\n")) > limit:
            raise _too_large()
        if line.strip():
            yield line


def _cut_at_line_ends(reader: BinaryIO, limit: int) -> Iterator[bytes]:
    rest = b""
    while True:
        while chunk := reader.read(limit - len(rest)):
            rest += chunk
        if len(rest) < limit:  # the end, whether or not a line ends there
            break
        whole, newline, rest = rest.rpartition(b"\n")
        if not newline:
            raise _too_large()
        yield whole + newline
    if rest:
        yield rest


def _too_large() -> FileFailed:
    return FileFailed("ClientError", "ClientError: Too much data for max payload size")
