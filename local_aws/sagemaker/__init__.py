"""SageMaker's operations: one module per family of resources."""

from dataclasses import dataclass

from local_aws.clients import Clients
from local_aws.hosting.engine import HostingEngine
from local_aws.hosting.invocation import Invoker
from local_aws.installation import ACCOUNT_ID, Installation
from local_aws.jobs.engine import JobEngine
from local_aws.persistence import SAGEMAKER_DATABASE
from local_aws.persistence.resources import Resources
from local_aws.runtime import short_names
from local_aws.runtime.dispatcher import dispatcher
from local_aws.sagemaker import (  # noqa: F401 - each registers its operations
    endpoint_configs,
    endpoints,
    models,
    notebook_instances,
    tags,
    training_jobs,
    transform_jobs,
    tuning_jobs,
)
from local_aws.sagemaker.operations import HANDLERS, Context

__all__ = ["HANDLERS", "SageMaker", "open_context"]


@dataclass(frozen=True)
class SageMaker:
    """The service's state: open while the stand-in runs."""

    resources: Resources
    jobs: JobEngine
    hosting: HostingEngine
    invoker: Invoker
    clients: Clients

    def for_region(self, region: str) -> Context:
        """What an operation in this Region is given."""
        return Context(region, self.resources, self.jobs, self.hosting, self.clients)

    def prepare_to_close(self) -> None:
        """End the running jobs, while the services that they write to still respond."""
        self.hosting.prepare_to_close()
        self.jobs.prepare_to_close()

    def close(self) -> None:
        """End what runs and close the resources."""
        self.hosting.close()
        self.jobs.close()
        self.resources.close()


def open_context(installation: Installation, clients: Clients) -> SageMaker:
    """Open the installation's state; raises StateFileError."""
    dispatcher()  # its fork server imports while the rest starts
    short_names.remove_left_overs(installation.home)
    resources = Resources(installation.home / SAGEMAKER_DATABASE)
    hosting = HostingEngine(resources, clients, installation.home / "endpoints")
    with resources.must_be_readable():
        jobs = JobEngine(resources, clients, installation.home / "jobs")
        hosting.restore()
        jobs.restore()
    invoker = Invoker(hosting, ACCOUNT_ID)
    return SageMaker(resources, jobs, hosting, invoker, clients)
