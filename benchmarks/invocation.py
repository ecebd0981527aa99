"""(9) InvokeEndpoint through boto3, against the same client calling a bare server."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks import servers
from benchmarks.figures import Figure
from benchmarks.measuring import Run, in_turns, seconds, wait_for
from benchmarks.stand_in import (
    StandIn,
    artifact,
    boston,
    boston_model,
    csv,
    new_name,
    running,
    temporary_folder,
)

TARGET = 0.75
THREADS = 8


def measure(run: Run) -> list[Figure]:
    """Invocations per second, with one thread that calls and with eight."""
    _, _, test = boston()
    body = csv(test[:1, 1:])
    calls, rounds = run.size(400, 8), run.size(9, 1)
    with running() as stand_in, temporary_folder() as folder:
        model = boston_model(stand_in)
        endpoint = deploy(stand_in, model)
        with servers.minimal(artifact(stand_in, model, folder)) as port:
            clients = {
                name: stand_in.client(
                    "sagemaker-runtime",
                    endpoint=address,
                    max_pool_connections=THREADS,
                )
                for name, address in (
                    ("ours", None),
                    ("peer", f"http://127.0.0.1:{port}"),
                )
            }
            for client in clients.values():
                rate(client, endpoint, body, calls // 4, THREADS)  # warm
            # By turns call by call: a busy spell of the machine hits both alike.
            one = in_turns(
                run.size(2000, 5),
                {
                    name: lambda client=client: seconds(
                        lambda: invoke(client, endpoint, body)
                    )
                    for name, client in clients.items()
                },
            )
            many = in_turns(
                rounds,
                {
                    name: lambda client=client: rate(
                        client, endpoint, body, calls, THREADS
                    )
                    for name, client in clients.items()
                },
            )
    found = {
        "1 thread": {name: 1 / median for name, median in one.items()},
        f"{THREADS} threads": many,
    }
    return [
        Figure(
            9,
            f"InvokeEndpoint by boto3, {what}",
            rates["ours"],
            rates["peer"],
            "the same client on the minimal Starlette server",
            "req/s",
            TARGET,
            more_is_better=True,
        )
        for what, rates in found.items()
    ]


def invoke(client: Any, endpoint: str, body: bytes) -> None:
    answer = client.invoke_endpoint(
        EndpointName=endpoint, Body=body, ContentType="text/csv"
    )
    answer["Body"].read()


def rate(client: Any, endpoint: str, body: bytes, calls: int, threads: int) -> float:
    """Calls per second; `calls` in all. Raises what a call raises."""

    def work(share: int) -> None:
        for _ in range(share):
            invoke(client, endpoint, body)

    share = max(1, calls // threads)
    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, [share] * threads))
    return share * threads / (time.perf_counter() - began)


def deploy(stand_in: StandIn, model: str) -> str:
    """Make an endpoint of one instance and wait until it is in service; its name."""
    sagemaker = stand_in.client("sagemaker")
    name = configure(sagemaker, model)
    create(sagemaker, name, 0.02)
    return name


def configure(sagemaker: Any, model: str) -> str:
    """Make an endpoint configuration of one variant and instance; its name."""
    name = new_name("endpoint")
    sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[
            {
                "VariantName": "Only",
                "ModelName": model,
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": 1,
            }
        ],
    )
    return name


def create(sagemaker: Any, name: str, poll_s: float) -> None:
    """Create the endpoint `name` of the configuration `name`; return when in service.

    Raises RuntimeError if it fails, TimeoutError.
    """
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)

    def settled() -> bool:
        answer = sagemaker.describe_endpoint(EndpointName=name)
        if answer["EndpointStatus"] == "Failed":
            raise RuntimeError(answer["FailureReason"])
        return answer["EndpointStatus"] == "InService"

    wait_for(settled, poll_s, 60)
