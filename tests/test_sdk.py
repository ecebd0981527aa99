"""The SageMaker Python SDK v3 against the stand-in: train, model, batch transform."""

import re
import subprocess
import sys
import textwrap

from local_aws.sagemaker.waiting import POLLER_S

PROGRAM = """
    import collections, io, sys, time
    import boto3
    import pandas as pd
    sys.path.insert(0, "tests")
    import boston
    from sagemaker.core import image_uris
    from sagemaker.core.helper.session_helper import Session
    from sagemaker.core.resources import Model, TrainingJob, TransformJob
    from sagemaker.core.shapes import ContainerDefinition
    from sagemaker.core.training.configs import (
        Compute, InputData, OutputDataConfig, StoppingCondition,
    )
    from sagemaker.core.transformer import Transformer
    from sagemaker.train import ModelTrainer

    def held_in_vain(began):
        # So often a wait may ask once more: nobody is held for longer.
        return (time.monotonic() - began) // POLLER_S

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
        base_job_name=boston.name("sdk"),
        compute=Compute(instance_type="ml.m5.large", instance_count=1),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=600),
        hyperparameters={
            "objective": "reg:squarederror", "num_round": 30, "eval_metric": "rmse",
            "early_stopping_rounds": 5,
        },
        output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/out"),
    )
    channels = [
        InputData(
            channel_name=part,
            data_source=f"s3://{bucket}/boston/{part}",
            content_type="text/csv",
        )
        for part in ("train", "validation")
    ]
    trainer.train(input_data_config=channels, wait=False)
    job = trainer._latest_training_job
    began = time.monotonic()
    job.wait(logs=True)
    # One to see what was made, one that is held: no pause of 5 seconds between any two.
    assert 2 <= calls["DescribeTrainingJob"] <= 2 + held_in_vain(began), calls
    job.refresh()
    assert job.training_job_status == "Completed", job.failure_reason
    metrics = {m.metric_name: m.value for m in job.final_metric_data_list}
    assert 0 < metrics["validation:rmse"] < 9, metrics
    assert TrainingJob.get(job.training_job_name).billable_time_in_seconds >= 1

    model = Model.create(
        model_name=job.training_job_name,
        primary_container=ContainerDefinition(
            image=image, model_data_url=job.model_artifacts.s3_model_artifacts
        ),
        execution_role_arn=job.role_arn,
    )
    transformer = Transformer(
        model_name=model.model_name, instance_count=1, instance_type="ml.m5.large",
        strategy="MultiRecord", assemble_with="Line", accept="text/csv",
        output_path=f"s3://{bucket}/batch", sagemaker_session=session,
        base_transform_job_name=boston.name("sdk"),
    )
    transformer.transform(
        f"s3://{bucket}/boston/test/test.csv", content_type="text/csv",
        split_type="Line", wait=False,
    )
    began = time.monotonic()
    transformer.latest_transform_job.wait(logs=True)
    assert 1 <= calls["DescribeTransformJob"] <= 1 + held_in_vain(began), calls
    text = session.read_s3_file(bucket, "batch/test.csv.out")
    print("rows", len(pd.read_csv(io.StringIO(text), header=None)))
    model.delete()
"""


SOURCE_CODE = """
    import pathlib, sys, tempfile
    import boto3
    sys.path.insert(0, "tests")
    import boston
    from botocore.exceptions import ClientError
    from sagemaker.core.helper.session_helper import Session
    from sagemaker.core.training.configs import InputData, OutputDataConfig, SourceCode
    from sagemaker.train import ModelTrainer

    session = Session()
    bucket = session.default_bucket()
    boston.upload(boto3.client("s3"), bucket)
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "train.py").write_text("print('hello')")
        trainer = ModelTrainer(
            training_image=boston.IMAGE,
            sagemaker_session=session,
            source_code=SourceCode(source_dir=folder, entry_script="train.py"),
            output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/out"),
        )
        channel = InputData(
            channel_name="train", data_source=f"s3://{bucket}/boston/train"
        )
        try:
            trainer.train(input_data_config=[channel], wait=False)
        except ClientError as error:
            print("refused:", error.response["Error"]["Message"])
"""


def run(program, stand_in):
    result = subprocess.run(
        [sys.executable, "-W", "error::SyntaxWarning", "-c", textwrap.dedent(program)],
        env=stand_in.environment,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


def test_train_and_batch_transform(stand_in):
    program = PROGRAM.replace("POLLER_S", str(POLLER_S))
    assert "rows 106" in run(program, stand_in)


def test_source_code_is_refused_as_what_it_is(stand_in):
    (said,) = re.findall("refused: (.*)", run(SOURCE_CODE, stand_in))
    assert said.startswith("SourceCode(...) (a training script of your own, ")
    assert "command" not in said
    assert "Container" not in said
