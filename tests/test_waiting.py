"""Long polling: clients with their own defaults learn at once what has come.

Requests are counted rather than seconds: who is held asks once where a client that is
answered at once would have asked again, after a pause.
"""

import asyncio
import http.client
import json
import resource
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from urllib.parse import urlsplit

import boston
import psutil
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from conftest import start_stand_in, stop_stand_in

from local_aws.errors import StorageError
from local_aws.installation import ROLE_ARN
from local_aws.messages import Head
from local_aws.persistence.resources import Resources
from local_aws.sagemaker.waiting import POLLER_S, WAITER_S, Described, Waiting

ENDLESS = {"num_round": "1000000", "max_depth": "2"}
TARGET = "SageMaker.DescribeTrainingJob"


class Client:
    """A boto3 client of its own asker, and how often it called which operation."""

    def __init__(self, stand_in, **config) -> None:
        config.setdefault("user_agent_extra", boston.name("asker"))
        self.sagemaker = stand_in.client("sagemaker", **config)
        self.calls = Counter()
        self.sagemaker.meta.events.register("before-send.sagemaker", self._count)

    def _count(self, request, **_) -> None:
        self.calls[request.headers["X-Amz-Target"].decode().partition(".")[2]] += 1

    def describe(self, job: str) -> dict:
        return self.sagemaker.describe_training_job(TrainingJobName=job)

    def status(self, job: str) -> str:
        return self.describe(job)["TrainingJobStatus"]


@pytest.fixture(scope="module")
def data(stand_in) -> str:
    """A bucket with the Boston data."""
    bucket = boston.name("sagemaker-waiting")
    s3 = stand_in.client("s3")
    s3.create_bucket(Bucket=bucket)
    boston.upload(s3, bucket)
    return bucket


@pytest.fixture
def client(stand_in) -> Client:
    return Client(stand_in)


@pytest.fixture
def train(stand_in, data):
    """A function that starts a training job; what still runs is stopped at the end."""
    sagemaker = stand_in.client("sagemaker")
    names = []

    def start(hyperparameters=None) -> str:
        names.append(boston.name())
        request = boston.training_request(data, names[-1], hyperparameters)
        sagemaker.create_training_job(**request)
        return names[-1]

    yield start
    pages = sagemaker.get_paginator("list_training_jobs")
    running = pages.paginate(StatusEquals="InProgress").build_full_result()
    for job in running["TrainingJobSummaries"]:
        if job["TrainingJobName"] in names:
            sagemaker.stop_training_job(TrainingJobName=job["TrainingJobName"])


@pytest.fixture(scope="module")
def model(stand_in, data) -> str:
    """A model that has been trained."""
    sagemaker = stand_in.client("sagemaker")
    name = boston.name("model")
    sagemaker.create_training_job(**boston.training_request(data, name))
    job = boston.wait_for_training(sagemaker, name)
    sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=ROLE_ARN,
        PrimaryContainer={
            "Image": boston.IMAGE,
            "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"],
        },
    )
    return name


def configure(sagemaker, model: str) -> str:
    name = boston.name("config")
    sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[
            {
                "VariantName": "only",
                "ModelName": model,
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": 1,
            }
        ],
    )
    return name


def stop_later(stand_in, job: str, seconds: float) -> threading.Timer:
    sagemaker = stand_in.client("sagemaker")
    timer = threading.Timer(
        seconds, sagemaker.stop_training_job, kwargs={"TrainingJobName": job}
    )
    timer.start()
    return timer


ON_THEIR_WAY = ("InProgress", "Stopping", "Creating", "Updating", "Deleting")


def ended(describe: Callable[[], dict], key: str = "TrainingJobStatus") -> dict:
    """What is told of something that is on its way no more.

    Whoever is told that it still is has been held for as long as one is: on a busy
    machine that may be too short.
    """
    while True:
        began = time.monotonic()
        told = describe()
        if told[key] not in ON_THEIR_WAY:
            return told
        assert time.monotonic() - began >= POLLER_S


# Who is held


def test_a_waiter_with_its_own_delays_asks_once(client, train) -> None:
    job = train()
    client.sagemaker.get_waiter("training_job_completed_or_stopped").wait(
        TrainingJobName=job
    )
    assert client.calls == {"DescribeTrainingJob": 1}
    assert client.status(job) == "Completed"


def test_the_first_describe_after_a_create_is_answered_at_once(client, train) -> None:
    job = train(ENDLESS)
    began = time.monotonic()
    assert client.status(job) == "InProgress"
    assert time.monotonic() - began < POLLER_S


