"""Users share one stand-in, and it lives as long as its last user."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from conftest import start_stand_in, stop_stand_in

from local_aws import lifetime
from local_aws.installation import CHECKOUT, HOME_VARIABLE, HOST, open_installation

PATIENCE_S = 60


def start_exec(home: Path, *command: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "local_aws", "exec", "--", *command],
        cwd=CHECKOUT,
        env=os.environ | {HOME_VARIABLE: str(home)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def waiting_user(home: Path) -> subprocess.Popen:
    """A user that has its stand-in and stays until it is told to go."""
    user = start_exec(home, "sh", "-c", "echo ready; read line")
    assert user.stdout.readline() == "ready\n", user.communicate()
    return user


def eventually(condition) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def server_is_gone(home: Path) -> bool:
    """Whether nobody holds server.lock any more."""
    descriptor = lifetime.try_server_lock(open_installation(home))
    if descriptor is None:
        return False
    os.close(descriptor)
    return True


def starts(home: Path) -> int:
    """How many servers the log, which each new one begins afresh, tells of."""
    return (home / "server.log").read_text().count("Started server process")


def test_two_users_share_one_stand_in(home) -> None:
    both = [start_exec(home, "sh", "-c", "echo ready; read line") for _ in range(2)]
    assert [user.stdout.readline() for user in both] == ["ready\n"] * 2
    assert lifetime.is_responding(open_installation(home), PATIENCE_S)
    assert starts(home) == 1
    first, second = both
    first.communicate("go\n")
    # More than one look of the server at its users later, it is still there.
    time.sleep(1.5)
    assert lifetime.is_responding(open_installation(home), PATIENCE_S)
    second.communicate("go\n")
    assert eventually(lambda: server_is_gone(home))
    assert not lifetime.is_responding(open_installation(home))


def test_it_ends_when_its_users_are_killed(home) -> None:
    users = [waiting_user(home), waiting_user(home)]
    for user in users:
        user.kill()
        user.communicate()
    assert eventually(lambda: server_is_gone(home))


def test_a_user_that_comes_while_it_ends_gets_a_new_one(home) -> None:
    for moment_s in (0.1, 0.5):
        user = waiting_user(home)
        user.communicate("go\n")
        time.sleep(moment_s)  # before or about when the server notices
    user = waiting_user(home)
    assert lifetime.is_responding(open_installation(home), PATIENCE_S)
    user.communicate("go\n")
    assert eventually(lambda: server_is_gone(home))


def test_join_keeps_it_until_the_process_ends(home) -> None:
    code = (
        "import sys; from pathlib import Path; from local_aws.lifetime import join;"
        "environment = join(Path(sys.argv[1])); again = join(Path(sys.argv[1]));"
        "assert environment == again;"
        "print(environment['AWS_CONFIG_FILE'], flush=True); input()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(home)],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().strip() == str(home / "aws" / "config")
    assert lifetime.is_responding(open_installation(home), PATIENCE_S)
    process.communicate("go\n")
    assert process.returncode == 0
    assert eventually(lambda: server_is_gone(home))


def test_what_the_command_leaves_behind_is_a_user_too(home) -> None:
    """A command that ends before its own child does not take the server away."""
    # A high descriptor: the command has inherited the lock at a low one.
    child = "exec 9<&0; (read line <&9; echo late) & echo ready"
    user = start_exec(home, "sh", "-c", child)
    assert user.stdout.readline() == "ready\n"
    user.wait()
    time.sleep(1.2)  # more than one look of the server at its users
    assert lifetime.is_responding(open_installation(home), PATIENCE_S)
    user.stdin.write("go\n")
    user.stdin.flush()
    assert user.stdout.readline() == "late\n"
    user.communicate()
    assert eventually(lambda: server_is_gone(home))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_foreground_server(home, number) -> None:
    stand_in = start_stand_in(home)
    stand_in.process.send_signal(number)
    assert stand_in.process.wait(PATIENCE_S) == 0
    assert server_is_gone(home)
    assert "Traceback" not in (home / "printed").read_text()


def test_a_second_server_on_one_folder_is_refused(home) -> None:
    stand_in = start_stand_in(home)
    second = subprocess.run(
        [sys.executable, "-m", "local_aws"],
        cwd=CHECKOUT,
        env=os.environ | {HOME_VARIABLE: str(home)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert second.returncode == 1
    assert second.stderr.startswith("local_aws: a stand-in already serves")
    assert stand_in.endpoint in second.stderr
    # A command just uses the one that is there.
    user = start_exec(home, "sh", "-c", 'cat "$AWS_CONFIG_FILE"')
    printed, _ = user.communicate()
    assert f"endpoint_url = {stand_in.endpoint}\n" in printed
    assert not (home / "server.log").exists()
    stop_stand_in(stand_in)


def test_a_server_in_front_waits_for_one_that_is_about_to_end(home) -> None:
    """One whose last user has just gone takes a moment to notice."""
    its_lock = lifetime.try_server_lock(open_installation(home))
    threading.Timer(2, os.close, [its_lock]).start()
    stop_stand_in(start_stand_in(home))


def test_the_port_is_kept_if_it_is_free(home) -> None:
    stand_in = start_stand_in(home)
    port = stand_in.installation.port
    assert stop_stand_in(stand_in).startswith("local_aws serves ")
    stand_in = start_stand_in(home)
    assert stand_in.installation.port == port
    stop_stand_in(stand_in)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((HOST, port))
        other.listen()
        stand_in = start_stand_in(home)
        assert stand_in.installation.port != port
        stop_stand_in(stand_in)


def addresses_bound(process: psutil.Process) -> set[str]:
    """Where a process and its descendants take connections by TCP, or receive UDP."""
    found = []
    for member in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
            found += member.net_connections(kind="inet")
    return {
        connection.laddr.ip
        for connection in found
        if connection.status in (psutil.CONN_LISTEN, psutil.CONN_NONE)
    }


def test_only_loopback_is_bound(stand_in) -> None:
    assert addresses_bound(psutil.Process(stand_in.process.pid)) == {HOST}


@pytest.mark.parametrize(
    ("kind", "address"),
    [("SOCK_STREAM", "0.0.0.0"), ("SOCK_DGRAM", "0.0.0.0"), ("SOCK_STREAM", "::")],
)
def test_a_child_that_is_bound_to_all_addresses_is_found(kind, address) -> None:
    family = "AF_INET6" if address == "::" else "AF_INET"
    child = (
        f"import socket as s; bound = s.socket(s.{family}, s.{kind})\n"
        f"bound.bind(({address!r}, 0))\n"
        f"{'bound.listen()' if kind == 'SOCK_STREAM' else ''}\n"
        "print('bound', flush=True); input()"
    )
    parent = f"import subprocess as s, sys; s.run([sys.executable, '-c', {child!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", parent],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "bound\n"
        assert addresses_bound(psutil.Process(process.pid)) == {address}
        process.communicate("\n")


def test_the_reason_of_a_failed_start_is_shown(home) -> None:
    (home / "sagemaker.sqlite").mkdir()
    failed = start_exec(home, "true")
    _, errors = failed.communicate()
    assert failed.returncode == 1
    assert "could not be started" in errors
    assert "sagemaker.sqlite" in errors
    assert server_is_gone(home)


def test_a_killed_server_is_replaced(home) -> None:
    """No lock is stale: kill -9 leaves nothing that keeps the next from starting."""
    stand_in = start_stand_in(home)
    stand_in.process.kill()
    stand_in.process.wait()
    user = waiting_user(home)
    assert lifetime.is_responding(open_installation(home), PATIENCE_S)
    user.communicate("go\n")
    assert eventually(lambda: server_is_gone(home))
