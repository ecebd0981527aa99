"""Endpoints whose processes are killed, crash or hang, and endpoints under load."""

import os
import resource
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import boston
import pytest
from botocore.exceptions import ClientError
from conftest import stop_stand_in, temporary_folder
from gated import REACHED
from hosted import THREADS, Service, archive, start_gated

pytestmark = pytest.mark.skipif(
    not os.path.isdir("/proc"), reason="finds the containers in /proc"
)

CALLS = 2_500

PING_FAILURE = (
    "The primary container for production variant Only did not pass the ping health "
    "check. Please check CloudWatch logs for this endpoint."
)


@pytest.fixture(scope="module")
def own():
    """A stand-in with short limits."""
    with temporary_folder() as folder:
        stand_in = start_gated(
            folder, LOCAL_AWS_STARTUP_SECONDS="10", LOCAL_AWS_INVOCATION_SECONDS="4"
        )
        service = Service(stand_in)
        service.create(good=1.0)  # in service, or not yet
        yield service
        stop_stand_in(stand_in)
        deadline = time.monotonic() + 60
        while service.containers():
            assert time.monotonic() < deadline, "a container outlived the stand-in"
            time.sleep(0.02)


@pytest.fixture
def service(own):
    own.delete_all()
    return own


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
    service.create_model("junk", archive({"xgboost-model": b"junk"}))
    endpoint = service.settled(service.create(junk=1.0))
    assert endpoint["EndpointStatus"] == "Failed"
    assert endpoint["FailureReason"] == PING_FAILURE
    assert service.containers() == []


@contextmanager
def largest_file(service, size):
    """No file of the stand-in may grow beyond `size` bytes."""
    process = service.stand_in.process.pid
    before = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.prlimit(process, resource.RLIMIT_FSIZE, before)


def test_a_disk_without_room_is_named_as_the_reason(service):
    service.create_model("large", archive({"xgboost-model": bytes(30_000_000)}))
    with largest_file(service, 20_000_000):
        endpoint = service.settled(service.create(large=1.0))
    assert endpoint["EndpointStatus"] == "Failed"
    assert endpoint["FailureReason"].endswith(
        "large/model.tar.gz can't be written to disk: File too large."
    )
    assert service.model_folders() == []


def test_a_disk_without_room_does_not_leave_it_in_progress(service):
    name = service.create_and_wait(good=1.0)
    with service.gate.closed():
        service.update(name, poor=1.0)
        service.wait_for_line(name, REACHED, 2)
        with largest_file(service, 0):
            service.gate.open()
            service.wait_for_sockets(1)  # what can't be recorded is undone
    assert service.settled(name)["FailureReason"].startswith("InternalServerError")
    assert service.predict(name) == 2.0
    service.update(name, poor=1.0)
    assert service.settled(name).get("FailureReason") is None
    assert service.predict(name) == 1.0


def test_a_disk_without_room_does_not_leave_instances_behind(service):
    name = service.create_and_wait(count=2, good=1.0)
    with service.gate.closed():
        service.rebalance(name, "Only", DesiredInstanceCount=3)
        service.gate.wait_for(1)
        with largest_file(service, 0):
            service.gate.open()
            service.wait_for_containers(3)
            time.sleep(1)
    (variant,) = service.settled(name)["ProductionVariants"]
    service.wait_for_containers(variant["CurrentInstanceCount"])


def test_a_container_that_hangs_at_its_start_fails_the_ping(service):
    with service.gate.closed():
        endpoint = service.settled(service.create(good=1.0))
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
    counted = {
        metric: service.total(name, metric)
        for metric in (
            "Invocations",
            "InvocationModelErrors",
            "Invocation4XXErrors",
            "Invocation5XXErrors",
        )
    }
    assert list(counted.values()) == [3, 1, 0, 0]


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
    first = start_gated(home)
    service = Service(first)
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

    second = start_gated(home)
    try:
        again = Service(second, models=False)
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
