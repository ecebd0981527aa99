"""Hyperparameter tuning jobs: what to search, by which metric, with how many jobs."""

import secrets

from local_aws.containers.image import Image
from local_aws.containers.images import find_image
from local_aws.errors import AwsError, validation_exception
from local_aws.jobs import training, tuning, tuning_results
from local_aws.jobs.kinds import UNFINISHED
from local_aws.persistence.resources import NotFound
from local_aws.sagemaker import pagination, preconditions, training_jobs, tuning_ranges
from local_aws.sagemaker.families import Family, declare, output_members
from local_aws.sagemaker.jobs import start_job, stop_job
from local_aws.sagemaker.operations import Context, operation

TUNING_JOBS = declare(
    Family(
        noun="HyperParameterTuningJob",
        kind="hyper-parameter-tuning-job",
        words="hyperparameter tuning job",
        not_found=(
            "Amazon SageMaker can't find a tuning job called {name}. Type another name."
        ),
        not_found_code="ResourceNotFound",
        already_exists=(
            "A hyperparameter tuning job with the name, {name}, already exists. Choose "
            "a different name."
        ),
        already_exists_code="ResourceInUse",
        refused={
            "Autotune": "a choice of ranges by SageMaker",
            "TrainingJobDefinitions": "several algorithms in one tuning job",
            "HyperParameterTuningJobConfig.StrategyConfig": "settings of Hyperband",
            "HyperParameterTuningJobConfig.TuningJobCompletionCriteria": "an end "
            "before MaxNumberOfTrainingJobs",
            "HyperParameterTuningJobConfig.ParameterRanges.AutoParameters": "a choice "
            "of ranges by SageMaker",
            "TrainingJobDefinition.HyperParameterTuningResourceConfig": "a choice of "
            "instance types",
        },
        transitional=UNFINISHED,
        progress="TrainingJobStatusCounters",
        sort_by="Name",
        sort_order="Ascending",
    )
)

# MaxNumberOfTrainingJobs and MaxParallelTrainingJobs: AWS's quotas, by strategy.
MAX_JOBS = {"Bayesian": 750, "Grid": 750, "Random": 10_000}
MAX_PARALLEL = 100

# RandomSeed is an integer from 0 on; this is for a request without one.
SEEDS = 2**31

OBJECTIVE_METRIC = "ObjectiveMetric"


@operation("CreateHyperParameterTuningJob")
def create_tuning_job(request: dict, context: Context) -> dict:
    """Check the request as the service does before it responds, then start the job."""
    _refuse(request)
    config, definition = _required(request)
    trained = tuning.training_request(definition, {})
    training_jobs.check(trained, context)
    image = find_image(definition["AlgorithmSpecification"]["TrainingImage"])
    objective = config["HyperParameterTuningJobObjective"]
    definitions = _metric_definitions(definition, image)
    _check_objective(objective, image, definitions)
    static = definition.get("StaticHyperParameters", {})
    tuning_ranges.check(config, static, image)
    _check_limits(config)
    record = _new_record(request, image)
    if "WarmStartConfig" in request:
        record.update(_parents(record, context))
    return start_job(TUNING_JOBS, record, context)


@operation("StopHyperParameterTuningJob")
def stop_tuning_job(request: dict, context: Context) -> dict:
    """Ask a job to stop, and with it the training jobs that it has started."""
    return stop_job(TUNING_JOBS, request, context)


@operation("DeleteHyperParameterTuningJob")
def delete_tuning_job(request: dict, context: Context) -> dict:
    """Delete the record of a job that has ended; its training jobs stay."""
    return TUNING_JOBS.delete(request, context, _check_has_ended)


@operation("ListTrainingJobsForHyperParameterTuningJob")
def list_training_jobs(request: dict, context: Context) -> dict:
    """A page of the training jobs that a tuning job has started."""
    record = TUNING_JOBS.get(request["HyperParameterTuningJobName"], context)
    shown = [
        {**one, "FinalObjectiveMetricValue": tuning_results.value_of(one)}
        for one in _summaries(record, context)
    ]
    if request.get("SortBy") == "FinalObjectiveMetricValue":
        shown = [one for one in shown if one["FinalObjectiveMetricValue"] is not None]
    members = output_members("ListTrainingJobsForHyperParameterTuningJob")
    summary = members["TrainingJobSummaries"].member.members
    page, token = pagination.page(
        shown, request, "TrainingJob", summary, "Name", "Ascending"
    )
    for one in page:
        del one["FinalObjectiveMetricValue"]
    return {"TrainingJobSummaries": page, "NextToken": token}


def _summaries(record: dict, context: Context) -> list[dict]:
    """Its training jobs that are there: each is listed before it is made, and may have
    been deleted.
    """
    found = []
    for _, name, _ in record.get("_children", []):
        try:
            child = context.resources.get(context.region, tuning.TRAINING, name)
        except NotFound:
            continue
        found.append(tuning_results.summary(child, record))
    return found


