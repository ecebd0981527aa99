"""Endpoints whose processes are killed, crash or hang, and endpoints under load."""

import io
import os
import signal
import tarfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import boston
import pytest
from botocore.exceptions import ClientError
from conftest import start_stand_in, stop_stand_in

from local_aws.installation import ROLE_ARN

pytestmark = pytest.mark.skipif(
    not os.path.isdir("/proc"), reason="finds the containers in /proc"
)

CALLS = 10_000
THREADS = 32

PING_FAILURE = (
    "The primary container for production variant Only did not pass the ping health "
    "check. Please check CloudWatch logs for this endpoint."
)


class Service:
    """A stand-in of its own with two models and what the tests do with them."""

    def __init__(self, stand_in):
        self.stand_in = stand_in
        self.sagemaker = stand_in.client("sagemaker")
        self.runtime = stand_in.client(
            "sagemaker-runtime", max_pool_connections=THREADS
        )
        self.s3 = stand_in.client("s3")

    def train(self):
        """Models "good" and "poor" and the csv row to ask them about."""
        self.bucket = boston.name("sagemaker-faults")
        self.s3.create_bucket(Bucket=self.bucket)
        _, _, test = boston.upload(self.s3, self.bucket)
        self.row = boston.csv(test.drop(columns="MEDV").head(1))
        for name, rounds in (("good", "20"), ("poor", "2")):
            self.sagemaker.create_training_job(
                **boston.training_request(self.bucket, name, {"num_round": rounds})
            )
            job = boston.wait_for_training(self.sagemaker, name)
            self.create_model(name, job["ModelArtifacts"]["S3ModelArtifacts"])

    def create_model(self, name, uri):
        self.sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=ROLE_ARN,
            PrimaryContainer={"Image": boston.IMAGE, "ModelDataUrl": uri},
        )

    def create(self, **weights):
        """An endpoint with a variant for each model; returns its name at once."""
        name = boston.name("endpoint")
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[
                {
                    "VariantName": "Only" if len(weights) == 1 else model,
                    "ModelName": model,
                    "InstanceType": "ml.m5.large",
                    "InitialInstanceCount": 1,
                    "InitialVariantWeight": weight,
                }
                for model, weight in weights.items()
            ],
        )
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        return name

    def settled(self, name):
        return boston.wait(
            self.sagemaker.describe_endpoint,
            "EndpointStatus",
            ("InService", "Failed"),
            EndpointName=name,
        )

    def invoke(self, name, **more):
        answer = self.runtime.invoke_endpoint(
            EndpointName=name, Body=self.row, ContentType="text/csv", **more
        )
        return answer["InvokedProductionVariant"], answer["Body"].read()

    def containers(self):
        """Ids of the processes that serve endpoints."""
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    folder = os.readlink(f"/proc/{entry}/cwd")
                except OSError:
                    continue
                if folder.startswith(str(self.stand_in.home / "endpoints")):
                    found.append(int(entry))
        return found


@pytest.fixture
def service(home):
    stand_in = start_stand_in(
        home, LOCAL_AWS_STARTUP_SECONDS="4", LOCAL_AWS_INVOCATION_SECONDS="4"
    )
    service = Service(stand_in)
    service.train()
    yield service
    stop_stand_in(stand_in)
    deadline = time.monotonic() + 10
    while service.containers():
        assert time.monotonic() < deadline, "a container outlived the stand-in"
        time.sleep(0.02)


def test_a_killed_container_is_started_again_under_load(service):
    name = service.create(good=1.0)
    assert service.settled(name)["EndpointStatus"] == "InService"
    outcomes, stopping = [], threading.Event()

    def call():
        while not stopping.is_set():
            try:
                outcomes.append(service.invoke(name)[1])
            except ClientError as error:
                outcomes.append(error.response["Error"]["Code"])

    right = service.invoke(name)[1]
    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for _ in range(3):
        (old,) = service.containers()
        os.kill(old, signal.SIGKILL)
        boston.wait(
            lambda old=old: {"new": service.containers() not in ([], [old])},
            "new",
            (True,),
        )
        before = len(outcomes)
        while len(outcomes) < before + 50:
            time.sleep(0.01)
    stopping.set()
    for caller in callers:
        caller.join()
    counted = Counter(outcomes)
    # What was being answered at the moment of death is lost, and said to be.
    assert set(counted) <= {right, "ModelError"}
    # (Each caller has a call under way, and one more that the dying process took.)
    assert counted["ModelError"] <= 3 * 2 * len(callers), counted
    assert counted[right] > 100
    assert service.settled(name)["EndpointStatus"] == "InService"


