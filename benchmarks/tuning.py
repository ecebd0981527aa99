"""(11) A tuning job, against the same trainings with nothing around them."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.measuring import Run, in_turns, seconds, wait_for
from benchmarks.stand_in import BOSTON, ENDED, StandIn, new_name, training_request
from benchmarks.training import bare_process, boston_files, settings_file
from data.make_tuning_comparison import RANGES
from local_aws.jobs.tuning_search import Trial, suggest

FORK_SERVER = Path(__file__).with_name("bare_tuning.py")
TARGET = 0.5
JOBS = 20
PARALLEL = 3
SEED = 5
OBJECTIVE = {"Type": "Minimize", "MetricName": "validation:rmse"}


def measure(run: Run) -> list[Figure]:
    """From the request to Completed, against the same trainings without it."""
    jobs = run.size(JOBS, 4)
    with boston_files() as (files, stand_in, channels):
        # The first tuning job of a process also imports the search: it is not counted.
        trials = results(stand_in, tune(stand_in, channels, jobs))
        bare = {
            scikit_learn: [
                settings_file(files, number, scikit_learn, {**static(), **trial.values})
                for number, trial in enumerate(trials, first)
            ]
            for scikit_learn, first in ((True, 0), (False, jobs))
        }
        with fork_server() as fork_all:
            medians = in_turns(
                run.size(3, 1),
                {
                    "ours": lambda: seconds(lambda: tune(stand_in, channels, jobs)),
                    "fresh": lambda: seconds(lambda: fresh_processes(bare[False])),
                    "whole": lambda: seconds(lambda: fresh_processes(bare[True])),
                    "forked": lambda: seconds(lambda: fork_all(bare[False])),
                    "search": lambda: seconds(lambda: search_again(trials)),
                },
            )
    what = f"a tuning job of {jobs}, {PARALLEL} at a time"
    against = (
        ("fresh", "the trainings in fresh processes, scikit-learn kept out", TARGET),
        ("whole", "in fresh processes, scikit-learn imported", None),
        ("forked", "in a bare fork server", None),
    )
    figures = [
        Figure(11, what, medians["ours"], medians[name], words, "s", target)
        for name, words, target in against
    ]
    return [
        *figures,
        Figure(
            11,
            "the search of it alone",
            medians["search"],
            medians["ours"],
            "the whole tuning job",
            "s",
        ),
    ]


def static() -> dict[str, str]:
    """Lesson 01's hyperparameters without those that are tuned."""
    tuned = {one["Name"] for ranges in RANGES.values() for one in ranges}
    return {name: value for name, value in BOSTON.items() if name not in tuned}


def tune(stand_in: StandIn, channels: dict[str, str], jobs: int) -> str:
    """Run a tuning job to its end; its name. Raises RuntimeError, TimeoutError."""
    sagemaker = stand_in.client("sagemaker")
    name = new_name("tuning")
    training = training_request("unused", channels, static())
    sagemaker.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name,
        HyperParameterTuningJobConfig={
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": OBJECTIVE,
            "ResourceLimits": {
                "MaxNumberOfTrainingJobs": jobs,
                "MaxParallelTrainingJobs": PARALLEL,
            },
            "ParameterRanges": RANGES,
            "RandomSeed": SEED,
        },
        TrainingJobDefinition={
            "StaticHyperParameters": training.pop("HyperParameters"),
            **{key: value for key, value in training.items() if "Name" not in key},
        },
    )

    def ended() -> bool:
        answer = sagemaker.describe_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name
        )
        status = answer["HyperParameterTuningJobStatus"]
        if status in ENDED and answer["TrainingJobStatusCounters"]["Completed"] != jobs:
            raise RuntimeError(answer.get("FailureReason", "a job did not complete"))
        return status in ENDED

    wait_for(ended, 0.01, 300)
    return name


def results(stand_in: StandIn, name: str) -> list[Trial]:
    """What the training jobs of a tuning job tried and found, in their order."""
    summaries = stand_in.client(
        "sagemaker"
    ).list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name,
        SortBy="Name",
        SortOrder="Ascending",
        MaxResults=100,
    )["TrainingJobSummaries"]
    return [
        Trial(
            one["TunedHyperParameters"],
            one["FinalHyperParameterTuningJobObjectiveMetric"]["Value"],
        )
        for one in summaries
    ]


def search_again(trials: list[Trial]) -> None:
    """Choose for each job once more, from what was known then."""
    for number, trial in zip(count(1), trials, strict=False):
        known = trials[: max(0, number - PARALLEL)]
        if suggest(RANGES, "Bayesian", SEED, number, known, False) != trial.values:
            raise RuntimeError(f"the search chooses otherwise for job {number}")


def fresh_processes(settings: list[Path]) -> None:
    """Train in a process for each, some at a time."""
    with ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(bare_process, settings))


@contextmanager
def fork_server() -> Iterator[Callable[[list[Path]], None]]:
    """A function that trains in the processes of a fork server, which has started."""
    process = subprocess.Popen(
        [sys.executable, str(FORK_SERVER), str(PARALLEL)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )

    def expect(word: str) -> None:
        if process.stdout.readline().strip() != word:
            raise RuntimeError("the fork server has ended")

    def train_all(settings: list[Path]) -> None:
        process.stdin.write(json.dumps([str(file) for file in settings]) + "\n")
        expect("trained")

    with process:
        expect("ready")
        yield train_all
        process.stdin.close()
