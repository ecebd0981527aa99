"""Managed spot training and checkpoints: billed, copied, interrupted, resumed."""

import io
import json
import os
import tarfile
from types import SimpleNamespace

import boston
import pytest
import tuning_requests
import xgboost as xgb
import xgboost_jobs
from conftest import start_stand_in, stop_stand_in

from local_aws.containers import contract
from local_aws.containers.xgboost import training
from local_aws.jobs.checkpoints import Checkpoints
from local_aws.jobs.job import AccessDenied, JobFailed

SPOT = {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 1200},
}
GROUP = "/aws/sagemaker/TrainingJobs"
SWITCH = "LOCAL_AWS_SPOT_INTERRUPTION"
# Nearly always enough for an interruption to come in between; and if not.
ROUNDS, MORE_ROUNDS = 150, 5000
ENDLESS = {"num_round": "1000000", "max_depth": "2"}


@pytest.fixture(scope="module")
def sagemaker(stand_in):
    return stand_in.client("sagemaker")


@pytest.fixture(scope="module")
def s3(stand_in):
    return stand_in.client("s3")


@pytest.fixture(scope="module")
def data(s3):
    bucket = boston.name("sagemaker-spot")
    s3.create_bucket(Bucket=bucket)
    boston.upload(s3, bucket)
    return bucket


def start(sagemaker, bucket, hyperparameters, **changes):
    name = boston.name()
    sagemaker.create_training_job(
        **boston.training_request(bucket, name, hyperparameters, **changes)
    )
    return name


def train(sagemaker, bucket, hyperparameters, **changes):
    name = start(sagemaker, bucket, hyperparameters, **changes)
    job = boston.wait_for_training(sagemaker, name)
    assert job["TrainingJobStatus"] == "Completed", job
    return job


def checkpoints_in(bucket, name):
    return {"CheckpointConfig": {"S3Uri": f"s3://{bucket}/checkpoints/{name}"}}


def names_under(s3, bucket, prefix):
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return {entry["Key"].removeprefix(prefix) for entry in listed}


def model_of(s3, job):
    bucket, _, key = (
        job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").partition("/")
    )
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as archive:
        return archive.extractfile("xgboost-model").read()


def statuses(job):
    return [entry["Status"] for entry in job["SecondaryStatusTransitions"]]


def test_spot_without_an_interruption_is_billed_in_full(sagemaker, s3, data):
    given = checkpoints_in(data, "quiet")
    job = train(sagemaker, data, {"num_round": "20"}, **SPOT, **given)
    assert job["EnableManagedSpotTraining"] is True
    assert job["CheckpointConfig"] == given["CheckpointConfig"]
    assert job["BillableTimeInSeconds"] == job["TrainingTimeInSeconds"] >= 1
    assert "Interrupted" not in statuses(job)
    last_five = {f"xgboost-checkpoint.{number}" for number in range(15, 20)}
    assert names_under(s3, data, "checkpoints/quiet/") == last_five
    plain = train(sagemaker, data, {"num_round": "20"})
    assert model_of(s3, job) == model_of(s3, plain)


def log_lines(stand_in, job):
    logs = stand_in.client("logs")
    return boston.log_lines(logs, GROUP, job["TrainingJobName"] + "/")


def started(sagemaker, bucket, share, rounds):
    """A pair of jobs: one that is interrupted, and the same without."""
    given = checkpoints_in(bucket, boston.name()) | SPOT
    given["Environment"] = {SWITCH: "2"}
    hyperparameters = {"num_round": str(rounds), "max_depth": "6", "subsample": share}
    return [
        start(sagemaker, bucket, hyperparameters, **settings)
        for settings in (given, {})
    ]


def ended(sagemaker, names):
    return [boston.wait_for_training(sagemaker, name) for name in names]


def test_an_interrupted_job_resumes_from_its_checkpoint(stand_in, sagemaker, s3, data):
    pairs = {share: started(sagemaker, data, share, ROUNDS) for share in ("1", "0.5")}
    for share, names in pairs.items():
        rounds = ROUNDS
        job, plain = ended(sagemaker, names)
        if "Interrupted" not in statuses(job):  # it was over before anybody looked
            rounds = MORE_ROUNDS
            names = started(sagemaker, data, share, rounds)
            job, plain = ended(sagemaker, names)
        attempt = ["Starting", "Downloading", "Training"]
        end = ["Uploading", "Completed"]
        assert statuses(plain) == [*attempt, *end]
        assert statuses(job) == [*attempt, "Interrupted", *attempt, *end]
        gap = job["SecondaryStatusTransitions"][3]
        assert (gap["EndTime"] - gap["StartTime"]).total_seconds() >= 1
        assert job["BillableTimeInSeconds"] < job["TrainingTimeInSeconds"]
        lines = log_lines(stand_in, job)
        (resumed,) = (line for line in lines if "Resuming from iteration" in line)
        first = int(resumed.rpartition(" ")[2])
        assert 2 <= first < rounds
        assert sum(line.startswith("[0]#011") for line in lines) == 1
        resumed, whole = (bytearray(model_of(s3, one)) for one in (job, plain))
        assert xgb.Booster(model_file=resumed).num_boosted_rounds() == rounds
        # A sample is drawn by random numbers that have begun anew.
        assert (resumed == whole) == (share == "1")


