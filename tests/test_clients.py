"""The clients by which the stand-in's own parts reach it."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from local_aws.clients import Clients

THREADS = 8


@pytest.fixture
def _eager_switching():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_eager_switching")
def test_an_error_is_of_one_class_for_all_threads(stand_in):
    """Two threads that begin to log at once: one creates the group, and the other has
    to know the error for what it is.
    """
    for _ in range(10):
        clients = Clients(stand_in.installation, stand_in.endpoint, lambda arn: None)
        together = threading.Barrier(THREADS)

        def error_class(clients=clients, together=together):
            logs = clients.logs("us-east-1")
            together.wait()
            return logs.exceptions.ResourceAlreadyExistsException

        with ThreadPoolExecutor(THREADS) as pool:
            classes = [pool.submit(error_class) for _ in range(THREADS)]
        assert len({found.result() for found in classes}) == 1
