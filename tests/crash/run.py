"""Start the stand-in, work it, kill it, start it again, compare."""

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3.session
from botocore.config import Config
from botocore.exceptions import ClientError

from local_aws.installation import (
    CHECKOUT,
    HOME_VARIABLE,
    Installation,
    open_installation,
)
from local_aws.lifetime import is_answering

from .actors import ACTORS, Objects, prepare
from .ledger import Actor, Down

PATIENCE_S = 60
# Between the start of work and the kill: now and then at once, mostly after a while.
MOMENTS_S = (0.05, 1.8)


@dataclass
class Report:
    """What a run found."""

    seed: int
    kills: int = 0
    operations: int = 0
    problems: list[str] = field(default_factory=list)
    start_s: list[float] = field(default_factory=list)


def start_server(home: Path, forgetful: bool) -> subprocess.Popen:
    """A stand-in in the foreground that answers. Raises RuntimeError."""
    installation = open_installation(home)
    module = "crash.forgetful" if forgetful else "local_aws"
    path = os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "tests")])
    printed = (home / "printed").open("ab")
    process = subprocess.Popen(
        [sys.executable, "-m", module],
        cwd=CHECKOUT,
        env=os.environ | {HOME_VARIABLE: str(home), "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stdout=printed,
        stderr=printed,
    )
    printed.close()
    deadline = time.monotonic() + PATIENCE_S
    while not is_answering(installation):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            tail = (home / "printed").read_text(errors="replace")[-3000:]
            raise RuntimeError(f"The stand-in does not start:\n{tail}")
        time.sleep(0.01)
    return process


def clients_of(installation: Installation) -> Callable[[str], Any]:
    """Clients that never try anything twice: a line sent twice would be there twice."""
    session = boto3.session.Session(
        installation.access_key_id, installation.secret_access_key
    )
    made: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in made:
            made[service] = session.client(
                service,
                region_name="us-east-1",
                endpoint_url=installation.endpoint,
                config=Config(
                    retries={"total_max_attempts": 1, "mode": "standard"},
                    s3={"addressing_style": "path"},
                    signature_version="s3v4" if service == "s3" else None,
                    max_pool_connections=40,
                    read_timeout=60,
                ),
            )
        return made[service]

    services = ("s3", "iam", "logs", "cloudwatch", "sagemaker", "sagemaker-runtime")
    for service in services:
        client(service)  # making one is not thread-safe
    return client


def run(
    home: Path,
    kills: int,
    seed: int,
    workers: int = 1,
    forgetful: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> Report:
    """Kill the stand-in on `home` as often as asked; `workers` of each kind of actor.

    Ends early with the first problems.
    """
    report = Report(seed)
    rng = random.Random(seed)
    current: dict[str, Callable] = {}

    def clients(service: str) -> Any:
        return current["clients"](service)

    kinds = [kind for kind in ACTORS for _ in range(workers)] + [Objects]
    actors = [
        kind(clients, f"{kind.__name__.lower()}-{number}", random.Random(rng.random()))
        for number, kind in enumerate(kinds)
    ]
    process = start_server(home, forgetful)
    try:
        current["clients"] = clients_of(open_installation(home))
        prepare(clients)
        for turn in range(1, kills + 1):
            report.problems += _work_and_kill(process, actors, rng)
            report.kills = turn
            begin = time.monotonic()
            process = start_server(home, forgetful)
            report.start_s.append(time.monotonic() - begin)
            current["clients"] = clients_of(open_installation(home))
            for actor in actors:
                report.problems += _check(actor)
            report.operations = sum(actor.done for actor in actors)
            tell(
                f"kill {turn}: {report.operations} operations acknowledged so far, "
                f"started again in {report.start_s[-1]:.2f} s, "
                f"{len(report.problems)} problems"
            )
            if report.problems:
                break
    finally:
        process.kill()
        process.wait()
    return report


def _check(actor: Actor) -> list[str]:
    try:
        return actor.check()
    except ClientError as error:  # the bucket is gone, for example
        return [f"{actor.label}: {error}"]


def _work_and_kill(
    process: subprocess.Popen, actors: list[Actor], rng: random.Random
) -> list[str]:
    """Let all actors work, kill the server in the middle of it; returns problems."""
    problems: list[str] = []
    killed = threading.Event()

    def work(actor: Actor) -> None:
        try:
            while True:
                actor.step()
        except Down:
            return
        except Exception as error:  # noqa: BLE001 - a finding, whatever it is
            if killed.is_set():
                return  # half an answer, which a client takes for a whole one
            problems.append(f"{actor.label}: {type(error).__name__}: {error}")

    threads = [threading.Thread(target=work, args=[actor]) for actor in actors]
    for thread in threads:
        thread.start()
    time.sleep(rng.uniform(*MOMENTS_S))
    killed.set()
    process.kill()
    process.wait()
    for thread in threads:
        thread.join()
    return problems
