"""The life of a hyperparameter tuning job, which trains again and again.

Training job n gets the hyperparameters that follow from the seed, from n, and from the
results of jobs 1 to n-P in the order of their numbers, where P is
MaxParallelTrainingJobs; those of warm-start parents come before them. So a run with
RandomSeed chooses the same values again, however long each job takes. Job n starts once
jobs 1 to n-P have all ended: a slow job may keep the places of those after it empty.
Early stopping depends on what other jobs have printed by then, and is outside of this
promise.

A tuning job outlives the stand-in's process, as an endpoint does. The next process
takes it up where it was: training jobs that were cut off have failed, by no fault of
their own (RetryableError), and others with the same values are started in their place.

Sources: botocore sagemaker service model (HyperParameterTuningJobConfig,
TrainingJobStatusCounters, ObjectiveStatus); AWS pages "How Hyperparameter Tuning Works"
and "Stop Training Jobs Early". The reasons of a failure are recorded ones.
"""

import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from local_aws.errors import StorageError
from local_aws.jobs import attempts, training
from local_aws.jobs import tuning_results as results
from local_aws.jobs.job import Job, JobFailed, Observer, ShuttingDown
from local_aws.persistence.resources import NotFound, touch

TRAINING = "training-job"

# A job of which so many trainings have ended, and none with success, is given up.
ATTEMPTS = 5

# How often the objectives of running jobs are compared, for early stopping.
LOOK_SECONDS = 0.2

NONE_SUCCEEDED = (
    "No training job succeeded after {number} attempts. For additional details, please "
    "take a look at the training job failures by listing training jobs for the "
    "hyperparameter tuning job."
)
NO_METRIC = (
    "No objective metrics found after running {number} training jobs. Please ensure "
    "that the custom algorithm is emitting the objective metric as defined by the "
    "regular expression provided."
)

# Members that a training job's definition and a CreateTrainingJob request share.
_SHARED = (
    "RoleArn",
    "InputDataConfig",
    "OutputDataConfig",
    "ResourceConfig",
    "VpcConfig",
    "StoppingCondition",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
    "CheckpointConfig",
    "RetryStrategy",
    "Environment",
)


def training_request(definition: dict, values: Mapping[str, str]) -> dict:
    """The CreateTrainingJob request for one choice of hyperparameters."""
    static = definition.get("StaticHyperParameters", {})
    return {
        "AlgorithmSpecification": definition["AlgorithmSpecification"],
        "HyperParameters": {**static, **values},
        **{name: definition[name] for name in _SHARED if name in definition},
    }


@dataclass
class _Child:
    """A training job: its number, what it tries, and the objective as it goes.

    `shown` is its summary, once it has ended and that has been noted.
    """

    number: int
    name: str
    values: dict[str, str]
    curve: list[float] = field(default_factory=list)
    has_ended: bool = False
    shown: dict | None = None


class _OutOfTime(Exception):
    """The tuning job has run for as long as it may."""


def run(job: Job) -> None:
    """Start training jobs until enough have ended; a stop stops those that run."""
    tuner = _Tuner(job, job.update(_cut_off))
    try:
        cut_off = tuner.take_up()
        job.begin_attempt("InProgress")
        tuner.start_again(cut_off)
        tuner.search()
    except ShuttingDown:
        raise
    except _OutOfTime:
        tuner.stop_all()
    except Exception:
        # Whatever it was, the engine records it: but no training job runs on alone.
        tuner.stop_all()
        raise
    finally:
        tuner.note_the_end()


def _cut_off(record: dict) -> None:
    """If another process has run it before, it ran until it last wrote something."""
    attempts.cut_off(record, record["LastModifiedTime"])


