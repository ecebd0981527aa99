"""The floor of the storage lines: objects in files, over the least HTTP for boto3.

`python -m benchmarks.bare_store FOLDER PORT fsync|no-fsync`: PUT and GET. It takes the
checksums that S3 takes (MD5 for the ETag, the body's SHA-256 of the signature, the
CRC32 that boto3 sends) and checks no signature. A thread for each connection.
"""

import base64
import hashlib
import os
import socket
import sys
import tempfile
import threading
import zlib
from pathlib import Path

CHUNK = 2**20


class Store:
    """Objects by their paths: file, ETag, CRC32."""

    def __init__(self, folder: Path, fsync: bool) -> None:
        self._folder = folder
        self._fsync = fsync
        self._objects: dict[str, tuple[str, str, str]] = {}

    def serve(self, connection: socket.socket) -> None:
        """Answer the requests of one connection until it ends."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, connection.makefile("rb", CHUNK) as reader:
            while first := reader.readline():
                method, target, _ = first.decode().split(" ", 2)
                headers = {}
                while (line := reader.readline()) != b"\r\n":
                    name, _, value = line.decode("latin-1").partition(":")
                    headers[name.strip().lower()] = value.strip()
                if method == "PUT":
                    self._put(connection, reader, target, headers)
                else:
                    self._get(connection, target)

    def _put(
        self, connection: socket.socket, reader: object, target: str, headers: dict
    ) -> None:
        if headers.get("expect"):
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        left = int(headers["content-length"])
        md5, sha256, crc32 = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
        buffer = memoryview(bytearray(min(CHUNK, max(1, left))))
        descriptor, name = tempfile.mkstemp(dir=self._folder)
        with open(descriptor, "wb", buffering=0) as file:
            while left:
                count = reader.readinto(buffer[: min(left, len(buffer))])
                if not count:
                    return
                piece = buffer[:count]
                md5.update(piece)
                sha256.update(piece)
                crc32 = zlib.crc32(piece, crc32)
                file.write(piece)
                left -= count
            if self._fsync:
                os.fsync(file.fileno())
        checksum = base64.b64encode(crc32.to_bytes(4, "big")).decode()
        declared = headers.get("x-amz-content-sha256"), headers["x-amz-checksum-crc32"]
        if declared != (sha256.hexdigest(), checksum):
            connection.sendall(b"HTTP/1.1 400 Not So\r\nContent-Length: 0\r\n\r\n")
            return
        self._objects[target.partition("?")[0]] = name, md5.hexdigest(), checksum
        connection.sendall(_head(md5.hexdigest(), checksum, 0))

    def _get(self, connection: socket.socket, target: str) -> None:
        name, etag, checksum = self._objects[target.partition("?")[0]]
        with open(name, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            connection.sendall(_head(etag, checksum, size))
            connection.sendfile(file)


def _head(etag: str, checksum: str, length: int) -> bytes:
    return (
        f'HTTP/1.1 200 OK\r\nETag: "{etag}"\r\nx-amz-checksum-crc32: {checksum}\r\n'
        f"x-amz-checksum-type: FULL_OBJECT\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def main() -> None:
    """Serve until SIGTERM."""
    folder, port, durability = sys.argv[1:]
    store = Store(Path(folder), durability == "fsync")
    with socket.create_server(("127.0.0.1", int(port)), backlog=64) as listener:
        while True:
            connection, _ = listener.accept()
            threading.Thread(
                target=store.serve, args=(connection,), daemon=True
            ).start()


if __name__ == "__main__":
    main()
