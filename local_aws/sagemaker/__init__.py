"""SageMaker's operations: one module per family of resources."""

from collections.abc import Callable
from dataclasses import dataclass

from local_aws.clients import Clients
from local_aws.hosting.engine import HostingEngine
from local_aws.hosting.invocation import Invoker
from local_aws.installation import ACCOUNT_ID, Installation
from local_aws.jobs.engine import JobEngine
from local_aws.persistence.resources import Resources
from local_aws.runtime.container_process import dispatcher
from local_aws.sagemaker import (
    endpoint_configs,
    endpoints,
    models,
    notebook_instances,
    tags,
    training_jobs,
    transform_jobs,
)
from local_aws.sagemaker.context import Context

HANDLERS: dict[str, Callable[[dict, Context], dict]] = {
    "AddTags": tags.add_tags,
    "CreateEndpoint": endpoints.create_endpoint,
    "CreateEndpointConfig": endpoint_configs.create_endpoint_config,
    "CreateModel": models.create_model,
    "CreateNotebookInstance": notebook_instances.create_notebook_instance,
    "CreateTrainingJob": training_jobs.create_training_job,
    "CreateTransformJob": transform_jobs.create_transform_job,
    "DeleteEndpoint": endpoints.delete_endpoint,
    "DeleteEndpointConfig": endpoint_configs.delete_endpoint_config,
    "DeleteModel": models.delete_model,
    "DeleteNotebookInstance": notebook_instances.delete_notebook_instance,
    "DeleteTags": tags.delete_tags,
    "DeleteTrainingJob": training_jobs.delete_training_job,
    "DescribeEndpoint": endpoints.describe_endpoint,
    "DescribeEndpointConfig": endpoint_configs.describe_endpoint_config,
    "DescribeModel": models.describe_model,
    "DescribeNotebookInstance": notebook_instances.describe_notebook_instance,
    "DescribeTrainingJob": training_jobs.describe_training_job,
    "DescribeTransformJob": transform_jobs.describe_transform_job,
    "ListEndpointConfigs": endpoint_configs.list_endpoint_configs,
    "ListEndpoints": endpoints.list_endpoints,
    "ListModels": models.list_models,
    "ListNotebookInstances": notebook_instances.list_notebook_instances,
    "ListTags": tags.list_tags,
    "ListTrainingJobs": training_jobs.list_training_jobs,
    "ListTransformJobs": transform_jobs.list_transform_jobs,
    "StartNotebookInstance": notebook_instances.start_notebook_instance,
    "StopNotebookInstance": notebook_instances.stop_notebook_instance,
    "StopTrainingJob": training_jobs.stop_training_job,
    "StopTransformJob": transform_jobs.stop_transform_job,
    "UpdateEndpoint": endpoints.update_endpoint,
    "UpdateEndpointWeightsAndCapacities": (
        endpoints.update_endpoint_weights_and_capacities
    ),
}


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
        return Context(
            region, ACCOUNT_ID, self.resources, self.jobs, self.hosting, self.clients
        )

    def close(self) -> None:
        """End the running jobs and close the resources."""
        self.hosting.close()
        self.jobs.close()
        self.resources.close()


def open_context(installation: Installation, clients: Clients) -> SageMaker:
    """Open the installation's state; raises StateFileError."""
    dispatcher()  # its fork server imports while the rest starts
    resources = Resources(installation.home / "sagemaker.sqlite")
    hosting = HostingEngine(resources, clients, installation.home / "endpoints")
    service = SageMaker(
        resources,
        JobEngine(resources, clients, installation.home / "jobs"),
        hosting,
        Invoker(hosting, clients, ACCOUNT_ID),
        clients,
    )
    hosting.restore()
    return service
