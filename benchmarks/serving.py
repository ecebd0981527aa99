"""(8) The model server alone, against the bare prediction and a minimal server."""

import timeit

from benchmarks import load, minimal_server, servers
from benchmarks.figures import Figure
from benchmarks.measuring import Run, in_turns
from benchmarks.stand_in import (
    artifact,
    boston,
    boston_model,
    csv,
    running,
    temporary_folder,
)

TARGET = 0.8
CONNECTIONS = (1, 8, 32)
ROWS = (1, 100)


def measure(run: Run) -> list[Figure]:
    """Requests per second at each number of connections and rows."""
    _, _, test = boston()
    seconds, rounds = (0.1, 1) if run.quick else (1.0, 3)
    figures = []
    with temporary_folder() as folder:
        with running() as stand_in:
            file = artifact(stand_in, boston_model(stand_in), folder)
        run.say(f"(8) the load comes from {load.name()}")
        booster = minimal_server.load(str(file))
        with servers.ours(file) as ours, servers.minimal(file) as minimal:
            ports = {"ours": ours, "peer": minimal}
            for rows in ROWS:
                body = csv(test[:rows, 1:])
                plural = "s" * (rows > 1)
                calls = run.size(2000, 20)
                bare = calls / timeit.timeit(
                    lambda body=body: minimal_server.predicted(booster, body),
                    number=calls,
                )
                for connections in CONNECTIONS[: run.size(3, 1)]:
                    rates = in_turns(
                        rounds,
                        {
                            name: lambda port=port, body=body, n=connections: load.rate(
                                port, body, n, seconds
                            )
                            for name, port in ports.items()
                        },
                    )
                    what = f"model server, {rows} row{plural}, {connections} at once"
                    figures.append(
                        Figure(
                            8,
                            what,
                            rates["ours"],
                            rates["peer"],
                            "minimal Starlette server",
                            "req/s",
                            TARGET,
                            more_is_better=True,
                        )
                    )
                figures.append(
                    Figure(
                        8,
                        what,
                        rates["ours"],
                        bare,
                        "parse, predict, format in one thread, no HTTP",
                        "req/s",
                        more_is_better=True,
                    )
                )
    return figures