def test_a_plain_loop_asks_twice(stand_in, client, train) -> None:
    job = train(ENDLESS)
    assert client.status(job) == "InProgress"
    timer = stop_later(stand_in, job, 2)
    ended(lambda: client.describe(job))
    timer.join()


def test_other_askers_do_not_matter(stand_in, train) -> None:
    job = train(ENDLESS)
    for _ in range(3):
        assert Client(stand_in).status(job) == "InProgress"
    other = Client(stand_in)
    other.status(train(ENDLESS))
    began = time.monotonic()
    assert other.status(job) == "InProgress"  # it has asked for another job only
    assert time.monotonic() - began < POLLER_S


def test_who_asks_again_is_held_until_the_end_and_not_longer(
    stand_in, client, train
) -> None:
    job = train(ENDLESS)
    client.status(job)
    asked = [time.monotonic()]

    def describe() -> dict:
        asked.append(time.monotonic())
        return client.describe(job)

    stop_later(stand_in, job, 1)
    # Secondary statuses and Stopping, which come before, release nobody.
    assert ended(describe)["TrainingJobStatus"] == "Stopped"
    assert time.monotonic() - asked[0] > 1
    assert time.monotonic() - asked[-1] < POLLER_S


def test_who_asks_again_is_held_for_ten_seconds_at_most(stand_in, train) -> None:
    """And a little less, so that a read timeout of ten seconds is enough."""
    assert POLLER_S < 10
    job = train(ENDLESS)
    single = {"mode": "standard", "total_max_attempts": 1}
    asker = Client(stand_in, read_timeout=60, retries=single)
    assert asker.status(job) == "InProgress"
    began = time.monotonic()
    assert asker.status(job) == "InProgress"
    assert POLLER_S <= time.monotonic() - began < WAITER_S


def test_the_first_describe_after_a_stop_is_held(stand_in, train) -> None:
    job = train(ENDLESS)
    asker = Client(stand_in)
    asker.sagemaker.stop_training_job(TrainingJobName=job)
    assert ended(lambda: asker.describe(job))["TrainingJobStatus"] == "Stopped"


def test_a_client_with_a_user_agent_of_its_own(stand_in, train) -> None:
    """Its waiter does not say that it is one, so it is a poller like any other."""
    own = Client(stand_in, user_agent=boston.name("own"), user_agent_extra="")
    job = train(ENDLESS)

    def stop_at_the_second(**_) -> None:
        if own.calls["DescribeTrainingJob"] == 2:
            stop_later(stand_in, job, 0.5)

    own.sagemaker.meta.events.register("before-send.sagemaker", stop_at_the_second)
    waiter = own.sagemaker.get_waiter("training_job_completed_or_stopped")
    began = time.monotonic()
    waiter.wait(TrainingJobName=job, WaiterConfig={"Delay": 0})
    held_in_vain = (time.monotonic() - began) // POLLER_S
    assert 2 <= own.calls["DescribeTrainingJob"] <= 2 + held_in_vain


def test_an_endpoint_from_creation_to_deletion(client, model) -> None:
    sagemaker = client.sagemaker
    name = boston.name("endpoint")
    first, second = configure(sagemaker, model), configure(sagemaker, model)
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=first)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name)
    assert client.calls.pop("DescribeEndpoint") == 1
    sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=second)
    updated = ended(
        lambda: sagemaker.describe_endpoint(EndpointName=name), "EndpointStatus"
    )
    assert updated["EndpointStatus"] == "InService"
    assert updated["EndpointConfigName"] == second
    sagemaker.delete_endpoint(EndpointName=name)
    client.calls.clear()
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=name)
    assert client.calls == {"DescribeEndpoint": 1}


def test_who_asks_for_what_is_being_deleted_is_told_that_it_is_gone(
    client, model
) -> None:
    sagemaker = client.sagemaker
    name = boston.name("endpoint")
    sagemaker.create_endpoint(
        EndpointName=name, EndpointConfigName=configure(sagemaker, model)
    )
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name)
    sagemaker.delete_endpoint(EndpointName=name)
    with pytest.raises(ClientError, match="Could not find endpoint"):
        ended(lambda: sagemaker.describe_endpoint(EndpointName=name), "EndpointStatus")


def test_what_does_not_exist_is_said_at_once(client) -> None:
    began = time.monotonic()
    for _ in range(3):
        with pytest.raises(ClientError, match="Requested resource not found"):
            client.status("no-such-job")
    assert time.monotonic() - began < POLLER_S


