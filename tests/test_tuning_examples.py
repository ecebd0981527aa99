"""What AWS's own examples do, against the stand-in: the request of its example of
direct marketing by boto3, and the SDK's HyperparameterTuner with its defaults.
"""

import io
import re
import sys
import textwrap

import boston
import numpy as np
import tuning_requests as tuning

from local_aws.installation import ROLE_ARN


def direct_marketing(bucket):
    """The members that hpo_xgboost_direct_marketing_sagemaker_APIs sends, one of
    amazon-sagemaker-examples, with another bucket and role.
    """
    channels = [
        {
            "ChannelName": part,
            "CompressionType": "None",
            "ContentType": "csv",
            "DataSource": {
                "S3DataSource": {
                    "S3DataDistributionType": "FullyReplicated",
                    "S3DataType": "S3Prefix",
                    "S3Uri": f"s3://{bucket}/{part}",
                }
            },
        }
        for part in ("train", "validation")
    ]
    return {
        "HyperParameterTuningJobConfig": {
            "ParameterRanges": {
                "CategoricalParameterRanges": [],
                "ContinuousParameterRanges": [
                    {"Name": "eta", "MinValue": "0", "MaxValue": "1"},
                    {"Name": "min_child_weight", "MinValue": "1", "MaxValue": "10"},
                    {"Name": "alpha", "MinValue": "0", "MaxValue": "2"},
                ],
                "IntegerParameterRanges": [
                    {"Name": "max_depth", "MinValue": "1", "MaxValue": "10"}
                ],
            },
            "ResourceLimits": {
                "MaxNumberOfTrainingJobs": 20,
                "MaxParallelTrainingJobs": 3,
            },
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": {
                "MetricName": "validation:auc",
                "Type": "Maximize",
            },
        },
        "TrainingJobDefinition": {
            "AlgorithmSpecification": {
                "TrainingImage": "811284229777.dkr.ecr.us-east-1.amazonaws.com/"
                "xgboost:latest",
                "TrainingInputMode": "File",
            },
            "InputDataConfig": channels,
            "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/output"},
            "ResourceConfig": {
                "InstanceCount": 1,
                "InstanceType": "ml.m4.xlarge",
                "VolumeSizeInGB": 10,
            },
            "RoleArn": ROLE_ARN,
            "StaticHyperParameters": {
                "eval_metric": "auc",
                "num_round": "100",
                "objective": "binary:logistic",
                "rate_drop": "0.3",
                "tweedie_variance_power": "1.4",
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 43200},
        },
    }


def test_the_request_of_direct_marketing(stand_in):
    s3, sagemaker = stand_in.client("s3"), stand_in.client("sagemaker")
    bucket = boston.name("sagemaker-marketing")
    s3.create_bucket(Bucket=bucket)
    generator = np.random.default_rng(0)
    for part, count in (("train", 700), ("validation", 200)):
        features = generator.normal(size=(count, 6))
        noise = generator.normal(size=count)
        labels = features[:, 0] * features[:, 1] + noise > 1
        text = io.StringIO()
        np.savetxt(text, np.column_stack([labels, features]), "%.6g", ",")
        body = text.getvalue().encode()
        s3.put_object(Bucket=bucket, Key=f"{part}/{part}.csv", Body=body)
    job = tuning.name("xgboost-tuningjob")[:32]
    sagemaker.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=job, **direct_marketing(bucket)
    )
    done = tuning.wait(sagemaker, job)
    assert done["HyperParameterTuningJobStatus"] == "Completed", done
    assert done["TrainingJobStatusCounters"]["Completed"] == 20
    assert 0.5 < tuning.value(done["BestTrainingJob"]) < 1


