"""The AWS services that are here: one table.

A row says who responds and what is persisted. What AWS says of a service (protocols,
signing name, target prefix, versions, namespaces, URIs) is read from the service
models that botocore ships.
"""

import gzip
import json
import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from local_aws.messages import Head

if TYPE_CHECKING:
    from botocore.loaders import Loader

    from local_aws.protocol.model import ServiceModel

# botocore's names.
WireProtocol = Literal["json", "rest-json", "rest-xml", "query", "smithy-rpc-v2-cbor"]

MEGABYTE = 2**20
# The biggest request but those to S3 is an invocation of an endpoint: 25 MB (SageMaker
# hosting FAQs).
LARGEST_BODY = 26 * MEGABYTE
# Metadata stands at the head of a model, and is shorter than this.
METADATA_BYTES = 4096


@dataclass(frozen=True)
class Service:
    """One AWS service.

    Args:
        name: botocore's name.
        responder: the class that responds, as "module:name" inside local_aws.
        persistence: the class that has moto's part of it on disk, likewise.
        internal_error: code and status of "that is our fault" (the service's model; S3
            API Reference, "Error responses").
        validation_error: the code for what the service model does not allow (recorded
            responses of these services).
        largest_body: bytes that a request may have.
        is_needed_first: whether a lesson's first calls go to it, so that it is made
            ready while they are on their way.
        resumes: whether it goes on by itself, at the start, with what it had begun.
        title: the name that a reader knows, where the service model has another.
    """

    name: str
    responder: str
    persistence: str | None = None
    internal_error: tuple[str, int] = ("InternalFailure", 500)
    validation_error: str = "ValidationException"
    largest_body: int = LARGEST_BODY
    is_needed_first: bool = False
    resumes: bool = False
    title: str | None = None

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """botocore's metadata, without the time that the whole model takes to read."""
        loader = own_data_loader()
        version = loader.determine_latest_version(self.name, "service-2")
        folder = Path(loader.BUILTIN_DATA_PATH, self.name, version)
        with gzip.open(folder / "service-2.json.gz", "rt", encoding="utf-8") as file:
            head = file.read(METADATA_BYTES)
        start = re.search(r'"metadata"\s*:\s*', head).end()
        return json.JSONDecoder().raw_decode(head, start)[0]

    @cached_property
    def model(self) -> "ServiceModel":
        """The whole service model. SageMaker's takes 50 ms."""
        from local_aws.protocol.model import ServiceModel

        return ServiceModel(
            own_data_loader().load_service_model(self.name, "service-2")
        )

    @cached_property
    def protocols(self) -> tuple[WireProtocol, ...]:
        """The protocols that the service speaks."""
        return tuple(self.metadata.get("protocols") or [self.metadata["protocol"]])

    @cached_property
    def signing_name(self) -> str:
        """The name in the scope of a signature."""
        return self.metadata.get("signingName") or self.metadata["endpointPrefix"]

    @property
    def target_prefix(self) -> str | None:
        """What stands before the operation in X-Amz-Target."""
        return self.metadata.get("targetPrefix")

    @property
    def full_name(self) -> str:
        """The name that a reader knows."""
        return self.title or self.metadata["serviceFullName"]

    @property
    def signs_as_s3(self) -> bool:
        """Whether a signature takes the path as it is and declares the body's hash."""
        return self.metadata.get("signatureVersion") == "s3"


# In one part it takes 5 GB (S3 User Guide, "Multipart upload limits").
S3 = Service(
    "s3",
    "moto_services.s3:S3",
    "persistence.s3:S3Persistence",
    ("InternalError", 500),
    largest_body=5 * 2**30,
    is_needed_first=True,
)

SERVICES = (
    S3,
    Service(
        "iam",
        "moto_services.iam:Iam",
        "persistence.iam:IamPersistence",
        ("ServiceFailure", 500),
        "ValidationError",
        is_needed_first=True,
    ),
    Service(
        "sts",
        "moto_services.iam:Sts",
        validation_error="ValidationError",
        is_needed_first=True,
    ),
    Service(
        "logs",
        "moto_services.logs:Logs",
        "persistence.logs:LogsPersistence",
        ("ServiceUnavailableException", 503),
        "InvalidParameterException",
    ),
    Service(
        "cloudwatch",
        "moto_services.cloudwatch:CloudWatch",
        "persistence.cloudwatch:CloudWatchPersistence",
        ("InternalServiceError", 500),
        "ValidationError",
    ),
    Service(
        "budgets",
        "moto_services.budgets:Budgets",
        "persistence.budgets:BudgetsPersistence",
        ("InternalErrorException", 500),
        "InvalidParameterException",
    ),
    Service("sagemaker", "sagemaker.service:ControlPlane"),
    Service("sagemaker-runtime", "hosting.service:Runtime"),
    # A function's zip comes in base64, in a request of 67 MB at most.
    Service(
        "lambda",
        "functions.service:Lambda",
        internal_error=("ServiceException", 500),
        largest_body=68 * MEGABYTE,
        resumes=True,
    ),
    Service(
        "apigatewayv2",
        "http_apis.service:HttpApis",
        validation_error="BadRequestException",
        resumes=True,
        title="Amazon API Gateway",
    ),
)


def named(name: str) -> Service:
    """The service that botocore calls `name`."""
    return next(service for service in SERVICES if service.name == name)


def of_signature(signing_name: str, head: Head) -> Service | None:
    """The service that a signed request is for; None if it is not here."""
    services = [s for s in SERVICES if s.signing_name == signing_name]
    spoken = _spoken(head)
    fitting = (s for s in services if spoken in s.protocols)
    return next(fitting, services[0] if services else None)


def of_target(head: Head) -> Service | None:
    """The service that the request's X-Amz-Target belongs to."""
    prefix, _ = head.target
    return next((s for s in SERVICES if prefix and s.target_prefix == prefix), None)


def of_unsigned(head: Head, body: bytes) -> Service | None:
    """The service that an unsigned request seems to be meant for.

    `body` is needed of forms only. None: a service that is not here.
    """
    if head.header("x-amz-target"):
        return of_target(head)
    for service in SERVICES:
        has_uris = "rest-json" in service.protocols
        if has_uris and service.model.find_operation(head.method, head.raw_path):
            return service
    parameters = head.form(body)
    if "Action" not in parameters:
        return S3  # whose paths can be anything
    version = parameters.get("Version")
    queried = [s for s in SERVICES if "query" in s.protocols]
    meant = (s for s in queried if s.metadata["apiVersion"] == version)
    return next(meant, queried[0])


def protocol_of(service: Service | None, head: Head) -> WireProtocol:
    """The protocol that a request is in, and in which its client expects an error."""
    spoken = _spoken(head)
    if service is None or spoken in service.protocols:
        return spoken
    return "query" if "query" in service.protocols else service.protocols[0]


def _spoken(head: Head) -> WireProtocol:
    """The protocol by the request's headers alone."""
    if head.header("smithy-protocol") == "rpc-v2-cbor":
        return "smithy-rpc-v2-cbor"
    if head.header("x-amz-target"):
        return "json"
    return "query" if head.is_form else "rest-json"


@lru_cache(maxsize=1)
def own_data_loader() -> "Loader":
    """A loader of the data inside the botocore package.

    Models of the user's own (~/.aws/models, AWS_DATA_PATH) must not change what the
    stand-in accepts.
    """
    from botocore.loaders import Loader

    return Loader(
        extra_search_paths=[Loader.BUILTIN_DATA_PATH],
        include_default_search_paths=False,
    )
