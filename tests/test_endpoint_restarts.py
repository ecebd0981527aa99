"""Endpoints that are changed while they come back, and instances that leave."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import boston
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from conftest import stop_stand_in, temporary_folder
from hosted import Service, start_gated

pytestmark = pytest.mark.skipif(
    not os.path.isdir("/proc"), reason="finds the containers in /proc"
)


@pytest.fixture
def start(home):
    """A function that starts the stand-in, ending the one before it if there is."""
    running = []

    def start(end="terminate"):
        if running:
            process = running.pop().stand_in.process
            getattr(process, end)()
            process.wait(timeout=30)
            service = Service(start_gated(home), models=False)
        else:
            service = Service(start_gated(home))
        running.append(service)
        return service

    yield start
    for service in running:
        stop_stand_in(service.stand_in)


@pytest.fixture(scope="module")
def own():
    """A stand-in that is not restarted."""
    with temporary_folder() as folder:
        stand_in = start_gated(folder)
        yield Service(stand_in)
        stop_stand_in(stand_in)


@pytest.fixture
def service(own):
    own.delete_all()
    return own


def is_refused(service, name):
    with pytest.raises(ClientError) as caught:
        service.invoke(name)
    return caught.value.response["Error"]["Code"] == "ValidationError"


def test_changed_while_they_come_back(start):
    """Deleted, updated and rebalanced before their old containers are up again."""
    service = start()
    deleted, updated = (service.create(good=1.0) for _ in range(2))
    rebalanced = service.create(good=1.0, poor=1.0)
    for name in (deleted, updated, rebalanced):
        assert service.settled(name)["EndpointStatus"] == "InService"
    with service.gate.closed():
        service = start("kill")
        service.gate.wait_for(4)
        service.sagemaker.delete_endpoint(EndpointName=deleted)
        configuration = service.update(updated, poor=1.0)
        service.rebalance(rebalanced, "good", DesiredWeight=0.0)
        time.sleep(2)
    service.wait_until_gone(deleted)
    endpoint = service.settled(updated)
    assert endpoint["EndpointConfigName"] == configuration
    variants = service.settled(rebalanced)["ProductionVariants"]
    weights = {one["VariantName"]: one["CurrentWeight"] for one in variants}
    assert weights == {"good": 0.0, "poor": 1.0}
    service.wait_for_containers(3)
    service.wait_for_model_folders(2)
    # And it stays so.
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        assert is_refused(service, deleted)
        for name in (updated, rebalanced):
            endpoint = service.sagemaker.describe_endpoint(EndpointName=name)
            assert endpoint["EndpointStatus"] == "InService"
            assert endpoint.get("FailureReason") is None
            assert service.predict(name) == 1.0
    # The deleted name is free again.
    configuration = service.configure(poor=1.0)
    service.sagemaker.create_endpoint(
        EndpointName=deleted, EndpointConfigName=configuration
    )
    service.settled(deleted)
    assert service.predict(deleted) == 1.0


def test_many_are_deleted_while_they_come_back(start):
    service = start()
    names = [service.create(good=1.0) for _ in range(6)]
    for name in names:
        service.settled(name)
    service = start("kill")
    for name in names:
        service.sagemaker.delete_endpoint(EndpointName=name)
        time.sleep(0.15)
    for name in names:
        service.wait_until_gone(name)
    time.sleep(1)
    assert all(is_refused(service, name) for name in names)
    service.wait_for_containers(0)
    assert service.model_folders() == []


@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_what_was_cut_off_is_taken_up_again(start, end):
    service = start()
    updated, rebalanced = (service.create(good=1.0) for _ in range(2))
    for name in (updated, rebalanced):
        service.settled(name)
    with service.gate.closed():
        configuration = service.update(updated, poor=1.0)
        service.rebalance(rebalanced, "Only", DesiredInstanceCount=2)
        created = service.create(poor=1.0)
        service.gate.wait_for(3)
        service = start(end)
    endpoint = service.settled(created)
    assert endpoint["EndpointStatus"] == "InService", endpoint.get("FailureReason")
    assert service.predict(created) == 1.0
    endpoint = service.settled(updated)
    assert endpoint["EndpointConfigName"] == configuration
    assert service.predict(updated) == 1.0
    (variant,) = service.settled(rebalanced)["ProductionVariants"]
    assert variant["CurrentInstanceCount"] == 2
    service.wait_for_containers(4)
    service.wait_for_model_folders(3)


def test_one_change_after_the_other_just_after_a_restart(start):
    name = start().create_and_wait(good=1.0)
    for _ in range(2):
        service = start("kill")
        service.rebalance(name, "Only", DesiredInstanceCount=2)
        service.settled(name)
        configuration = service.update(name, poor=1.0)
        endpoint = service.settled(name)
        assert endpoint["EndpointConfigName"] == configuration
        assert endpoint.get("FailureReason") is None
        assert service.predict(name) == 1.0
        service.update(name, good=1.0)
        service.settled(name)
    service.wait_for_containers(1)
    service.sagemaker.delete_endpoint(EndpointName=name)
    service.wait_until_gone(name)
    service.wait_for_containers(0)


def test_two_deployments_that_end_together(service):
    """Two fleets, each held up by a call, are ended at the same moment."""
    name = service.create_and_wait(good=1.0)
    for folder in service.model_folders():
        fill(folder)
    with ThreadPoolExecutor(2) as pool:
        calls, frozen = [], []
        for model in ("poor", "good"):
            (process,) = set(service.containers()) - set(frozen)
            os.kill(process, signal.SIGSTOP)
            frozen.append(process)
            before = service.connections()
            calls.append(pool.submit(service.predict, name))
            service.wait_for_connections(before + 1)
            service.update(name, **{model: 1.0})
            service.settled(name)
            for folder in service.model_folders():
                fill(folder)
        for process in frozen:
            os.kill(process, signal.SIGCONT)
        assert [call.result() for call in calls] == [2.0, 1.0]
    service.wait_for_containers(1)
    time.sleep(0.5)
    endpoint = service.settled(name)
    assert endpoint["EndpointStatus"] == "InService"
    assert endpoint.get("FailureReason") is None
    service.wait_for_model_folders(1)
    assert service.predict(name) == 2.0


def fill(folder):
    """Make the folder one that takes a while to remove."""
    for number in range(2000):
        (folder / f"file-{number}").touch()


class Load:
    """Threads that call an endpoint without a pause."""

    def __init__(self, service, name, threads=6):
        self.outcomes = []
        self._stopping = threading.Event()
        self._service, self._name = service, name
        self.threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def _run(self):
        while not self._stopping.is_set():
            try:
                self.outcomes.append(self._service.predict(self._name))
            except (ClientError, BotoCoreError) as error:
                self.outcomes.append(str(error))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        for thread in self.threads:
            thread.join()


def test_scale_in_under_load_loses_no_call(service):
    name = service.create_and_wait(good=1.0)
    with Load(service, name) as load:
        for count in (3, 1, 4, 1, 3, 1):
            service.rebalance(name, "Only", DesiredInstanceCount=count)
            endpoint = service.settled(name)
            assert endpoint.get("FailureReason") is None
    assert set(load.outcomes) == {2.0}
    service.wait_for_containers(1)


def test_scale_in_lets_a_running_call_finish(service):
    name = service.create_and_wait(good=1.0)
    with ThreadPoolExecutor(4) as pool:
        service.rebalance(name, "Only", DesiredInstanceCount=2)
        service.settled(name)
        frozen = service.containers()
        for process in frozen:
            os.kill(process, signal.SIGSTOP)
        before = service.connections()
        calls = [pool.submit(service.predict, name) for _ in range(4)]
        service.wait_for_connections(before + 4)
        service.rebalance(name, "Only", DesiredInstanceCount=1)
        time.sleep(0.5)
        for process in frozen:
            os.kill(process, signal.SIGCONT)
        assert [call.result() for call in calls] == [2.0] * 4
    service.wait_for_containers(1)


def test_sockets_do_not_stay(start):
    service = start()
    name = service.create_and_wait(good=1.0)
    sockets = service.sockets()
    assert len(sockets) == 1
    (process,) = service.containers()
    os.kill(process, signal.SIGKILL)
    boston.wait(lambda: {"same": service.sockets() in (sockets, [])}, "same", (False,))
    assert service.predict(name) == 2.0
    for end in ("kill", "terminate"):
        service = start(end)
        assert service.predict(name) == 2.0
        assert len(service.sockets()) == 1
    stop_stand_in(service.stand_in)
    assert service.sockets() == []


def test_metrics_survive_stops(start):
    service = start()
    name = service.create_and_wait(good=1.0)
    for _ in range(3):
        service.invoke(name)
    service = start()
    service.invoke(name)
    service.invoke(name)
    assert service.total(name, "Invocations") == 5
    assert service.total(name, "ModelLatency", "SampleCount") == 5
    with Load(service, name) as load:
        time.sleep(0.5)
        service.stand_in.process.terminate()
        service.stand_in.process.wait(30)
    responses = load.outcomes.count(2.0) + 5
    service = start()
    counted = service.total(name, "Invocations")
    # A response may have been on its way when its connection was closed.
    assert responses <= counted <= responses + len(load.threads)


def test_delete_lets_a_running_call_finish(service):
    name = service.create_and_wait(good=1.0)
    (process,) = service.containers()
    with ThreadPoolExecutor(1) as pool:
        os.kill(process, signal.SIGSTOP)
        before = service.connections()
        call = pool.submit(service.predict, name)
        service.wait_for_connections(before + 1)
        service.sagemaker.delete_endpoint(EndpointName=name)
        time.sleep(0.5)
        os.kill(process, signal.SIGCONT)
        assert call.result() == 2.0
    service.wait_until_gone(name)
    assert is_refused(service, name)
    service.wait_for_containers(0)