SDK = """
    import collections, sys
    import boto3
    sys.path.insert(0, "tests")
    import boston
    from sagemaker.core import image_uris
    from sagemaker.core.analytics import HyperparameterTuningJobAnalytics
    from sagemaker.core.helper.session_helper import Session
    from sagemaker.core.parameter import (
        CategoricalParameter, ContinuousParameter, IntegerParameter,
    )
    from sagemaker.core.resources import HyperParameterTuningJob, Model, TrainingJob
    from sagemaker.core.shapes import (
        ContainerDefinition, HyperParameterTuningJobWarmStartConfig,
        ParentHyperParameterTuningJob,
    )
    from sagemaker.core.training.configs import Compute, InputData, OutputDataConfig
    from sagemaker.train import ModelTrainer
    from sagemaker.train.tuner import HyperparameterTuner, WarmStartTypes

    calls = collections.Counter()
    own = boto3.Session()
    own.events.register(
        "before-call.sagemaker", lambda model, **_: calls.update([model.name])
    )
    session = Session(boto_session=own)
    bucket = session.default_bucket()
    boston.upload(boto3.client("s3"), bucket)
    image = image_uris.retrieve("xgboost", "us-east-1", version="3.2-0")
    trainer = ModelTrainer(
        training_image=image,
        sagemaker_session=session,
        compute=Compute(instance_type="ml.m5.large", instance_count=1),
        hyperparameters={
            "objective": "reg:squarederror", "num_round": 10, "eta": 0.3,
        },
        output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/out"),
    )
    inputs = [
        InputData(
            channel_name=part,
            data_source=f"s3://{bucket}/boston/{part}",
            content_type="text/csv",
        )
        for part in ("train", "validation")
    ]
    ranges = {
        "eta": ContinuousParameter(0.05, 0.5, scaling_type="Logarithmic"),
        "max_depth": IntegerParameter(2, 8),
        "subsample": CategoricalParameter([0.8, 1]),
    }

    def tuner(**changes):
        return HyperparameterTuner(
            trainer, "validation:rmse", ranges, objective_type="Minimize",
            max_jobs=4, max_parallel_jobs=2, **changes,
        )

    first = tuner()
    first.tune(inputs)
    assert calls["DescribeHyperParameterTuningJob"] >= 2, calls
    best = first.best_training_job()
    table = first.analytics().dataframe()
    assert len(table) == 4
    assert list(table.TrainingJobStatus.unique()) == ["Completed"]
    row = table.loc[table.FinalObjectiveValue.idxmin()]
    assert row.TrainingJobName == best
    assert set(first.analytics().tuning_ranges) == set(ranges)

    job = TrainingJob.get(best)
    assert job.tuning_job_arn.endswith(
        first.latest_tuning_job.hyper_parameter_tuning_job_name
    )
    model = Model.create(
        model_name=boston.name("tuned"),
        primary_container=ContainerDefinition(
            image=image, model_data_url=job.model_artifacts.s3_model_artifacts
        ),
        execution_role_arn=job.role_arn,
    )
    model.delete()

    # A fresh session attaches to it.
    name = first.latest_tuning_job.hyper_parameter_tuning_job_name
    again = HyperParameterTuningJob.get(name)
    assert again.best_training_job.training_job_name == best
    listed = list(again.get_all_training_jobs(sort_by="FinalObjectiveMetricValue"))
    assert [one.training_job_name for one in listed][0] == best
    other = HyperparameterTuningJobAnalytics(name, sagemaker_session=session)
    assert len(other.dataframe()) == 4

    # And a second search starts from the first.
    second = tuner(
        base_tuning_job_name="warm",
        warm_start_config=HyperParameterTuningJobWarmStartConfig(
            parent_hyper_parameter_tuning_jobs=[
                ParentHyperParameterTuningJob(hyper_parameter_tuning_job_name=name)
            ],
            warm_start_type=WarmStartTypes.IDENTICAL_DATA_AND_ALGORITHM.value,
        ),
    )
    second.tune(inputs)
    done = second.latest_tuning_job
    values = [
        one.final_hyper_parameter_tuning_job_objective_metric.value
        for one in (done.best_training_job, again.best_training_job)
    ]
    overall = done.overall_best_training_job
    found = overall.final_hyper_parameter_tuning_job_objective_metric.value
    assert found == min(values), (found, values)
    print("TUNED", name)
"""


def test_the_sdks_tuner_with_its_defaults(stand_in):
    done = stand_in.run(sys.executable, "-c", textwrap.dedent(SDK))
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^TUNED \S+$", done.stdout, re.MULTILINE)
