"""What is there at the moment when a job's record says that it has ended.

The engine runs in the test's process, over the stand-in's S3, logs and metrics, so that
a test can look at that very moment, and stop a job between two steps.
"""

import io
import re
import resource
import sys
import tarfile
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import boston
import pytest
import xgboost as xgb

from local_aws.access.policy_evaluation import Policy
from local_aws.access.roles import Role
from local_aws.clients import Clients
from local_aws.containers.images import find_image
from local_aws.errors import INTERNAL_ERROR
from local_aws.installation import CHECKOUT, ROLE_ARN
from local_aws.jobs import training
from local_aws.jobs.engine import JobEngine
from local_aws.jobs.kinds import KINDS
from local_aws.jobs.transform_objects import NO_PROCESSING
from local_aws.persistence.resources import Resources

TRAINING, TRANSFORM = KINDS["training-job"], KINDS["transform-job"]
REGION = "us-east-1"
GROUPS = {
    TRAINING.name: "/aws/sagemaker/TrainingJobs",
    TRANSFORM.name: "/aws/sagemaker/TransformJobs",
}

KEEP_MODEL = {"save_model_on_termination": "true"}
ROWS = boston.csv(boston.frame().drop(columns="MEDV"))
ENDLESS = {"num_round": "1000000", "max_depth": "2", **KEEP_MODEL}


@pytest.fixture
def bucket(stand_in):
    s3 = stand_in.client("s3")
    name = boston.name("sagemaker-ends")
    s3.create_bucket(Bucket=name)
    boston.upload(s3, name)
    return name