class _Tuner:
    """One tuning job while it runs."""

    def __init__(self, job: Job, record: dict) -> None:
        # It imports numpy, which nothing else in the stand-in's process needs.
        from local_aws.jobs import tuning_search

        self._job = job
        self._suggest = tuning_search.suggest
        self._should_stop_early = tuning_search.should_stop_early
        self._trial = tuning_search.Trial
        self._arn = record["HyperParameterTuningJobArn"]
        self._tags = job.resources.tags(self._arn)
        self._record = record
        config = record["HyperParameterTuningJobConfig"]
        limits = config["ResourceLimits"]
        self._ranges = config["ParameterRanges"]
        self._strategy = config["Strategy"]
        self._stops_early = config.get("TrainingJobEarlyStoppingType") == "Auto"
        self._total = limits.get("MaxNumberOfTrainingJobs")
        self._parallel = limits["MaxParallelTrainingJobs"]
        self._seconds = limits.get("MaxRuntimeInSeconds")
        self._maximize = results.is_maximized(record)
        self._metric = results.objective_of(record)["MetricName"]
        self._parents = [
            self._trial(*known) for known in record.get("_parent_trials", [])
        ]
        # All that were started, and of each number the last one.
        self._children: list[_Child] = []
        self._current: dict[int, _Child] = {}

    def take_up(self) -> list[_Child]:
        """Find what an earlier process has started; returns what was cut off."""
        for number, name, values in self._record.get("_children", []):
            child = _Child(number, name, values)
            self._current[number] = child
            with suppress(NotFound):  # it may have been cut off before it was made
                record = self._job.resources.get(self._job.region, TRAINING, name)
                child.shown = results.summary(record, self._record)
                self._children.append(child)
        if self._current:
            self._write()
        return [
            child
            for child in self._current.values()
            if child.shown is None or results.is_retryable(child.shown)
        ]

    def start_again(self, cut_off: list[_Child]) -> None:
        """Start other jobs in the place of these."""
        for child in cut_off:
            self._start(child.number, child.values)

    def search(self) -> None:
        """Train until enough jobs have ended.

        Raises JobFailed, _OutOfTime, and JobStopped or ShuttingDown if the job is to
        end.
        """
        while True:
            self._start_what_may_start()
            if not self._running():
                break
            self._wait()
            self._note_ends()
            self._give_up_if_none_succeeds(ATTEMPTS)
            if self._stops_early:
                self._stop_early()
        self._give_up_if_none_succeeds(1)

    def _in_order(self) -> list[_Child]:
        return [self._current[number] for number in sorted(self._current)]

    def _running(self) -> list[_Child]:
        return [child for child in self._children if child.shown is None]

    def _start_what_may_start(self) -> None:
        """Job n starts when jobs 1 to n-P have ended."""
        while self._total is None or len(self._current) < self._total:
            number = len(self._current) + 1
            before = range(1, number - self._parallel + 1)
            ended = [self._current[other].shown for other in before]
            if None in ended:
                return
            earlier = [
                self._trial(shown["TunedHyperParameters"], results.value_of(shown))
                for shown in ended
            ]
            values = self._suggest(
                self._ranges,
                self._strategy,
                self._record["_seed"],
                number,
                [*self._parents, *earlier],
                self._maximize,
            )
            self._job.check()
            self._start(number, values)

    def _start(self, number: int, values: dict[str, str]) -> None:
        name = f"{self._job.name}-{number:03d}-{uuid.uuid4().hex[:8]}"
        child = _Child(number, name, values)
        definition = self._record["TrainingJobDefinition"]
        request = training_request(definition, values)
        if saved := request.get("CheckpointConfig"):
            own = {"S3Uri": f"{saved['S3Uri'].rstrip('/')}/{name}"}
            request["CheckpointConfig"] = {**saved, **own}
        arn = f"{self._arn.rsplit(':', 1)[0]}:{TRAINING}/{name}"
        record = training.new_record(
            {**request, "TrainingJobName": name, "TuningJobArn": self._arn}
        )
        record["TrainingJobArn"] = arn
        record["AlgorithmSpecification"]["MetricDefinitions"] = definition[
            "AlgorithmSpecification"
        ]["MetricDefinitions"]
        self._current[number] = child
        self._children.append(child)
        try:
            self._write()  # it is listed before it is there, never the other way round
            self._job.engine.begin(
                TRAINING,
                self._job.region,
                name,
                record,
                arn,
                self._tags,
                self._observer(child),
            )
        except Exception:
            # Whatever it was goes on its way; only what was never made is taken back.
            self._children.remove(child)
            del self._current[number]
            raise

    def _observer(self, child: _Child) -> Observer:
        def measured(name: str, value: float) -> None:
            if name == self._metric:
                child.curve.append(value)

        def ended() -> None:
            child.has_ended = True
            self._job.woken.set()

        return Observer(measured, ended)

    def _wait(self) -> None:
        """Until a training job has ended, or it is time to look at what they print."""
        left = self._seconds_left()
        look = LOOK_SECONDS if self._stops_early else None
        pauses = [pause for pause in (left, look) if pause is not None]
        self._job.woken.wait(min(pauses, default=None))
        self._job.woken.clear()
        self._job.check()
        if left is not None and self._seconds_left() == 0:
            raise _OutOfTime

    def _seconds_left(self) -> float | None:
        if self._seconds is None:
            return None
        return max(0.0, self._seconds - attempts.so_far(self._job.record()))

    def _note_ends(self) -> None:
        """Take over what has ended since."""
        ended = [child for child in self._running() if child.has_ended]
        for child in ended:
            child.shown = self._end_of(child)
        if ended:
            self._write()

    def _end_of(self, child: _Child) -> dict:
        try:
            record = self._job.resources.get(self._job.region, TRAINING, child.name)
        except NotFound:  # it was deleted before anybody looked
            return _gone(child)
        return results.summary(record, self._record)

    def _write(self) -> None:
        """Bring the tuning job's own record up to date."""
        told = self._told()

        def change(record: dict) -> None:
            touch(record)
            record.update(told)

        self._job.update(change)

    def _told(self) -> dict:
        """What the record says of the training jobs."""
        shown = [child.shown or _pending(child) for child in self._children]
        told: dict = {
            "_children": [
                [child.number, child.name, child.values] for child in self._children
            ],
            "TrainingJobStatusCounters": results.status_counters(shown),
            "ObjectiveStatusCounters": results.objective_counters(shown),
        }
        best = results.best(shown, self._maximize)
        if best is not None:
            told["BestTrainingJob"] = best
        if "WarmStartConfig" in self._record:
            known = [one for one in (best, self._record["_parents_best"]) if one]
            overall = results.best(known, self._maximize)
            if overall is not None:
                own = {"TuningJobName": self._job.name}
                told["OverallBestTrainingJob"] = {**own, **overall}
        return told

    def _give_up_if_none_succeeds(self, enough: int) -> None:
        ended = [child.shown for child in self._in_order() if child.shown is not None]
        if len(ended) < enough or any(
            results.value_of(shown) is not None for shown in ended
        ):
            return
        have_run = any(shown["TrainingJobStatus"] != "Failed" for shown in ended)
        reason = NO_METRIC if have_run else NONE_SUCCEEDED
        raise JobFailed(reason.format(number=len(ended)))

    def _stop_early(self) -> None:
        """Stop what is worse than earlier jobs were at the same point."""
        curves = [c.curve for c in self._children if c.shown is not None and c.curve]
        for child in self._running():
            if self._should_stop_early(child.curve, curves, self._maximize):
                self._stop(child)

    def _stop(self, child: _Child) -> None:
        which = TRAINING, self._job.region, child.name
        try:
            self._job.engine.request_stop(*which)
        except StorageError:  # the record will say so when there is room
            self._job.engine.stop(*which)

    def stop_all(self) -> None:
        """Stop the training jobs that run, and wait for their ends."""
        for child in self._running():
            self._stop(child)
        while True:
            with suppress(StorageError):  # it is written together with the end
                self._note_ends()
            if not self._running():
                return
            self._job.woken.wait()
            self._job.woken.clear()
            if self._job.ended_by is ShuttingDown:
                raise ShuttingDown

    def note_the_end(self) -> None:
        """What is said of the whole run, together with its end."""
        values = [
            results.value_of(child.shown)
            for child in self._in_order()
            if child.shown is not None
        ]
        seconds = attempts.so_far(self._job.record())
        self._job.results.update(
            self._told(),
            ConsumedResources={"RuntimeInSeconds": max(1, round(seconds))},
            TuningJobCompletionDetails={
                "NumberOfTrainingJobsObjectiveNotImproving": results.not_improving(
                    values, self._maximize
                )
            },
        )


def _pending(child: _Child) -> dict:
    return {"TrainingJobStatus": "InProgress", "ObjectiveStatus": "Pending"}


def _gone(child: _Child) -> dict:
    return {
        "TrainingJobName": child.name,
        "TrainingJobStatus": "Stopped",
        "TunedHyperParameters": child.values,
        "ObjectiveStatus": "Failed",
    }