def _check_has_ended(record: dict) -> None:
    if TUNING_JOBS.is_transitional(record):
        raise validation_exception(
            "The request was rejected because the hyperparameter tuning job is in "
            f"status {record['HyperParameterTuningJobStatus']}. Stop it first."
        )


def _refuse(request: dict) -> None:
    """Raise for members and values that are not built."""
    TUNING_JOBS.refuse(request)
    strategy = request["HyperParameterTuningJobConfig"]["Strategy"]
    if strategy not in MAX_JOBS:
        raise preconditions.not_built(
            f"Strategy {strategy}", "Use Bayesian, Random or Grid"
        )
    kind = request.get("WarmStartConfig", {}).get("WarmStartType")
    if kind == "TransferLearning":
        raise preconditions.not_built(
            f"WarmStartType {kind}", "Use IdenticalDataAndAlgorithm"
        )


def _required(request: dict) -> tuple[dict, dict]:
    """The job's configuration and the definition of its training jobs."""
    if "TrainingJobDefinition" not in request:
        raise validation_exception(
            "TrainingJobDefinition is required: what each training job is to do."
        )
    config = request["HyperParameterTuningJobConfig"]
    name = "HyperParameterTuningJobConfig"
    preconditions.check_present(
        config, name, "HyperParameterTuningJobObjective", "ParameterRanges"
    )
    definition = request["TrainingJobDefinition"]
    for member in ("TuningObjective", "HyperParameterRanges"):
        if member in definition:
            raise validation_exception(
                f"{member} in TrainingJobDefinition is for a request with several "
                f"TrainingJobDefinitions. Say it in {name}."
            )
    return config, definition


def _metric_definitions(definition: dict, image: Image) -> list[dict[str, str]]:
    """Those of each training job: the algorithm's, or the request's own."""
    algorithm = definition["AlgorithmSpecification"]
    return training.metric_definitions(algorithm, image).get("MetricDefinitions", [])


def _check_objective(
    objective: dict, image: Image, definitions: list[dict[str, str]]
) -> None:
    """Raise for a metric that the algorithm does not have, or the wrong direction."""
    if image.runs_scripts:
        if objective["MetricName"] not in [one["Name"] for one in definitions]:
            raise validation_exception(
                "A metric is required for this hyperparameter tuning job objective. "
                "Provide a metric in the metric definitions."
            )
        return
    objectives, metric = image.tuning().objectives, objective["MetricName"]
    if metric not in objectives:
        raise validation_exception(
            f"The objective metric for the hyperparameter tuning job, [{metric}], "
            f"isn't valid for the {image.name} algorithm. Choose a valid objective "
            f"metric: [{', '.join(sorted(objectives))}]."
        )
    if objective["Type"] != objectives[metric]:
        raise validation_exception(
            f"The objective metric type, [{objective['Type']}], that you specified for "
            f"objective metric, [{metric}], isn't valid for the {image.name} "
            f"algorithm. Choose a valid objective metric type: [{objectives[metric]}]."
        )


def _check_limits(config: dict) -> None:
    limits, strategy = config["ResourceLimits"], config["Strategy"]
    total = limits.get("MaxNumberOfTrainingJobs")
    if strategy == "Grid":
        total = tuning_ranges.grid_size(config["ParameterRanges"])
    parallel = limits["MaxParallelTrainingJobs"]
    if total is None and "MaxRuntimeInSeconds" not in limits:
        raise validation_exception(
            "MaxNumberOfTrainingJobs or MaxRuntimeInSeconds is required in "
            f"ResourceLimits with the strategy {strategy}."
        )
    for member, value, most in (
        ("MaxNumberOfTrainingJobs", total, MAX_JOBS[strategy]),
        ("MaxParallelTrainingJobs", parallel, MAX_PARALLEL),
    ):
        if value is not None and value > most:
            raise AwsError(
                "ResourceLimitExceeded",
                f"The value of {member}, [{value}], can't be greater than [{most}] "
                f"with the strategy {strategy}.",
            )
    if total is not None and parallel > total:
        raise validation_exception(
            f"The value of MaxParallelTrainingJobs, [{parallel}], can't be greater "
            f"than the value of MaxNumberOfTrainingJobs, [{total}]."
        )


def _new_record(request: dict, image: Image) -> dict:
    """The record of a request's job, with what Describe shows besides."""
    config = request["HyperParameterTuningJobConfig"]
    objective = config["HyperParameterTuningJobObjective"]["MetricName"]
    ranges, limits = config["ParameterRanges"], config["ResourceLimits"]
    if config["Strategy"] == "Grid":
        limits = {"MaxNumberOfTrainingJobs": tuning_ranges.grid_size(ranges), **limits}
    definition = request["TrainingJobDefinition"]
    static = definition.get("StaticHyperParameters", {})
    definitions = _metric_definitions(definition, image)
    (regex,) = (one["Regex"] for one in definitions if one["Name"] == objective)
    return {
        **request,
        "HyperParameterTuningJobConfig": {
            **config,
            "ResourceLimits": limits,
            "ParameterRanges": {
                kind: [_with_scaling(one) for one in listed]
                for kind, listed in ranges.items()
            },
        },
        "TrainingJobDefinition": {
            "EnableNetworkIsolation": False,
            "EnableInterContainerTrafficEncryption": False,
            "EnableManagedSpotTraining": False,
            **definition,
            "StaticHyperParameters": {**static, "_tuning_objective_metric": objective},
            "AlgorithmSpecification": {
                **definition["AlgorithmSpecification"],
                "MetricDefinitions": [
                    *definitions,
                    {"Name": OBJECTIVE_METRIC, "Regex": regex},
                ],
            },
        },
        "TrainingJobStatusCounters": tuning_results.status_counters([]),
        "ObjectiveStatusCounters": tuning_results.objective_counters([]),
        # What a List shows and a Describe has inside of the configuration.
        "Strategy": config["Strategy"],
        "ResourceLimits": limits,
        "_seed": config.get("RandomSeed", secrets.randbelow(SEEDS)),
    }


