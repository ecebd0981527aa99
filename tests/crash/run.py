"""Start the stand-in, work it, kill it, start it again, compare."""

import os
import random
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from course.stand_in import StandIn, start_stand_in
from local_aws.installation import CHECKOUT

from .actors import ACTORS, Objects, prepare
from .ledger import Actor, Down

# Between the start of work and the kill: now and then at once, mostly after a while.
MOMENTS_S = (0.05, 1.8)
PATIENCE_S = 60


@dataclass
class Report:
    """What a run found."""

    seed: int
    kills: int = 0
    operations: int = 0
    problems: list[str] = field(default_factory=list)
    start_s: list[float] = field(default_factory=list)
    compare_s: list[float] = field(default_factory=list)


def start_server(home: Path, forgetful: bool) -> StandIn:
    """A stand-in in the foreground that responds. Raises NotStarted."""
    if not forgetful:
        return start_stand_in(home)
    path = os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "tests")])
    return start_stand_in(home, "crash.forgetful", PYTHONPATH=path)


def clients_of(stand_in: StandIn) -> Callable[[str], Any]:
    """Clients that never try anything twice: a line sent twice would be there twice."""
    services = ("s3", "iam", "logs", "cloudwatch", "lambda", "budgets")
    services += ("apigatewayv2", "sagemaker", "sagemaker-runtime")
    return {  # making one is not thread-safe
        service: stand_in.client(service, max_pool_connections=40, read_timeout=60)
        for service in services
    }.__getitem__


def run(
    home: Path,
    kills: int,
    seed: int,
    workers: int = 1,
    forgetful: bool = False,
    tell: Callable[[str], None] = lambda line: None,
    least: int = 0,
) -> Report:
    """Kill the stand-in on `home` as often as asked; `workers` of each kind of actor.

    Ends early with the first problems. `least`: so much is done by half of the actors
    before a kill, however busy the machine is.
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
    stand_in = start_server(home, forgetful)
    try:
        current["clients"] = clients_of(stand_in)
        prepare(clients)
        for turn in range(1, kills + 1):
            report.problems += _work_and_kill(stand_in.process, actors, rng, least)
            report.kills = turn
            begin = time.monotonic()
            stand_in = start_server(home, forgetful)
            report.start_s.append(time.monotonic() - begin)
            current["clients"] = clients_of(stand_in)
            begin = time.monotonic()
            for actor in actors:
                report.problems += _check(actor)
            report.compare_s.append(time.monotonic() - begin)
            report.operations = sum(actor.done for actor in actors)
            tell(
                f"kill {turn}: {report.operations} operations acknowledged so far, "
                f"started again in {report.start_s[-1]:.2f} s, "
                # All that was ever made is asked for, so this becomes more each time.
                f"compared in {report.compare_s[-1]:.2f} s, "
                f"{len(report.problems)} problems"
            )
            if report.problems:
                break
    finally:
        stand_in.process.kill()
        stand_in.process.wait()
    return report


def _check(actor: Actor) -> list[str]:
    try:
        return actor.check()
    except (ClientError, BotoCoreError) as error:  # the bucket is gone, for example
        return [f"{actor.label}: {error}"]


def _work_and_kill(
    process: subprocess.Popen, actors: list[Actor], rng: random.Random, least: int
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
                return  # half a response, which a client takes for a whole one
            problems.append(f"{actor.label}: {type(error).__name__}: {error}")

    threads = [threading.Thread(target=work, args=[actor]) for actor in actors]
    for thread in threads:
        thread.start()
    time.sleep(rng.uniform(*MOMENTS_S))
    deadline = time.monotonic() + PATIENCE_S
    while median(actor.done for actor in actors) < least:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    killed.set()
    process.kill()
    process.wait()
    for thread in threads:
        thread.join()
    return problems