@pytest.fixture
def resources(tmp_path):
    opened = Resources(tmp_path / "sagemaker.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def engine(stand_in, resources, tmp_path):
    everything = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    role = Role({}, [Policy("s3", {"Statement": everything})])
    clients = Clients(stand_in.installation, stand_in.endpoint, lambda arn: role)
    running = JobEngine(resources, clients, tmp_path / "jobs é ☁")
    yield running
    running.close()


class Observed:
    """What could be read when the record of a job first said that it has ended."""

    def __init__(self, stand_in, resources, kind=TRAINING):
        self.record = None
        self._kind = kind.name
        self._logs, self._s3 = stand_in.client("logs"), stand_in.client("s3")
        self._cloudwatch = stand_in.client("cloudwatch")
        self._resources = resources
        resources.on_change(self._look)

    def _look(self, region, kind, name):
        record = self._resources.get(region, kind, name)
        ended = record[KINDS[kind].status] in boston.TERMINAL
        if kind == self._kind and ended and self.record is None:
            self.lines = log_lines(self._logs, kind, name)
            self.values = self._datapoints(name)
            self.objects = self._objects(record, name)
            self.record = record

    def _datapoints(self, name):
        found = self._cloudwatch.get_metric_statistics(
            Namespace=GROUPS[TRAINING.name],
            MetricName="train:rmse",
            Dimensions=[{"Name": "TrainingJobName", "Value": name}],
            StartTime=datetime.now(UTC) - timedelta(hours=1),
            EndTime=datetime.now(UTC) + timedelta(hours=1),
            Period=3600,
            Statistics=["SampleCount"],
        )
        return sum(point["SampleCount"] for point in found["Datapoints"])

    def _objects(self, record, name):
        output = record.get("OutputDataConfig") or record["TransformOutput"]
        bucket = re.match("s3://([^/]+)/", output["S3OutputPath"])[1]
        found = self._s3.list_objects_v2(Bucket=bucket, Prefix=f"output/{name}/")
        return {
            entry["Key"].removeprefix(f"output/{name}/"): self._s3.get_object(
                Bucket=bucket, Key=entry["Key"]
            )["Body"].read()
            for entry in found.get("Contents", [])
        }

    def wait(self):
        deadline = time.monotonic() + 180
        while self.record is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return self.record


def log_lines(logs, kind, name):
    try:
        return boston.log_lines(logs, GROUPS[kind], name + "/")
    except logs.exceptions.ResourceNotFoundException:
        return []


def start_training(engine, resources, bucket, hyperparameters, **changes):
    name = boston.name()
    request = boston.training_request(bucket, name, hyperparameters, **changes)
    record = {
        **training.new_record(request),
        "TrainingJobArn": f"arn:aws:sagemaker:::{name}",
    }
    TRAINING.create(record)
    resources.create(REGION, TRAINING.name, name, record)
    engine.start(TRAINING.name, REGION, name)
    return name


def model_in(archive):
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        content = tar.extractfile("xgboost-model").read()
    return xgb.Booster(model_file=bytearray(content))


def stop(engine, resources, name):
    resources.update(REGION, TRAINING.name, name, TRAINING.request_stop)
    engine.stop(TRAINING.name, REGION, name)


def test_a_training_job_that_is_completed(stand_in, engine, resources, bucket):
    observed = Observed(stand_in, resources)
    start_training(engine, resources, bucket, {})
    record = observed.wait()
    assert record["TrainingJobStatus"] == "Completed", record.get("FailureReason")
    assert observed.lines[-1].startswith("[19]")
    assert observed.values == 20
    assert {m["MetricName"] for m in record["FinalMetricDataList"]} >= {"train:rmse"}
    archive = observed.objects["output/model.tar.gz"]
    assert model_in(archive).num_boosted_rounds() == 20


def test_a_training_job_that_is_failed(stand_in, engine, resources, bucket):
    observed = Observed(stand_in, resources)
    start_training(engine, resources, bucket, {"num_round": "none"})
    record = observed.wait()
    assert record["TrainingJobStatus"] == "Failed"
    assert any("num_round" in line for line in observed.lines)


@pytest.mark.parametrize(
    ("body", "hyperparameters"),
    [(b"no,numbers\n", {}), (b"1,2\n1\n", {}), (b"", {"max_depth": "deep"})],
)
def test_a_failure_shows_the_paths_in_the_container(
    stand_in, engine, resources, bucket, tmp_path, body, hyperparameters
):
    stand_in.client("s3").put_object(
        Bucket=bucket, Key="boston/train/train.csv", Body=body
    )
    observed = Observed(stand_in, resources)
    start_training(engine, resources, bucket, hyperparameters)
    record = observed.wait()
    assert record["TrainingJobStatus"] == "Failed"
    for text in (record["FailureReason"], *observed.lines):
        assert tmp_path.name not in text
        assert str(CHECKOUT) not in text
        assert sys.prefix not in text


def test_a_training_job_that_is_stopped(stand_in, engine, resources, bucket):
    observed = Observed(stand_in, resources)
    name = start_training(engine, resources, bucket, ENDLESS)
    logs = stand_in.client("logs")

    def rounds(**_):
        lines = log_lines(logs, TRAINING.name, name)
        return {"begun": any("train-rmse" in line for line in lines)}

    boston.wait(rounds, "begun", (True,))
    stop(engine, resources, name)
    record = observed.wait()
    assert record["TrainingJobStatus"] == "Stopped"
    printed = [line for line in observed.lines if "train-rmse" in line]
    assert observed.values == len(printed)
    last = {m["MetricName"]: m["Value"] for m in record["FinalMetricDataList"]}
    assert f"train-rmse:{last['train:rmse']:.5f}" in printed[-1]
    model = model_in(observed.objects["output/model.tar.gz"])
    assert model.num_boosted_rounds() >= len(printed) - 1


def test_a_stop_just_after_the_container_has_ended_keeps_the_model(
    stand_in, engine, resources, bucket, monkeypatch
):
    observed = Observed(stand_in, resources)
    update = resources.update

    def update_after_a_stop(region, kind, name, change):
        status = resources.get(region, kind, name)["SecondaryStatus"]
        if status == "Training":
            monkeypatch.setattr(resources, "update", update)
            stop(engine, resources, name)
        return update(region, kind, name, change)

    monkeypatch.setattr(resources, "update", update_after_a_stop)
    start_training(engine, resources, bucket, {})
    record = observed.wait()
    assert record["TrainingJobStatus"] == "Stopped"
    archive = observed.objects["output/model.tar.gz"]
    assert model_in(archive).num_boosted_rounds() == 20


STUBBORN = """
import signal, time

def main(arguments):
    signal.signal(signal.SIGTERM, lambda *_: print("not yet", flush=True))
    print("begun", flush=True)
    while True:
        time.sleep(0.1)
"""


def test_a_container_that_does_not_stop_holds_up_no_end_of_the_stand_in(
    stand_in, engine, resources, bucket, tmp_path, monkeypatch
):
    (tmp_path / "stubborn").mkdir()
    (tmp_path / "stubborn/__main__.py").write_text(STUBBORN)
    monkeypatch.syspath_prepend(tmp_path)
    image = replace(find_image(boston.IMAGE), module="stubborn")
    monkeypatch.setattr(training, "find_image", lambda uri: image)
    name = start_training(engine, resources, bucket, {})

    def printed(text):
        lines = log_lines(stand_in.client("logs"), TRAINING.name, name)
        return {"printed": text in lines}

    boston.wait(lambda: printed("begun"), "printed", (True,))
    stop(engine, resources, name)
    boston.wait(lambda: printed("not yet"), "printed", (True,))
    monkeypatch.setattr("local_aws.jobs.engine.CLOSE_SECONDS", 60)
    before = time.monotonic()
    engine.close()
    assert time.monotonic() - before < 60
    record = resources.get(REGION, TRAINING.name, name)
    assert (record["TrainingJobStatus"], record["FailureReason"]) == (
        "Failed",
        INTERNAL_ERROR,
    )


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """A model.tar.gz as a training job writes it."""
    folder = tmp_path_factory.mktemp("model")
    data = boston.frame()
    matrix = xgb.DMatrix(data.drop(columns="MEDV").to_numpy(), data["MEDV"])
    xgb.train({"max_depth": 2}, matrix, 5).save_model(folder / "model.ubj")
    with tarfile.open(folder / "model.tar.gz", "w:gz") as tar:
        tar.add(folder / "model.ubj", "xgboost-model")
    return (folder / "model.tar.gz").read_bytes()


@pytest.fixture
def start_transform(stand_in, engine, resources, bucket, archive):
    """Start a job over objects with these contents, with a model that is there."""
    s3 = stand_in.client("s3")
    s3.put_object(Bucket=bucket, Key="model.tar.gz", Body=archive)

    def start(*contents, archive="model.tar.gz", **changes):
        name = boston.name()
        for number, content in enumerate(contents):
            s3.put_object(Bucket=bucket, Key=f"{name}/{number}.csv", Body=content)
        request = boston.transform_request(bucket, name, "a-model", **changes)
        source = request["TransformInput"]
        source["DataSource"]["S3DataSource"]["S3Uri"] = f"s3://{bucket}/{name}/"
        record = {
            **request,
            "TransformInput": {"CompressionType": "None", **source},
            "TransformOutput": {
                "S3OutputPath": f"s3://{bucket}/output/{name}/",
                "AssembleWith": "None",
            },
            "DataProcessing": NO_PROCESSING,
            "_model": {
                "role": ROLE_ARN,
                "image": boston.IMAGE,
                "uri": f"s3://{bucket}/{archive}",
                "environment": {},
            },
        }
        TRANSFORM.create(record)
        resources.create(REGION, TRANSFORM.name, name, record)
        engine.start(TRANSFORM.name, REGION, name)
        return name

    return start


def test_a_transform_job_that_is_completed(stand_in, resources, start_transform):
    observed = Observed(stand_in, resources, TRANSFORM)
    start_transform(ROWS, 2 * ROWS)
    record = observed.wait()
    assert record["TransformJobStatus"] == "Completed", record.get("FailureReason")
    assert len(observed.objects["0.csv.out"].split()) == 506
    assert observed.objects["1.csv.out"] == 2 * observed.objects["0.csv.out"]
    assert any("MaxPayloadInMB=6" in line for line in observed.lines)


def test_a_transform_job_that_is_failed(stand_in, resources, start_transform):
    observed = Observed(stand_in, resources, TRANSFORM)
    start_transform(ROWS, b"no,numbers,here\n")
    assert observed.wait()["TransformJobStatus"] == "Failed"
    assert list(observed.objects) == ["0.csv.out"]
    text = "\n".join(observed.lines)
    assert "1.csv: ClientError: 415" in text
    assert "Loading the model from /opt/ml/model" in text
    assert str(CHECKOUT) not in text


@pytest.mark.parametrize("instances", [1, 2])
def test_a_transform_job_that_is_stopped(
    stand_in, engine, resources, start_transform, bucket, instances
):
    observed = Observed(stand_in, resources, TRANSFORM)
    name = start_transform(
        ROWS,
        500 * ROWS,
        500 * ROWS,
        BatchStrategy="SingleRecord",
        MaxConcurrentTransforms=2,
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": instances},
    )
    s3 = stand_in.client("s3")
    boston.wait(
        lambda **_: s3.list_objects_v2(Bucket=bucket, Prefix=f"output/{name}/"),
        "KeyCount",
        (1,),
    )
    resources.update(REGION, TRANSFORM.name, name, TRANSFORM.request_stop)
    engine.stop(TRANSFORM.name, REGION, name)
    assert observed.wait()["TransformJobStatus"] == "Stopped"
    assert observed.objects == {}


@contextmanager
def full_disk():
    """No file may grow beyond a megabyte: writing more fails as without room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_no_room_for_a_channel(stand_in, engine, resources, bucket, tmp_path):
    large = b"1,2\n" * 2**20
    stand_in.client("s3").put_object(
        Bucket=bucket, Key="boston/train/large.csv", Body=large
    )
    observed = Observed(stand_in, resources)
    with full_disk():
        start_training(engine, resources, bucket, {})
        record = observed.wait()
    assert record["FailureReason"].startswith("ClientError: The disk is full")
    assert str(tmp_path) not in record["FailureReason"]


def test_no_room_for_a_model(stand_in, resources, start_transform, bucket, tmp_path):
    (tmp_path / "xgboost-model").write_bytes(bytes(2**23))
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "xgboost-model", "xgboost-model")
    stand_in.client("s3").upload_file(
        str(tmp_path / "model.tar.gz"), bucket, "large.tar.gz"
    )
    observed = Observed(stand_in, resources, TRANSFORM)
    with full_disk():
        start_transform(ROWS, archive="large.tar.gz")
        record = observed.wait()
    assert record["FailureReason"].startswith("ClientError: The disk is full")
    assert str(tmp_path) not in record["FailureReason"]
