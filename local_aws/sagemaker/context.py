"""What an operation is given besides its request."""

from dataclasses import dataclass

from local_aws.clients import Clients
from local_aws.hosting.engine import HostingEngine
from local_aws.jobs.engine import JobEngine
from local_aws.persistence.resources import Resources


@dataclass(frozen=True)
class Context:
    """One request's surroundings: the Region it was signed for and the shared parts."""

    region: str
    account_id: str
    resources: Resources
    jobs: JobEngine
    hosting: HostingEngine
    clients: Clients

    def arn(self, resource_type: str, name: str) -> str:
        """The ARN of a resource; AWS lower-cases the name inside it."""
        return (
            f"arn:aws:sagemaker:{self.region}:{self.account_id}:"
            f"{resource_type}/{name.lower()}"
        )