def test_a_model_that_can_not_be_loaded_fails_the_ping(service):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("xgboost-model")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"junk"))
    key = "junk/model.tar.gz"
    service.s3.put_object(Bucket=service.bucket, Key=key, Body=buffer.getvalue())
    service.create_model("junk", f"s3://{service.bucket}/{key}")
    endpoint = service.settled(service.create(junk=1.0))
    assert endpoint["EndpointStatus"] == "Failed"
    assert endpoint["FailureReason"] == PING_FAILURE
    assert service.containers() == []


def test_a_container_that_hangs_at_its_start_fails_the_ping(service):
    frozen = threading.Event()

    def freeze():
        while not frozen.is_set():
            for process in service.containers():
                os.kill(process, signal.SIGSTOP)

    freezer = threading.Thread(target=freeze)
    freezer.start()
    try:
        endpoint = service.settled(service.create(good=1.0))
    finally:
        frozen.set()
        freezer.join()
    assert endpoint["EndpointStatus"] == "Failed"
    assert endpoint["FailureReason"] == PING_FAILURE


def test_a_container_that_hangs_later_times_out(service):
    name = service.create(good=1.0)
    service.settled(name)
    service.invoke(name)
    (process,) = service.containers()
    os.kill(process, signal.SIGSTOP)
    try:
        with pytest.raises(service.runtime.exceptions.ModelError) as caught:
            service.invoke(name)
    finally:
        os.kill(process, signal.SIGCONT)
    assert caught.value.response["OriginalStatusCode"] == 0
    assert "Your invocation timed out" in str(caught.value)
    assert service.invoke(name)[1]


def test_no_reply_is_lost_or_from_the_wrong_model(service):
    weights = {"good": 0.7, "poor": 0.3}
    name = service.create(**weights)
    service.settled(name)
    right = {v: service.invoke(name, TargetVariant=v)[1] for v in weights}
    assert right["good"] != right["poor"]
    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(lambda _: service.invoke(name), range(CALLS)))
    assert all(body == right[variant] for variant, body in answers)
    share = Counter(variant for variant, _ in answers)["good"] / CALLS
    deviation = (0.7 * 0.3 / CALLS) ** 0.5
    assert abs(share - 0.7) < 4 * deviation


@pytest.mark.parametrize("end", ["terminate", "kill"])
def test_endpoints_come_back_after_a_restart(home, end):
    first = start_stand_in(home)
    service = Service(first)
    service.train()
    name = service.create(good=1.0, poor=1.0)
    service.settled(name)
    service.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=name,
        DesiredWeightsAndCapacities=[{"VariantName": "good", "DesiredWeight": 0.0}],
    )
    service.settled(name)
    expected = service.invoke(name)
    assert expected[0] == "poor"
    getattr(first.process, end)()
    first.process.wait(timeout=30)

    second = start_stand_in(home)
    try:
        again = Service(second)
        again.row = service.row
        # The artifact is not read again, whether it has survived or not.
        assert again.invoke(name) == expected
        endpoint = again.settled(name)
        assert endpoint["EndpointStatus"] == "InService"
        shown = {
            variant["VariantName"]: variant["CurrentWeight"]
            for variant in endpoint["ProductionVariants"]
        }
        assert shown == {"good": 0.0, "poor": 1.0}
        again.sagemaker.delete_endpoint(EndpointName=name)
        boston.wait(lambda: {"left": again.containers()}, "left", ([],))
    finally:
        stop_stand_in(second)