def test_results_are_there_before_the_status_is(stand_in, client, train, data) -> None:
    logs, s3 = stand_in.client("logs"), stand_in.client("s3")
    for _ in range(3):
        job = train()
        client.status(job)
        description = ended(lambda job=job: client.describe(job))
        assert description["TrainingJobStatus"] == "Completed"
        names = {m["MetricName"] for m in description["FinalMetricDataList"]}
        assert "validation:rmse" in names
        key = f"output/{job}/output/model.tar.gz"
        assert s3.head_object(Bucket=data, Key=key)["ContentLength"] > 0
        lines = boston.log_lines(logs, "/aws/sagemaker/TrainingJobs", job)
        assert any("[19]" in line for line in lines)


# What happens to a resource while a request for it is held

KEY = ("us-east-1", "training-job", "job")


def put(resources: Resources, created: float, status: str = "InProgress") -> None:
    record = {"TrainingJobStatus": status, "CreationTime": created}
    resources.create(*KEY, record)


def hold(resources: Resources, shown: float, meanwhile: Callable | None) -> None:
    """Hold a waiter's request for the job made at `shown`.

    Raises TimeoutError when it is held on though the job is not there (any more).
    """

    async def run() -> None:
        with ThreadPoolExecutor(2) as threads:
            waiting = Waiting(resources, threads)
            head = Head("POST", "/", "", [("user-agent", "Boto3/1 m/B")])
            request = SimpleNamespace(head=head, disconnected=asyncio.Event().wait)
            described = Described(KEY, shown, "InProgress", is_transitional=True)
            held = asyncio.create_task(waiting.hold(request, described))
            if meanwhile is not None:
                await asyncio.sleep(0.3)
                assert not held.done()
                await asyncio.to_thread(meanwhile)
            assert await asyncio.wait_for(held, WAITER_S / 2)

    asyncio.run(run())


@pytest.fixture
def resources(tmp_path):
    opened = Resources(tmp_path / "sagemaker.sqlite")
    yield opened
    opened.close()


def test_who_waits_for_a_deleted_resource_does_not_wait_for_its_successor(
    resources,
) -> None:
    def replace() -> None:
        resources.delete(*KEY)
        put(resources, 2.0)

    put(resources, 1.0)
    hold(resources, 1.0, replace)


def test_a_successor_that_came_before_the_request_was_held(resources) -> None:
    put(resources, 2.0)
    hold(resources, 1.0, None)


def test_a_state_that_cannot_be_read_holds_nobody(resources, monkeypatch) -> None:
    def unreadable(*key: str) -> dict:
        raise StorageError("disk I/O error")

    put(resources, 1.0)
    monkeypatch.setattr(resources, "get", unreadable)
    hold(resources, 1.0, None)


TUNING_KEY = ("us-east-1", "hyper-parameter-tuning-job", "job")
LOOP, SDK_WAIT = "Boto3/1", "Boto3/1 lib/AWS-SageMakerCore#3"


@pytest.mark.parametrize(("agent", "is_news"), [(LOOP, True), (SDK_WAIT, False)])
def test_a_tuning_jobs_progress_is_news_to_a_loop(
    resources, agent, is_news, monkeypatch
) -> None:
    """The SDK's `wait` would sleep for five seconds, and is held until the end."""
    monkeypatch.setattr("local_aws.sagemaker.waiting.POLLER_S", 2 * WAITER_S)
    record = {
        "HyperParameterTuningJobStatus": "InProgress",
        "CreationTime": 1.0,
        "TrainingJobStatusCounters": {"Completed": 0},
    }
    resources.create(*TUNING_KEY, record)

    def change(**members) -> None:
        resources.update(*TUNING_KEY, lambda record: record.update(members))

    async def run() -> None:
        with ThreadPoolExecutor(2) as threads:
            waiting = Waiting(resources, threads)
            head = Head("POST", "/", "", [("user-agent", agent)])
            request = SimpleNamespace(head=head, disconnected=asyncio.Event().wait)
            described = Described(
                TUNING_KEY, 1.0, "InProgress", True, record["TrainingJobStatusCounters"]
            )
            waiting.responded(request, described)  # it has seen the job
            held = asyncio.create_task(waiting.hold(request, described))
            await asyncio.sleep(0.3)
            await asyncio.to_thread(change, BestTrainingJob={})
            await asyncio.sleep(0.3)
            assert not held.done()
            counters = {"Completed": 1}
            await asyncio.to_thread(change, TrainingJobStatusCounters=counters)
            if is_news:
                assert await asyncio.wait_for(held, WAITER_S)
                return
            await asyncio.sleep(0.3)
            assert not held.done()
            await asyncio.to_thread(change, HyperParameterTuningJobStatus="Completed")
            assert await asyncio.wait_for(held, WAITER_S)

    asyncio.run(run())


