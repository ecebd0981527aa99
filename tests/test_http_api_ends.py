"""HTTP APIs that can't be served, and what comes while the stand-in stops."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from socket import socket
from types import SimpleNamespace

import pytest

from local_aws.errors import AwsError
from local_aws.http_apis import apis as apis_module
from local_aws.http_apis import configuration
from local_aws.http_apis.apis import Apis
from local_aws.http_apis.configuration import KIND
from local_aws.http_apis.listeners import Listeners, _Served
from local_aws.http_apis.service import HttpApis
from local_aws.persistence.resources import Resources
from local_aws.services import named

REGION = "us-east-1"
PATIENCE_S = 60


@pytest.fixture
def apis(tmp_path: Path) -> Iterator[Apis]:
    resources = Resources(tmp_path / "resources")
    made = Apis(resources, None, tmp_path)
    yield made
    if made._listeners._thread.is_alive():
        made.close()
    resources.close()


def create(apis: Apis) -> dict:
    record = configuration.new_api(REGION, {"Name": "a"})
    apis.create(REGION, record)
    return record


def known(apis: Apis) -> list:
    return list(apis.resources.all_records(KIND))


def test_one_that_can_not_be_served_is_not_there(apis, monkeypatch) -> None:
    sockets = []

    async def fail(served: _Served, listeners: Listeners, listener: socket) -> None:
        sockets.append(listener)
        raise OSError("too many open files")

    record = configuration.new_api(REGION, {"Name": "a"})
    monkeypatch.setattr(_Served, "start", fail)
    with pytest.raises(OSError, match="too many open files"):
        apis.create(REGION, record)
    assert known(apis) == []
    apis.resources.create(REGION, KIND, record["ApiId"], record)
    apis.restore()  # which logs it
    assert [each.fileno() for each in sockets] == [-1, -1]
    assert len(known(apis)) == 1


def test_there_are_only_so_many(apis, monkeypatch) -> None:
    monkeypatch.setattr(apis_module, "MOST_APIS", 2)
    one, _ = create(apis), create(apis)
    with pytest.raises(AwsError, match="serves 2 HTTP APIs at most") as caught:
        create(apis)
    assert caught.value.code == "BadRequestException"
    assert len(known(apis)) == 2
    apis.delete(REGION, one["ApiId"])
    create(apis)


def test_one_that_is_created_at_the_end(apis, monkeypatch) -> None:
    start, entered = _Served.start, threading.Event()

    async def slow(*arguments: object) -> None:
        entered.set()
        await asyncio.sleep(0.2)
        await start(*arguments)

    monkeypatch.setattr(_Served, "start", slow)
    creating = threading.Thread(target=create, args=[apis], daemon=True)
    creating.start()
    assert entered.wait(PATIENCE_S)
    apis.close()
    creating.join(PATIENCE_S)
    assert not creating.is_alive()
    [(_, api_id, _)] = known(apis)
    with pytest.raises(RuntimeError, match="closed"):
        create(apis)
    assert len(known(apis)) == 1
    apis.delete(REGION, api_id)
    assert known(apis) == []


def test_a_server_that_ends_while_it_starts_has_no_apis_to_end() -> None:
    at_stop = []

    def of(service):
        """Comes before the APIs are there."""
        asyncio.run(at_stop[0]())
        raise InterruptedError("they are not made")

    responders = SimpleNamespace(
        own_threads=None,
        on_stop=at_stop.append,
        of=of,
        sagemaker=SimpleNamespace(resources=None),
    )
    with pytest.raises(InterruptedError, match="not made"):
        HttpApis(named("apigatewayv2"), responders)
