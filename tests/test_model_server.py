"""Serving containers: when one counts as healthy, and what its end leaves."""

import asyncio
import contextlib
import errno
import os
import shutil
import socket
import time
from types import SimpleNamespace

import pytest

from local_aws.containers.images import IMAGES
from local_aws.runtime import model_server, short_names
from local_aws.runtime.container_client import ConnectionLost
from local_aws.runtime.model_server import ModelServer, NotHealthy

IMAGE = SimpleNamespace(module="odd_container", tag="1")


@pytest.fixture
def serve(tmp_path):
    """A function that starts a container with these statuses of /ping."""
    started = []

    def serve(ping, root=tmp_path, on_output=lambda chunk: None, **environment):
        environment["PING"] = ping
        server = ModelServer(IMAGE, root, environment, on_output)
        started.append(server)
        return server

    yield serve
    for server in started:
        server.kill()


def wait(server, seconds=60):
    server.wait_until_healthy(lambda: False, seconds)


@pytest.mark.parametrize("loading", ["503 503 503 503 503", "404 502 503 429 204"])
def test_a_container_that_is_loading_is_waited_for(serve, loading):
    server = serve(f"{loading} 200")
    wait(server)
    assert server._ping() == 200


def test_a_failure_now_and_then_is_not_final(serve):
    """Though a whole second of failures is, and the machine may be slow."""
    wait(serve("500 503 " * 150 + "200", EACH_PING="yes"))


def test_a_ping_that_goes_on_failing_is_final(serve):
    with pytest.raises(NotHealthy, match="fails with status 500"):
        wait(serve("500"))


def test_loading_ends_with_the_start_up_window(serve):
    server = serve("503")
    began = time.monotonic()
    with pytest.raises(NotHealthy, match="in time"):
        wait(server, seconds=2.5)
    assert 2.4 < time.monotonic() - began < 60


def test_waiting_can_be_given_up(serve):
    began = time.monotonic()
    with pytest.raises(NotHealthy):
        serve("503").wait_until_healthy(lambda: time.monotonic() > began + 0.5, 120)
    assert time.monotonic() - began < 120


def test_a_container_that_ends_is_not_healthy(serve):
    with pytest.raises(NotHealthy, match="ended with code 1"):
        wait(serve("not a number"))


def test_a_log_that_takes_no_more_is_not_the_containers_fault(serve):
    def full(chunk):
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        wait(serve("no number", on_output=full))


def test_a_base_folder_of_the_users_is_not_taken(serve, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    mine = {"SAGEMAKER_BIND_TO_UNIX_SOCKET": str(elsewhere), "HOME": str(elsewhere)}
    server = serve("200", SAGEMAKER_BASE_DIR=str(elsewhere), **mine)
    wait(server)
    assert not elsewhere.exists()
    said = server.invoke(b"environment", {}, 30).content.decode()
    assert str(elsewhere) not in said


def test_invocations_in_both_ways(serve):
    server = serve("200")
    wait(server)
    assert server.invoke(b"123", {}, 5).content == b"321"
    assert asyncio.run(server.invoke_async(b"123", {})).content == b"321"


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_its_end_leaves_no_socket(serve, end):
    server = serve("200")
    wait(server)
    assert server.socket.exists()
    getattr(server, end)()
    assert not server.socket.parent.exists()


def test_a_socket_that_is_made_during_its_removal_does_not_stay(serve, monkeypatch):
    server = serve("200")
    wait(server)
    remove, removals = shutil.rmtree, []

    def remove_too_early(folder, **options):
        removals.append(folder)
        if len(removals) == 1:  # the folder gets a socket between two steps of this
            for path in folder.iterdir():
                path.unlink()
            (folder / "socket").touch()
        else:
            remove(folder, **options)

    monkeypatch.setattr(shutil, "rmtree", remove_too_early)
    server.kill()
    assert not server.socket.parent.exists()


def test_one_that_can_t_be_started_leaves_no_folder(tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise OSError(errno.EAGAIN, "no process more")

    monkeypatch.setattr(short_names, "PARENT", tmp_path)
    monkeypatch.setattr(model_server, "ContainerProcess", fail)
    with pytest.raises(OSError, match="no process more"):
        ModelServer(IMAGES[0], tmp_path, {}, print)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", ["nothing", "socket"])
def test_what_a_cut_off_removal_has_left_is_removed(tmp_path, monkeypatch, content):
    monkeypatch.setattr(short_names, "PARENT", tmp_path)
    old, new, other = (tmp_path / f"sagemaker-{name}" for name in "abc")
    with contextlib.ExitStack() as sockets:
        for folder in (old, new, other):
            folder.mkdir()
            if content == "socket":
                one = sockets.enter_context(socket.socket(socket.AF_UNIX))
                monkeypatch.chdir(folder)  # for a path that is short enough
                one.bind("socket")
    (other / "notes.txt").touch()
    (tmp_path / "sagemaker-file").touch()
    for path in (old, other, tmp_path / "sagemaker-file"):
        os.utime(path, (0, 0))
    short_names.remove_left_overs(tmp_path / "home")
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["sagemaker-b", "sagemaker-c", "sagemaker-file"]


def die(server):
    """Have the container end by itself: it leaves its socket."""
    wait(server)
    with pytest.raises(ConnectionLost):
        server.invoke(b"die", {}, 30)
    deadline = time.monotonic() + 30
    while server.exit_code is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert server.socket.exists()


def test_left_overs_of_a_home_are_removed(serve, tmp_path, monkeypatch):
    mine, other = tmp_path / "mine", tmp_path / "mine-too"
    for folder in (mine, other):
        folder.mkdir()
    servers = [serve("200", folder) for folder in (mine, other)]
    for server in servers:
        die(server)
    somebody_elses = short_names.PARENT / f"sagemaker-test-{os.getpid()}"
    somebody_elses.mkdir()
    try:
        (somebody_elses / "container").write_text("no link")
        short_names.remove_left_overs(mine)
        assert [server.socket.parent.exists() for server in servers] == [False, True]
        assert somebody_elses.exists()
        # What belongs to another user is left alone.
        monkeypatch.setattr(os, "getuid", lambda: os.geteuid() + 1)
        short_names.remove_left_overs(other)
        assert servers[1].socket.parent.exists()
        # A container whose folder is gone has ended.
        monkeypatch.undo()
        other.rmdir()
        short_names.remove_left_overs(mine)
        assert not servers[1].socket.parent.exists()
    finally:
        (somebody_elses / "container").unlink()
        somebody_elses.rmdir()