# Clients that leave


def test_a_waiter_with_a_short_read_timeout(stand_in, train) -> None:
    """It leaves once; when it comes back it is answered before it would leave again."""
    job = train(ENDLESS)
    retries = {"mode": "standard", "total_max_attempts": 5}
    hasty = Client(stand_in, read_timeout=2, retries=retries)
    answers = []
    hasty.sagemaker.meta.events.register(
        "after-call.sagemaker", lambda parsed, **_: answers.append(parsed)
    )
    began = time.monotonic()
    timer = stop_later(stand_in, job, 5)
    waiter = hasty.sagemaker.get_waiter("training_job_completed_or_stopped")
    waiter.wait(TrainingJobName=job, WaiterConfig={"Delay": 0})
    timer.join()
    # One that was too long, then one after the other that was not: each was held.
    statuses = [answer["TrainingJobStatus"] for answer in answers]
    assert statuses[0] == "InProgress"
    assert statuses[-1] == "Stopped"
    asked = hasty.calls["DescribeTrainingJob"]
    assert len(statuses) < asked <= 3 * (time.monotonic() - began)


def raw_describe(stand_in, job: str, agent: str) -> http.client.HTTPConnection:
    """A Describe that has been sent and not been answered."""
    installation = stand_in.installation
    request = AWSRequest(
        "POST",
        stand_in.endpoint,
        {
            "X-Amz-Target": TARGET,
            "Content-Type": "application/x-amz-json-1.1",
            "User-Agent": agent,
        },
        json.dumps({"TrainingJobName": job}),
    )
    keys = Credentials(installation.access_key_id, installation.secret_access_key)
    SigV4Auth(keys, "sagemaker", "us-east-1").add_auth(request)
    address = urlsplit(stand_in.endpoint).netloc
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.request("POST", "/", request.data, dict(request.headers))
    return connection


def has_accepted(stand_in, held: list[http.client.HTTPConnection]) -> bool:
    """Whether the server has all these connections, so that it reads the requests."""
    accepted = psutil.Process(stand_in.process.pid).net_connections("tcp")
    ports = {connection.sock.getsockname()[1] for connection in held}
    return ports <= {each.raddr.port for each in accepted if each.raddr}


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.05)


def status_of(connection: http.client.HTTPConnection) -> str:
    status = json.loads(connection.getresponse().read())["TrainingJobStatus"]
    connection.close()
    return status


def test_a_thousand_held_requests_hold_up_nobody(stand_in, client, train) -> None:
    job = train(ENDLESS)
    held = [raw_describe(stand_in, job, f"crowd/{i} m/B") for i in range(1000)]
    s3 = stand_in.client("s3")
    began = time.monotonic()
    for _ in range(20):
        s3.list_buckets()
        client.sagemaker.list_training_jobs(MaxResults=1)
    assert time.monotonic() - began < WAITER_S / 2
    # Half of them leave, and nobody misses them.
    for connection in held[::2]:
        connection.close()
    client.sagemaker.stop_training_job(TrainingJobName=job)
    assert {status_of(connection) for connection in held[1::2]} == {"Stopped"}


