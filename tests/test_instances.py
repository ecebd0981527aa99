"""Instances and fleets that are ended or can't be started at an awkward moment."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import boston
import pytest

from local_aws.hosting import endpoint, instance, model_data
from local_aws.hosting.fleet import Fleet, Variant
from local_aws.hosting.instance import Deployment, Instance
from local_aws.hosting.transitions import DeploymentFailed
from local_aws.persistence.resources import Resources
from local_aws.runtime.log_stream import LogStream
from local_aws.runtime.model_server import NotHealthy


class Server:
    """A container that is healthy at once; the second fails with `error` if there is
    one.
    """

    error = None
    code_at_health = None
    made = ()

    def __init__(self, image, folder, environment, on_output, on_exit, python=None):
        self.made.append(self)
        if self.error and len(self.made) == 2:
            raise self.error
        self.exit_code = None
        self.on_exit = on_exit
        self.on_output = on_output

    def wait_until_healthy(self, given_up, seconds):
        if given_up():
            raise NotHealthy("given up")
        self.exit_code = self.code_at_health

    def print(self, output):
        self.on_output(output)

    def die(self):
        self.exit_code = 1
        self.on_exit(self)

    def kill(self):
        self.exit_code = -9


@pytest.fixture
def servers(monkeypatch):
    monkeypatch.setattr(instance, "ModelServer", Server)
    monkeypatch.setattr(Server, "made", [])
    return Server.made


def deployment(open_log=lambda stream: SimpleNamespace(write=None, close=bool)):
    return Deployment("Only", None, {}, None, 5.0, open_log)


def test_it_comes_up_again_once_the_machine_has_room(servers, monkeypatch):
    one = Instance(deployment())
    one.start()
    monkeypatch.setattr(Server, "error", OSError("no room"))
    servers[0].die()
    deadline = time.monotonic() + 60
    while one.begin_call() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert len(servers) == 3
    one.kill()


def test_a_last_line_without_an_end_is_in_the_log(servers):
    logs = _Logs("us-east-1")
    one = Instance(deployment(lambda stream: LogStream(logs, "group", stream)))
    one.start()
    servers[0].print(b"out of mem")
    servers[0].die()
    assert logs.lines == ["out of mem"]
    one.kill()


def test_one_that_dies_at_once_is_not_started_over_and_over(servers, monkeypatch):
    monkeypatch.setattr(Server, "code_at_health", 1)
    one = Instance(deployment())
    began = time.monotonic()
    one.start()
    while len(servers) < 4:
        assert time.monotonic() < began + 60
        time.sleep(0.01)
    took = time.monotonic() - began
    one.kill()
    assert took > 2.9 * instance.FIRST_PAUSE_SECONDS  # three pauses


def test_a_fleet_that_is_killed_before_it_starts_does_not_come_up(servers):
    fleets = []

    def open_log(stream):
        fleets[0].kill()
        return SimpleNamespace(write=None, close=bool)

    fleets.append(Fleet({"Only": Variant(deployment(open_log), 1.0)}))
    with pytest.raises(DeploymentFailed):
        fleets[0].scale({"Only": 1})
    assert [server.exit_code for server in servers] == [-9]


def test_log_lines_that_come_after_the_stand_ins_end_are_no_fault(
    servers, monkeypatch, caplog
):
    closing = threading.Event()
    fleet = Fleet({"Only": Variant(deployment(), 1.0)}, closing)

    def stop(server):
        raise OSError("nobody takes them")

    monkeypatch.setattr(Server, "stop", stop, raising=False)
    for traces in (1, 0):
        caplog.clear()
        fleet.scale({"Only": 1})
        fleet.stop(fleet.variants["Only"].instances)
        fleet.scale({"Only": 0})
        assert "nobody takes them" in caplog.text
        assert caplog.text.count("Traceback") == traces
        closing.set()


def test_an_endpoint_that_is_deleted_during_its_download_starts_nothing(
    servers, monkeypatch, tmp_path
):
    downloading, deleted = threading.Event(), threading.Event()

    def provide(s3, uri, folder):
        downloading.set()
        assert deleted.wait(60)

    monkeypatch.setattr(model_data, "provide", provide)
    resources = Resources(tmp_path / "resources.db")
    variant = {"VariantName": "Only", "CurrentWeight": 1, "CurrentInstanceCount": 1}
    record = {
        "EndpointStatus": "InService",
        "ProductionVariants": [variant],
        "_id": "1",
        "_serving": 1,
        "_generation": 1,
        "_configuration": {"ProductionVariants": [variant]},
        "_models": {"Only": {"uri": "", "image": boston.IMAGE, "environment": {}}},
    }
    resources.create("us-east-1", "endpoint", "it", record, "arn")
    with ThreadPoolExecutor(1) as pool:
        one = endpoint.Endpoint(
            "us-east-1",
            "it",
            endpoint.Surroundings(
                resources,
                SimpleNamespace(s3=lambda region: None, logs=_Logs),
                tmp_path,
                pool,
                threading.Event(),
            ),
        )
        one.restore()
        assert downloading.wait(60)
        one.delete()
        deleted.set()
        deadline = time.monotonic() + 60
        while list(resources.all_records("endpoint")):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert servers == []
    resources.close()


class _Logs:
    exceptions = SimpleNamespace(ResourceAlreadyExistsException=OSError)

    def __init__(self, region):
        self.lines = []

    def put_log_events(self, logGroupName, logStreamName, logEvents):
        self.lines += [event["message"] for event in logEvents]

    def create_log_group(self, **request):
        pass

    create_log_stream = create_log_group
