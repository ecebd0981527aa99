"""What an operation of SageMaker is: a function of a checked request and its context.

It returns the members of its output, or raises AwsError. Decorating a function with
`operation` is all that it takes to add one.
"""

from collections.abc import Callable
from dataclasses import dataclass

from local_aws import protocol
from local_aws.clients import Clients
from local_aws.hosting.engine import HostingEngine
from local_aws.jobs.engine import JobEngine
from local_aws.persistence.resources import Resources


@dataclass(frozen=True)
class Context:
    """One request's surroundings: the Region it was signed for and the shared parts."""

    region: str
    resources: Resources
    jobs: JobEngine
    hosting: HostingEngine
    clients: Clients


Handler = Callable[[dict, Context], dict]

# By the operation's name; filled as the modules of this package are imported.
HANDLERS: dict[str, Handler] = {}
operation = protocol.registered_in(HANDLERS)