def test_the_server_takes_no_thread_for_a_held_request(stand_in, train) -> None:
    job = train(ENDLESS)
    held = [raw_describe(stand_in, job, f"crowd/{i} m/E,B") for i in range(200)]
    time.sleep(1)
    listed = subprocess.run(
        [
            "ps",
            "-M" if sys.platform == "darwin" else "-L",
            "-p",
            str(stand_in.process.pid),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(listed.stdout.splitlines()) < 130
    for connection in held:
        connection.close()


@pytest.fixture
def restore_limit():
    """Few descriptors for processes that are started, until this is called.

    macOS gives a process no more unless it asks.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    yield lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_stop_answers_with_the_present_state(home, data, restore_limit) -> None:
    own = start_stand_in(home)
    restore_limit()  # only the server has to do with few
    s3 = own.client("s3")
    s3.create_bucket(Bucket=data)
    boston.upload(s3, data)
    job = boston.name()
    request = boston.training_request(data, job, ENDLESS)
    own.client("sagemaker").create_training_job(**request)
    held = [raw_describe(own, job, f"crowd/{i} m/B") for i in range(300)]
    wait_until(lambda: has_accepted(own, held))
    with ThreadPoolExecutor(1) as pool:
        stopping = pool.submit(stop_stand_in, own)
        assert {status_of(connection) for connection in held} == {"InProgress"}
        assert "ASGI" not in stopping.result()  # uvicorn's word for an exception


def test_a_connection_that_is_cut_is_no_error(home, data) -> None:
    own = start_stand_in(home)
    s3 = own.client("s3")
    s3.create_bucket(Bucket=data)
    boston.upload(s3, data)
    job = boston.name()
    request = boston.training_request(data, job, ENDLESS)
    own.client("sagemaker").create_training_job(**request)
    for number in range(20):
        connection = raw_describe(own, job, f"cut/{number} m/B")
        connection.sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
        )
        connection.sock.close()
    own.client("sagemaker").stop_training_job(TrainingJobName=job)
    assert Client(own).status(job) == "Stopped"
    assert "ASGI" not in stop_stand_in(own)


# The SDK

SDK = """
    import json, sys, time
    import boto3
    sys.path.insert(0, "tests")
    import boston
    from sagemaker.core.resources import Endpoint, EndpointConfig, TrainingJob
    from sagemaker.core.shapes import ProductionVariant
    from sagemaker.core.transformer import Transformer
    from sagemaker.core.utils.exceptions import TimeoutExceededError

    bucket, model, report, longest = sys.argv[1:]
    sagemaker = boto3.client("sagemaker")
    naps = []
    sleep = time.sleep
    time.sleep = lambda seconds: naps.append(seconds) or sleep(seconds)

    def job_of(hyperparameters=None):
        name = boston.name()
        request = boston.training_request(bucket, name, hyperparameters)
        sagemaker.create_training_job(**request)
        return TrainingJob.get(name)

    def napped(call):
        naps.clear()
        began = time.monotonic()
        call()
        # It may sleep after it has been held for as long as one is.
        held_in_vain = (time.monotonic() - began) // float(longest)
        return max(0, len([nap for nap in naps if nap >= 1]) - held_in_vain)

    said = {}
    said["wait"] = napped(job_of().wait)
    said["logs"] = napped(lambda: job_of().wait(logs=True))
    began = time.monotonic()
    endless = job_of({"num_round": "1000000"})
    said["first"] = time.monotonic() - began
    began = time.monotonic()
    try:
        endless.wait(timeout=5)
    except TimeoutExceededError:
        said["timeout"] = time.monotonic() - began
    endless.stop()
    said["stop"] = napped(endless.wait)
    said["stopped"] = endless.training_job_status
    config = EndpointConfig.create(
        endpoint_config_name=boston.name("config"),
        production_variants=[
            ProductionVariant(
                variant_name="only", model_name=model, instance_type="ml.m5.large",
                initial_instance_count=1,
            )
        ],
    )
    endpoint = Endpoint.create(
        endpoint_name=boston.name("endpoint"),
        endpoint_config_name=config.endpoint_config_name,
    )
    transformer = Transformer(
        model_name=model, instance_count=1, instance_type="ml.m5.large",
        output_path=f"s3://{bucket}/transformed",
    )
    said["transform"] = napped(
        lambda: transformer.transform(
            f"s3://{bucket}/boston/test", content_type="text/csv", split_type="Line"
        )
    )
    said["service"] = napped(lambda: endpoint.wait_for_status("InService"))
    endpoint.delete()
    said["delete"] = napped(endpoint.wait_for_delete)
    with open(report, "w") as file:
        json.dump(said, file)
"""


def test_the_sdk_does_not_sleep(stand_in, data, model, tmp_path) -> None:
    """Its `wait` asks first and sleeps then, so that no sleep means: told at once."""
    report = tmp_path / "said.json"
    program = textwrap.dedent(SDK)
    told = data, model, str(report), str(POLLER_S)
    result = stand_in.run(sys.executable, "-c", program, *told)
    assert result.returncode == 0, result.stderr[-3000:]
    said = json.loads(report.read_text())
    assert said.pop("first") < POLLER_S  # the first Describe is answered at once
    assert said.pop("timeout") < 5 + WAITER_S
    assert said == {
        "wait": 0,
        "logs": 0,
        "stop": 0,
        "stopped": "Stopped",
        "transform": 0,
        "service": 0,
        "delete": 0,
    }
