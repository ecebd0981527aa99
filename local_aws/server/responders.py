"""Who responds for the services of the table, and what the responders share."""

import asyncio
import logging
import pkgutil
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from local_aws.errors import StorageError
from local_aws.installation import Installation, InstallationError
from local_aws.messages import Responder
from local_aws.persistence import MOTO_DATABASE
from local_aws.persistence.moto_database import open_moto_database
from local_aws.persistence.service import ServicePersistence
from local_aws.services import SERVICES, Service

if TYPE_CHECKING:
    from local_aws.sagemaker import SageMaker

log = logging.getLogger(__name__)

WORKERS = 32


class Responders:
    """The responders, made on first use."""

    def __init__(self, installation: Installation, sagemaker: "SageMaker") -> None:
        """Open what is persisted of moto's services. Raises StateFileError."""
        self.installation = installation
        self.sagemaker = sagemaker
        self._database = open_moto_database(installation.home / MOTO_DATABASE)
        # SageMaker's handlers call S3 and Logs at this same server; with one pool they
        # could fill it and then wait for themselves.
        self.moto_threads = ThreadPoolExecutor(WORKERS, "moto")
        self.own_threads = ThreadPoolExecutor(WORKERS, "sagemaker")
        self._made: dict[str, Responder] = {}
        self._making = threading.RLock()
        # moto's modules import each other in circles, which two threads can't do at
        # the same time.
        self.making_moto = threading.RLock()
        self._is_stopping = False
        self._at_stop: list[Callable[[], Awaitable[None]]] = []

    def of(self, service: Service) -> Responder:
        """The one that responds for a service."""
        with self._making:
            if service.name not in self._made:
                kind = pkgutil.resolve_name(f"local_aws.{service.responder}")
                self._made[service.name] = kind(service, self)
            return self._made[service.name]

    def on_stop(self, call: Callable[[], Awaitable[None]]) -> None:
        """Call this when the server is to stop, while all still respond."""
        self._at_stop.append(call)

    async def stop(self) -> None:
        """Let requests that wait for something end; hand over what is held back."""
        self._is_stopping = True
        last = partial(asyncio.to_thread, self.sagemaker.prepare_to_close)
        for call in (*self._at_stop, last):
            try:
                await call()
            except Exception:  # the others' turn comes all the same
                log.exception("a service could not be stopped")

    def persistence(self, service: Service) -> ServicePersistence | None:
        """What has moto's state of a service on disk; imports moto."""
        if service.persistence is None:
            return None
        kind = pkgutil.resolve_name(f"local_aws.{service.persistence}")
        return kind(self._database)

    def warm_up(self) -> None:
        """Make what a first lesson needs, ahead of the first call, and what goes on
        with what it had begun; returns at once.
        """
        first = [service for service in SERVICES if service.is_needed_first]
        going_on = [service for service in SERVICES if service.resumes]
        # Importing moto takes seconds, which what goes on need not wait for.
        self.own_threads.submit(self._make, going_on)
        self.moto_threads.submit(self._make, first)

    def _make(self, services: Sequence[Service]) -> None:
        for service in services:
            try:
                made = self.of(service)
                if service.is_needed_first:
                    made.app()
            except Exception as error:
                if self._is_stopping:
                    return  # what it needs may be closed by now
                if isinstance(error, (InstallationError, StorageError)):
                    log.error("%s: %s", service.name, error)
                else:
                    log.exception(
                        "%s can't be made ahead of its requests", service.name
                    )
