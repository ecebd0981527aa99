"""(10) From create_endpoint to InService, against the server's own load time."""

from pathlib import Path

from benchmarks import servers
from benchmarks.figures import Figure
from benchmarks.invocation import configure, create
from benchmarks.measuring import Run, in_turns, seconds
from benchmarks.stand_in import (
    StandIn,
    artifact,
    boston_model,
    end,
    running,
    temporary_folder,
)

TARGET = 1.5
POLL_S = 0.002


def measure(run: Run) -> list[Figure]:
    """One endpoint of one instance, polled every 2 ms."""
    with running() as stand_in, temporary_folder() as folder:
        model = boston_model(stand_in)
        file = artifact(stand_in, model, folder)
        medians = in_turns(
            run.size(5, 1),
            {
                "ours": lambda: deploy(stand_in, model),
                "floor": lambda: load(file),
            },
        )
    return [
        Figure(
            10,
            "create_endpoint to InService",
            1000 * medians["ours"],
            1000 * medians["floor"],
            "the serving program in a fresh process, to its first /ping",
            "ms",
            TARGET,
        )
    ]


def deploy(stand_in: StandIn, model: str) -> float:
    """Seconds until a new endpoint is in service; it is deleted afterwards."""
    sagemaker = stand_in.client("sagemaker")
    name = configure(sagemaker, model)
    took = seconds(lambda: create(sagemaker, name, POLL_S))
    sagemaker.delete_endpoint(EndpointName=name)
    return took


def load(model: Path) -> float:
    """Seconds from the start of the serving program to its first /ping with 200."""
    port = servers.free_port()
    processes = []

    def begin() -> None:
        process = servers.start_ours(model, port)
        processes.append(process)
        servers.wait_until_healthy(process, port, POLL_S)

    try:
        return seconds(begin)
    finally:
        for process in processes:
            end(process)