def test_without_checkpoints_an_interrupted_job_starts_over(stand_in, sagemaker, data):
    job = start(sagemaker, data, ENDLESS, **SPOT, Environment={SWITCH: "2"})
    logs = stand_in.client("logs")
    place = {"logGroupName": GROUP, "logStreamNamePrefix": f"{job}/"}

    def first_round(**_):
        """Of the second attempt; the first may have been too short for one."""
        second = logs.describe_log_streams(**place)["logStreams"][1:]
        lines = second and boston.log_lines(logs, GROUP, second[0]["logStreamName"])
        return {"it": next((line[:7] for line in lines if "#011" in line), None)}

    def is_interrupted(**_):
        described = sagemaker.describe_training_job(TrainingJobName=job)
        return {"so": "Interrupted" in statuses(described)}

    boston.wait(is_interrupted, "so", (True,))
    boston.wait(first_round, "it", ("[0]#011",))
    sagemaker.stop_training_job(TrainingJobName=job)
    ended = boston.wait_for_training(sagemaker, job)
    assert statuses(ended)[-2:] == ["Stopping", "Stopped"]


def test_each_training_of_a_tuning_job_has_checkpoints_of_its_own(sagemaker, s3, data):
    request = tuning_requests.request(data, tuning_requests.name(), 2, 2)
    definition = request["TrainingJobDefinition"]
    definition.update(**SPOT, **checkpoints_in(data, "tuned"))
    sagemaker.create_hyper_parameter_tuning_job(**request)
    job = tuning_requests.wait(sagemaker, request["HyperParameterTuningJobName"])
    assert job["TrainingJobStatusCounters"]["Completed"] == 2
    saved = names_under(s3, data, "checkpoints/tuned/")
    for one in tuning_requests.children(sagemaker, job["HyperParameterTuningJobName"]):
        name = one["TrainingJobName"]
        trained = sagemaker.describe_training_job(TrainingJobName=name)
        assert trained["EnableManagedSpotTraining"] is True
        folder = f"s3://{data}/checkpoints/tuned/{name}"
        assert trained["CheckpointConfig"]["S3Uri"] == folder
        assert {f"{name}/xgboost-checkpoint.{n}" for n in range(5, 10)} <= saved
    assert len(saved) == 10


def test_on_demand_instances_are_not_interrupted(sagemaker, data):
    given = checkpoints_in(data, "on-demand")
    rounds = {"num_round": str(ROUNDS)}
    job = train(sagemaker, data, rounds, **given, Environment={SWITCH: "2"})
    assert "Interrupted" not in statuses(job)


def test_a_job_that_waits_too_long_is_stopped(sagemaker, data):
    changes = {
        **SPOT,
        "StoppingCondition": {"MaxRuntimeInSeconds": 1, "MaxWaitTimeInSeconds": 1},
        "Environment": {SWITCH: "1"},
    }
    job = boston.wait_for_training(
        sagemaker, start(sagemaker, data, ENDLESS, **changes)
    )
    assert job["TrainingJobStatus"] == "Stopped"
    assert job["SecondaryStatus"] == "MaxWaitTimeExceeded"
    assert statuses(job)[-2:] == ["Stopping", "MaxWaitTimeExceeded"]


@pytest.mark.parametrize("end", ["terminate", "kill"])
def test_a_job_resumes_when_the_stand_in_comes_back(home, end):
    first = start_stand_in(home)
    s3 = first.client("s3")
    bucket = boston.name("sagemaker-spot")
    s3.create_bucket(Bucket=bucket)
    boston.upload(s3, bucket)
    given = checkpoints_in(bucket, "c")
    name = start(first.client("sagemaker"), bucket, ENDLESS, **SPOT, **given)
    boston.wait(
        lambda **_: {"saved": bool(names_under(s3, bucket, "checkpoints/c/"))},
        "saved",
        (True,),
    )
    getattr(first.process, end)()
    first.process.wait(timeout=30)
    second = start_stand_in(home)
    try:
        sagemaker = second.client("sagemaker")
        job = {"TrainingJobName": name}
        boston.wait(
            lambda **_: {
                "resumes": any("Resuming from" in x for x in log_lines(second, job))
            },
            "resumes",
            (True,),
        )
        sagemaker.stop_training_job(TrainingJobName=name)
        ended = boston.wait_for_training(sagemaker, name)
    finally:
        stop_stand_in(second)
    attempt = ["Starting", "Downloading", "Training"]
    assert statuses(ended) == [*attempt, "Interrupted", *attempt, "Stopping", "Stopped"]
    assert ended["BillableTimeInSeconds"] <= ended["TrainingTimeInSeconds"]


