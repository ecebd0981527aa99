"""An invocation's way to a container, whatever happens to instances meanwhile."""

import asyncio
import threading
import time
from types import SimpleNamespace

import pytest

from local_aws.errors import AwsError
from local_aws.hosting.fleet import Fleet, Variant
from local_aws.hosting.invocation import Invoker
from local_aws.hosting.invocation_metrics import InvocationMetrics
from local_aws.runtime.container_client import ConnectionLost, NotReached, Response

# Nothing but one test comes near to it.
LIMIT_S = 60


class Instance:
    """Responds as it is told: with content, with an exception, or not at all."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.in_flight = 0
        self.calls = 0

    def begin_call(self):
        if not self.outcomes:
            return None
        self.in_flight += 1
        return self

    def end_call(self):
        self.in_flight -= 1

    async def invoke_async(self, body, headers):
        self.calls += 1
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        if outcome is None:
            await asyncio.sleep(LIMIT_S)
        return Response(200, {"content-type": "text/csv"}, outcome)


def fleet(*instances, name="Only"):
    deployment = SimpleNamespace(variant=name)
    return Fleet({name: Variant(deployment, 1.0, instances)})


@pytest.fixture
def endpoint():
    return SimpleNamespace(fleet=None, is_returning=False)


@pytest.fixture
def metrics(tmp_path):
    return InvocationMetrics(None, tmp_path / "metrics.json")


@pytest.fixture
def invoke(endpoint, metrics, monkeypatch):
    """A function that invokes the endpoint."""
    monkeypatch.setenv("LOCAL_AWS_INVOCATION_SECONDS", str(LIMIT_S))
    engine = SimpleNamespace(find=lambda region, name: endpoint, metrics=metrics)

    def invoke():
        async def call():
            params = {"EndpointName": "endpoint", "Body": b"1"}
            return await Invoker(engine, "123456789012").invoke("here", params, {})

        return asyncio.run(call())["Body"]

    return invoke


def refusal(invoke):
    with pytest.raises(AwsError) as caught:
        invoke()
    return caught.value.code, caught.value.message


def later(work):
    timer = threading.Timer(0.1, work)
    timer.start()
    return timer


def test_instances_take_turns(endpoint, invoke):
    instances = [Instance(b"1"), Instance(b"1")]
    endpoint.fleet = fleet(*instances)
    for _ in range(6):
        invoke()
    assert [instance.calls for instance in instances] == [3, 3]
    assert [instance.in_flight for instance in instances] == [0, 0]


def test_a_variant_without_instances_is_refused_at_once(endpoint, invoke):
    endpoint.fleet = fleet()
    began = time.monotonic()
    code, message = refusal(invoke)
    assert (code, "no instance" in message) == ("ValidationError", True)
    assert time.monotonic() - began < LIMIT_S


def test_an_instance_that_has_just_died_is_passed_over(endpoint, invoke):
    dead = Instance(NotReached("gone"))
    endpoint.fleet = fleet(dead, Instance(b"2"))
    assert {invoke() for _ in range(4)} == {b"2"}
    assert dead.in_flight == 0


def test_a_request_waits_for_an_instance(endpoint, invoke):
    instance = Instance()
    endpoint.fleet = fleet(instance)
    later(lambda: instance.outcomes.append(b"3"))
    assert invoke() == b"3"


def test_a_request_follows_the_endpoint_to_its_new_fleet(endpoint, invoke):
    endpoint.fleet = fleet(Instance(), name="Old")
    later(lambda: setattr(endpoint, "fleet", fleet(Instance(b"4"), name="New")))
    assert invoke() == b"4"


def test_a_request_does_not_outlive_its_endpoint(endpoint, invoke):
    endpoint.fleet = fleet(Instance())
    later(lambda: setattr(endpoint, "fleet", None))
    code, message = refusal(invoke)
    assert (code, "not found" in message) == ("ValidationError", True)


def test_after_a_restart_a_request_waits_until_the_endpoint_is_back(endpoint, invoke):
    endpoint.is_returning = True

    def return_():
        endpoint.fleet = fleet(Instance(b"5"))
        endpoint.is_returning = False

    later(return_)
    assert invoke() == b"5"


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (None, 'server error (0) from primary with message "Your invocation timed out'),
        (ConnectionLost("reset"), "server error (500) from primary"),
    ],
)
def test_no_response_is_a_model_error(
    endpoint, metrics, invoke, outcome, words, monkeypatch
):
    monkeypatch.setenv("LOCAL_AWS_INVOCATION_SECONDS", "1")
    instance = Instance(outcome)
    endpoint.fleet = fleet(instance)
    code, message = refusal(invoke)
    assert (code, words in message) == ("ModelError", True), message
    assert instance.in_flight == 0
    assert metrics.are_pending
