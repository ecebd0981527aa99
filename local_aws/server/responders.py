"""Who responds for the services of the table, and what the responders share."""

import pkgutil
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from local_aws.installation import Installation
from local_aws.messages import Responder
from local_aws.persistence import Kept
from local_aws.persistence.keeper import Keeper
from local_aws.services import Service, named

if TYPE_CHECKING:
    from local_aws.sagemaker import SageMaker

WORKERS = 32


class Responders:
    """The responders, made on first use."""

    def __init__(self, installation: Installation, sagemaker: "SageMaker") -> None:
        """Open what is persisted of moto's services. Raises StateFileError."""
        self.installation = installation
        self.sagemaker = sagemaker
        self._kept = Kept(installation.home)
        # SageMaker's handlers call S3 and Logs at this same server; with one pool they
        # could fill it and then wait for themselves.
        self.moto_threads = ThreadPoolExecutor(WORKERS, "moto")
        self.own_threads = ThreadPoolExecutor(WORKERS, "sagemaker")
        self._made: dict[str, Responder] = {}
        self._making = threading.RLock()

    def of(self, service: Service) -> Responder:
        """The one that responds for a service."""
        with self._making:
            if service.name not in self._made:
                kind = pkgutil.resolve_name(f"local_aws.{service.responder}")
                self._made[service.name] = kind(service, self)
            return self._made[service.name]

    def release(self) -> None:
        """Let requests that wait for something be answered now."""

    def keeper(self, service: Service) -> Keeper | None:
        """What keeps moto's state of a service on disk."""
        return self._kept.by_service.get(service.signing_name)

    def warm_up(self) -> None:
        """Make what a first lesson needs, ahead of the first call; returns at once."""
        self.moto_threads.submit(self._warm_up)

    def _warm_up(self) -> None:
        for service in ("s3", "iam", "sts"):
            self.of(named(service)).app()