def test_which_checkpoints_are_kept_and_resumed_from(tmp_path, monkeypatch, capsys):
    def train_again(rounds, name):
        given = {"objective": "reg:squarederror", "num_round": rounds}
        data = {"train/train.csv": xgboost_jobs.csv_text(xgboost_jobs.table())}
        root = xgboost_jobs.write_job(tmp_path / name, given, data)
        settings = json.dumps({"LocalPath": "/opt/ml/saved", "S3Uri": "s3://b/c"})
        (root / "input/config/checkpointconfig.json").write_text(settings)
        if name == "resumed":
            (tmp_path / "first/saved").rename(root / "saved")
        monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(root))
        assert training.main() == 0
        return (root / "model/xgboost-model").read_bytes()

    def numbers(job):
        names = os.listdir(tmp_path / job / "saved")
        return sorted(int(name.removeprefix("xgboost-checkpoint.")) for name in names)

    train_again("8", "first")
    assert numbers("first") == [3, 4, 5, 6, 7]
    (tmp_path / "first/saved/xgboost-checkpoint.7").write_bytes(b"half")
    resumed = train_again("12", "resumed")
    assert "Resuming from iteration 7\n" in capsys.readouterr().out
    # Those that were found stay where they are.
    assert numbers("resumed") == list(range(3, 12))
    assert resumed == train_again("12", "whole")


@pytest.fixture
def copier(stand_in, s3, data, tmp_path):
    """Checkpoints of a job whose role may do this; what S3 has, and the folder."""

    def make(prefix, may=lambda action: None):
        job = SimpleNamespace(
            folder=tmp_path,
            region="us-east-1",
            clients=SimpleNamespace(s3=lambda region: s3),
            require=lambda role, action, bucket, *keys: may(action),
            require_listing=lambda role, bucket, prefix: may("s3:ListBucket"),
        )
        record = {"RoleArn": "role", **checkpoints_in(data, prefix)}
        return Checkpoints(job, record), contract.place(tmp_path, contract.CHECKPOINTS)

    return make


def test_both_folders_are_kept_alike(s3, data, copier):
    for name in ("old", "deep/er", "half.sagemaker-ignore"):
        s3.put_object(Bucket=data, Key=f"checkpoints/alike/{name}", Body=b"before")
    s3.put_object(Bucket=data, Key="checkpoints/alike2/other", Body=b"before")
    checkpoints, folder = copier("alike")
    checkpoints.fetch()
    assert (folder / "deep/er").read_bytes() == b"before"
    assert sorted(path.name for path in folder.iterdir()) == ["deep", "old"]
    assert not checkpoints.copy()
    (folder / "old").unlink()
    (folder / "deep/er").write_bytes(b"changed")
    (folder / "new").write_bytes(b"new")
    (folder / "half").with_suffix(".sagemaker-ignore").write_bytes(b"ignored")
    assert checkpoints.written() == 1
    assert checkpoints.copy()
    assert not checkpoints.copy()
    listed = names_under(s3, data, "checkpoints/alike/")
    assert listed == {"deep/er", "new", "half.sagemaker-ignore"}
    body = s3.get_object(Bucket=data, Key="checkpoints/alike/deep/er")["Body"].read()
    assert body == b"changed"


@pytest.mark.parametrize("action", ["s3:PutObject", "s3:DeleteObject"])
def test_the_role_must_be_allowed_to_copy(s3, data, copier, action):
    def refuse(asked):
        if asked == action:
            raise AccessDenied(f"no permission for {action}")

    s3.put_object(Bucket=data, Key=f"checkpoints/{action[3:]}/old", Body=b"before")
    checkpoints, folder = copier(action[3:], refuse)
    checkpoints.fetch()
    (folder / "old").unlink()
    (folder / "new").write_bytes(b"new")
    with pytest.raises(JobFailed, match=f"Checkpoint upload failed:.*{action}"):
        checkpoints.copy()


def test_a_checkpoint_bucket_that_is_not_there(sagemaker, data):
    name = start(sagemaker, data, {}, **SPOT, **checkpoints_in("no-such-bucket-1", "c"))
    job = boston.wait_for_training(sagemaker, name)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Checkpoint download failed:")
    assert "NoSuchBucket" in job["FailureReason"]
