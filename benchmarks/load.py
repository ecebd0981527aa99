"""The load generator: as many requests as fit over some connections for some seconds.

`wrk` if it is on the PATH, else the program in this module, in a process of its own:
bare asyncio, no HTTP library, so that it is faster than the servers that it measures.
"""

import argparse
import asyncio
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from local_aws.installation import CHECKOUT


def name() -> str:
    """Which generator is used here."""
    return "wrk" if shutil.which("wrk") else "benchmarks.load"


def rate(port: int, body: bytes, connections: int, seconds: float) -> float:
    """Requests per second that POST /invocations at `port` answers.

    Raises RuntimeError when an answer is not 200, CalledProcessError.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "body")
        file.write_bytes(body)
        if shutil.which("wrk"):
            return _by_wrk(port, file, connections, seconds)
        words = [str(port), str(file), str(connections), str(seconds)]
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.load", *words],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=True,
            timeout=seconds + 60,
        )
    found = json.loads(done.stdout)
    if found["refused"]:
        raise RuntimeError(f"{found['refused']} answers were not 200")
    return found["answers"] / found["seconds"]


def _by_wrk(port: int, file: Path, connections: int, seconds: float) -> float:
    script = file.with_name("post.lua")
    script.write_text(
        f'local file = io.open("{file}", "rb")\n'
        'wrk.method = "POST"\nwrk.body = file:read("*a")\n'
        'wrk.headers["Content-Type"] = "text/csv"\n'
    )
    done = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s"]
        + ["-s", str(script), f"http://127.0.0.1:{port}/invocations"],
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + 60,
    )
    if "Non-2xx" in done.stdout:
        raise RuntimeError("answers were not 200")
    return float(re.search(r"Requests/sec:\s*([\d.]+)", done.stdout)[1])


class Connection(asyncio.Protocol):
    """Sends the next request as soon as an answer is complete."""

    def __init__(self, request: bytes, count: Callable[[bool], bool]) -> None:
        """`count` is told whether an answer was 200, and returns whether to go on."""
        self._request = request
        self._count = count
        self._buffer = b""
        self._length: int | None = None
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._length is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", self._buffer[:end])
            self._length = end + 4 + int(found[1])
        if len(self._buffer) < self._length:
            return
        good = self._buffer[9:12] == b"200"
        self._buffer, self._length = b"", None
        if self._count(good):
            self._transport.write(self._request)
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(error)


async def generate(port: int, body: bytes, connections: int, seconds: float) -> dict:
    """Answers, those that were not 200, and the seconds that it took."""
    head = (
        f"POST /invocations HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Content-Type: text/csv\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    began = time.perf_counter()
    counted = {True: 0, False: 0}

    def count(good: bool) -> bool:
        counted[good] += 1
        return time.perf_counter() < began + seconds

    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(
            lambda: Connection(head.encode() + body, count), "127.0.0.1", port
        )
        for _ in range(connections)
    ]
    await asyncio.wait_for(
        asyncio.gather(*(protocol.lost for _, protocol in made)), seconds + 30
    )
    return {
        "answers": counted[True],
        "refused": counted[False],
        "seconds": time.perf_counter() - began,
    }


def main() -> None:
    """Print what `generate` found as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("body", type=Path, help="a file with the request's body")
    parser.add_argument("connections", type=int)
    parser.add_argument("seconds", type=float)
    options = parser.parse_args()
    found = asyncio.run(
        generate(
            options.port,
            options.body.read_bytes(),
            options.connections,
            options.seconds,
        )
    )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