def _with_scaling(one: dict) -> dict:
    return one if "Values" in one else {"ScalingType": "Auto", **one}


def _parents(record: dict, context: Context) -> dict:
    """What a warm start takes over; raises for parents that can't be."""
    summaries = []
    for one in record["WarmStartConfig"]["ParentHyperParameterTuningJobs"]:
        preconditions.check_present(
            one, "ParentHyperParameterTuningJobs", "HyperParameterTuningJobName"
        )
        parent = TUNING_JOBS.get(one["HyperParameterTuningJobName"], context)
        _check_parent(record, parent)
        summaries += [
            {"TuningJobName": parent["HyperParameterTuningJobName"], **shown}
            for shown in _summaries(parent, context)
            if not tuning_results.is_retryable(shown)
        ]
    _check_sum(record, len(summaries))
    tuned = tuning_results.tuned_names(record)
    best = tuning_results.best(summaries, tuning_results.is_maximized(record))
    trials = []
    for shown in summaries:
        trained = context.resources.get(
            context.region, tuning.TRAINING, shown["TrainingJobName"]
        )["HyperParameters"]
        values = {name: trained[name] for name in sorted(tuned)}
        trials.append([values, tuning_results.value_of(shown)])
    return {"_parent_trials": trials, "_parents_best": best}


def _check_sum(record: dict, known: int) -> None:
    """The training jobs of parents count as the tuning job's own."""
    asked = record["ResourceLimits"].get("MaxNumberOfTrainingJobs", 0)
    most = MAX_JOBS[record["Strategy"]]
    if known + asked > most:
        raise AwsError(
            "ResourceLimitExceeded",
            f"The value of MaxNumberOfTrainingJobs, [{asked}], together with the "
            f"training jobs of all parent tuning jobs, [{known}], can't be greater "
            f"than [{most}] with the strategy {record['Strategy']}.",
        )


def _check_parent(record: dict, parent: dict) -> None:
    """Source: AWS page "Run a Warm Start Hyperparameter Tuning Job"."""
    name = parent["HyperParameterTuningJobName"]
    if TUNING_JOBS.is_transitional(parent):
        raise validation_exception(
            f"The parent tuning job [{name}] is in status "
            f"{parent['HyperParameterTuningJobStatus']}. All parent jobs must be "
            "Completed, Stopped or Failed."
        )
    if tuning_results.objective_of(record) != tuning_results.objective_of(parent):
        raise validation_exception(
            "The objective metric must be the same as in all parent tuning jobs: "
            f"[{name}] has [{tuning_results.objective_of(parent)['MetricName']}]."
        )
    ours, theirs = record["TrainingJobDefinition"], parent["TrainingJobDefinition"]
    for what, is_other in (
        ("algorithm", _image_of(ours) != _image_of(theirs)),
        ("input data", ours.get("InputDataConfig") != theirs.get("InputDataConfig")),
    ):
        if is_other:
            raise validation_exception(
                f"With the WarmStartType IdenticalDataAndAlgorithm the {what} must be "
                f"the same as in all parent tuning jobs: that of [{name}] is another."
            )
    if _all_names(record) != _all_names(parent):
        raise validation_exception(
            "The set of tunable plus static HyperParameter names is not the same "
            "across current and parent tuning jobs. Please ensure this set is constant "
            "when warm starting. Note that previously static HyperParameters can be "
            "tuned in warm start jobs and vice versa."
        )
    kinds = _kinds(parent)
    for tuned, kind in _kinds(record).items():
        if kinds.get(tuned, kind) != kind:
            raise validation_exception(
                f"The type of hyperparameter [{tuned}] must not change between parent "
                f"tuning jobs and this one: [{name}] has it in {kinds[tuned]}."
            )


def _image_of(definition: dict) -> str:
    return definition["AlgorithmSpecification"]["TrainingImage"]


def _all_names(record: dict) -> set[str]:
    static = record["TrainingJobDefinition"]["StaticHyperParameters"]
    return tuning_results.tuned_names(record) | set(static)


def _kinds(record: dict) -> dict[str, str]:
    ranges = record["HyperParameterTuningJobConfig"]["ParameterRanges"]
    return {one["Name"]: kind for kind, listed in ranges.items() for one in listed}
