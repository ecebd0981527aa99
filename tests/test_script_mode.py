"""Scripts of the user's own in training jobs, as the SageMaker SDK sends them."""

import io
import json
import sys
import sysconfig
import tarfile
import textwrap

import boston
import pytest
from script_jobs import paths_of_this_machine

TRAIN = """
    import argparse, json, os, sys
    import sklearn
    parser = argparse.ArgumentParser()
    parser.add_argument("--alpha", type=float)
    parser.add_argument("--name")
    arguments = parser.parse_args()
    told = {
        "arguments": vars(arguments),
        "file": __file__,
        "python": sys.executable,
        "prefix": sys.prefix,
        "library": os.path.dirname(sklearn.__file__),
        "train": open(os.environ["SM_CHANNEL_TRAIN"] + "/rows.csv").read(),
        "mine": os.environ["MINE"],
    }
    print("told:", json.dumps(told))
    with open(os.path.join(os.environ["SM_MODEL_DIR"], "model.txt"), "w") as file:
        file.write("a model")
"""

TUNED = """
    import argparse, os
    parser = argparse.ArgumentParser()
    parser.add_argument("--alpha", type=float)
    parser.add_argument("--depth", type=int)
    parser.add_argument("--kind")
    arguments = parser.parse_args()
    assert arguments.kind == "a b", arguments
    with open(os.path.join(os.environ["SM_MODEL_DIR"], "model.txt"), "w") as file:
        file.write(str(arguments.alpha))
    print(f"loss={(arguments.alpha - 0.3) ** 2 + arguments.depth};")
"""

# Both at once, so that the SDK is imported once.
PROGRAM = """
    import json, pathlib, sys, tempfile
    from sagemaker.core import image_uris
    from sagemaker.core.helper.session_helper import Session
    from sagemaker.core.parameter import ContinuousParameter, IntegerParameter
    from sagemaker.core.training.configs import Compute, InputData, SourceCode
    from sagemaker.train import ModelTrainer
    from sagemaker.train.tuner import HyperparameterTuner

    session = Session()
    scripts = json.load(sys.stdin)

    def trainer(folder, name, version, **more):
        source = pathlib.Path(folder, name)
        source.mkdir()
        (source / "train.py").write_text(scripts[name])
        return ModelTrainer(
            training_image=image_uris.retrieve("sklearn", "us-east-1", version),
            sagemaker_session=session,
            source_code=SourceCode(source_dir=str(source), entry_script="train.py"),
            compute=Compute(instance_type="ml.m5.large", instance_count=1),
            **more,
        )

    with tempfile.TemporaryDirectory() as folder:
        trained = trainer(
            folder,
            "train",
            "1.4-2",
            hyperparameters={"alpha": 0.5, "name": "foo bar"},
            environment={"MINE": "/opt/ml/model"},
        )
        data = pathlib.Path(folder, "data")
        data.mkdir()
        (data / "rows.csv").write_text("1,2")
        channel = InputData(channel_name="train", data_source=str(data))
        trained.train(input_data_config=[channel], wait=False)
        tuner = HyperparameterTuner(
            trainer(folder, "tuned", "1.2-1", hyperparameters={"kind": "a b"}),
            "loss",
            {"alpha": ContinuousParameter(0.1, 1), "depth": IntegerParameter(1, 4)},
            metric_definitions=[{"Name": "loss", "Regex": "loss=(.*?);"}],
            objective_type="Minimize",
            max_jobs=3,
            max_parallel_jobs=3,
            random_seed=7,
        )
        tuner.tune(inputs=[], wait=False)
    job, tuning_job = trained._latest_training_job, tuner.latest_tuning_job
    job.wait()
    tuning_job.wait()
    name = tuning_job.hyper_parameter_tuning_job_name
    print("jobs:", json.dumps({"train": job.training_job_name, "tuned": name}))
"""


@pytest.fixture(scope="module")
def ran(stand_in):
    """Have the SDK run both scripts; the names of the jobs."""
    scripts = {"train": textwrap.dedent(TRAIN), "tuned": textwrap.dedent(TUNED)}
    done = stand_in.run(
        sys.executable, "-c", textwrap.dedent(PROGRAM), input=json.dumps(scripts)
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.rpartition("jobs: ")[2])


def log_of(stand_in, job):
    """The lines that a job has printed."""
    logs = stand_in.client("logs")
    return boston.log_lines(logs, "/aws/sagemaker/TrainingJobs", f"{job}/")


def files_of(stand_in, described):
    """The names in a job's artifact."""
    uri = described["ModelArtifacts"]["S3ModelArtifacts"]
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    body = stand_in.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        return sorted(archive.getnames())


def test_the_sdk_runs_a_script_and_no_path_of_this_machine_is_seen(stand_in, ran):
    job = ran["train"]
    described = stand_in.client("sagemaker").describe_training_job(TrainingJobName=job)
    assert described["TrainingJobStatus"] == "Completed", described
    lines = log_of(stand_in, job)
    (told,) = [line for line in lines if line.startswith("told: ")]
    library = f"/usr/local/lib/python{sysconfig.get_python_version()}/site-packages"
    assert json.loads(told.removeprefix("told: ")) == {
        "arguments": {"alpha": 0.5, "name": "foo bar"},
        "file": "/opt/ml/input/data/code/train.py",
        "python": "/usr/local/bin/python3",
        "prefix": "/usr/local",
        "library": f"{library}/sklearn",
        "train": "1,2",
        "mine": "/opt/ml/model",
    }
    seen = "\n".join(lines)
    assert "SM_MODEL_DIR=/opt/ml/model" in seen
    for path in (*paths_of_this_machine(stand_in.home), "/tmp"):
        assert path not in seen
    assert files_of(stand_in, described) == ["model.txt"]


def test_the_sdk_tunes_a_script_by_a_metric_of_its_own(stand_in, ran):
    name = {"HyperParameterTuningJobName": ran["tuned"]}
    sagemaker = stand_in.client("sagemaker")
    described = sagemaker.describe_hyper_parameter_tuning_job(**name)
    assert described["HyperParameterTuningJobStatus"] == "Completed", described
    listed = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(**name)
    losses = {}
    for one in listed["TrainingJobSummaries"]:
        values = one["TunedHyperParameters"]
        expected = (float(values["alpha"]) - 0.3) ** 2 + int(values["depth"])
        found = one["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
        assert found == pytest.approx(expected)
        losses[one["TrainingJobName"]] = found
    assert len(losses) == 3
    best = described["BestTrainingJob"]["TrainingJobName"]
    assert losses[best] == min(losses.values())
    trained = sagemaker.describe_training_job(TrainingJobName=best)
    assert files_of(stand_in, trained) == ["model.txt"]
