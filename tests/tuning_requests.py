"""The tuning job that the tests start from, and ways to wait for it."""

import copy

import boston

OBJECTIVE = {"Type": "Minimize", "MetricName": "validation:rmse"}
RANGES = {
    "ContinuousParameterRanges": [
        {
            "Name": "eta",
            "MinValue": "0.05",
            "MaxValue": "0.5",
            "ScalingType": "Logarithmic",
        }
    ],
    "IntegerParameterRanges": [{"Name": "max_depth", "MinValue": "2", "MaxValue": "8"}],
}
STATIC = {"objective": "reg:squarederror", "num_round": "10"}

# Runs for minutes, prints a line a round.
ENDLESS = {"objective": "reg:squarederror", "num_round": "1000000"}


def name(prefix="tune"):
    """A name that no other test uses, of the length that a tuning job's may have."""
    return boston.name(prefix)


def request(bucket, job_name, total=6, parallel=3, static=STATIC, **config):
    """A CreateHyperParameterTuningJob request; `config`: members of the job's."""
    training = boston.training_request(bucket, "unused")
    definition = {
        member: training[member]
        for member in (
            "AlgorithmSpecification",
            "RoleArn",
            "InputDataConfig",
            "OutputDataConfig",
            "ResourceConfig",
            "StoppingCondition",
        )
    }
    limits = {"MaxNumberOfTrainingJobs": total, "MaxParallelTrainingJobs": parallel}
    return {
        "HyperParameterTuningJobName": job_name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": OBJECTIVE,
            "ResourceLimits": limits,
            "ParameterRanges": copy.deepcopy(RANGES),
            "RandomSeed": 7,
            **config,
        },
        "TrainingJobDefinition": {**definition, "StaticHyperParameters": static},
    }


def create(sagemaker, bucket, total=6, parallel=3, static=STATIC, **config):
    """Start a tuning job; returns its name."""
    job_name = name()
    sagemaker.create_hyper_parameter_tuning_job(
        **request(bucket, job_name, total, parallel, static, **config)
    )
    return job_name


def describe(sagemaker, job_name):
    return sagemaker.describe_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=job_name
    )


def wait(sagemaker, job_name, reached=boston.TERMINAL):
    return boston.wait(
        sagemaker.describe_hyper_parameter_tuning_job,
        "HyperParameterTuningJobStatus",
        reached,
        seconds=300,
        HyperParameterTuningJobName=job_name,
    )


def children(sagemaker, job_name, **options):
    """The summaries of its training jobs, by name."""
    listed = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=job_name, MaxResults=100, **options
    )
    return listed["TrainingJobSummaries"]


def value(summary):
    return summary["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]


def wait_for_children(sagemaker, job_name, is_there):
    """Wait until the summaries are as `is_there` wants them; returns them."""
    boston.wait(
        lambda **_: {"found": is_there(children(sagemaker, job_name))}, "found", (True,)
    )
    return children(sagemaker, job_name)
