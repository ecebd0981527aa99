"""(5) S3 through boto3, against a bare PUT and GET with the same checksums."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from benchmarks import servers
from benchmarks.figures import Figure
from benchmarks.measuring import Run, in_turns, seconds, wait_for
from benchmarks.stand_in import BUCKET, end, running, temporary_folder

TARGET = 2
FLOORS = {"fsync": "a bare server, on the disk too", "no-fsync": "a bare server"}


def measure(run: Run) -> list[Figure]:
    """100 MB up and down, and 200 objects of 1 KB up and down."""
    large = os.urandom(run.size(100_000_000, 100_000))
    count = run.size(200, 5)
    megabytes = f"{len(large) / 1e6:g} MB"
    with ExitStack() as stack:
        stand_in = stack.enter_context(running())
        clients = {"ours": stand_in.client("s3")}
        for durability in FLOORS:
            address = stack.enter_context(bare_server(durability))
            clients[durability] = stand_in.client("s3", endpoint=address)
        for client in clients.values():
            put(client, large)  # the first write of a file is slower
        works = {
            f"put_object of {megabytes}": lambda client: put(client, large),
            f"get_object of {megabytes}": lambda client: get(client, len(large)),
            f"put_object of {count} x 1 KB": lambda client: put_small(client, count),
            f"get_object of {count} x 1 KB": lambda client: get_small(client, count),
        }
        figures = []
        for what, work in works.items():
            medians = in_turns(
                run.size(7, 1),
                {
                    name: lambda client=client, work=work: seconds(lambda: work(client))
                    for name, client in clients.items()
                },
            )
            for durability, floor_is in FLOORS.items():
                if what.startswith("get") and durability == "no-fsync":
                    continue  # reading does not differ
                figures.append(
                    Figure(
                        5,
                        what,
                        1000 * medians["ours"],
                        1000 * medians[durability],
                        floor_is if what.startswith("put") else "a bare server",
                        "ms",
                        TARGET if durability == "fsync" else None,
                    )
                )
    return figures


@contextmanager
def bare_server(durability: str) -> Iterator[str]:
    """Its address; `durability` as benchmarks.bare_store takes it."""
    port = servers.free_port()
    with temporary_folder() as folder:
        process = servers.start(
            ["benchmarks.bare_store", str(folder), str(port), durability]
        )
        try:
            wait_for(lambda: _listens(port), 0.01, 30)
            yield f"http://127.0.0.1:{port}"
        finally:
            end(process)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def put(client: Any, body: bytes) -> None:
    client.put_object(Bucket=BUCKET, Key="large", Body=body)


def get(client: Any, length: int) -> None:
    """Raises ValueError if not all of it comes."""
    answer = client.get_object(Bucket=BUCKET, Key="large", ChecksumMode="ENABLED")
    received = sum(len(piece) for piece in answer["Body"].iter_chunks(2**20))
    if received != length:
        raise ValueError(f"{received} bytes came, not {length}")


def put_small(client: Any, count: int) -> None:
    for number in range(count):
        body = bytes([number % 256]) * 1024
        client.put_object(Bucket=BUCKET, Key=f"small/{number}", Body=body)


def get_small(client: Any, count: int) -> None:
    for number in range(count):
        client.get_object(Bucket=BUCKET, Key=f"small/{number}")["Body"].read()
