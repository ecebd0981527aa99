"""Calling a container's server in the tests of its serving program."""

import contextlib
import http.client
import random
import socket
import time


def free_port():
    """A port that nobody listens at, and that nobody will be given meanwhile.

    Those that the system gives away begin at 32768 on Linux, elsewhere above.
    """
    while True:
        port = random.randrange(10_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as free:
            free.bind(("127.0.0.1", port))
            return port


class UnixConnection(http.client.HTTPConnection):
    """A connection to a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def request(connection, method, path, body=None, **headers):
    """Send a request; returns the response's status and text."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, named)
    response = connection.getresponse()
    return response.status, response.read().decode()


def wait_until_it_listens(connect, process):
    """The connection that `connect` makes, once there is a server."""
    for _ in range(4000):
        assert process.poll() is None, process.stdout.read()
        try:
            connection = connect()
            connection.connect()
        except OSError:
            time.sleep(0.025)
        else:
            return connection
    raise TimeoutError("the server does not listen")
