"""A request to moto held against the service model, as AWS holds it.

moto takes nearly everything, and fails with whatever Python raises where it can't. What
AWS refuses by its model never gets there: a value of another type, a name that the
pattern does not allow, a member that is missing.
"""

from typing import Any

from botocore.model import OperationModel, OperationNotFoundError

from local_aws import errors
from local_aws.errors import AwsError
from local_aws.messages import Request
from local_aws.protocol import constraints, requests


def check(request: Request, name: str) -> dict[str, Any]:
    """The parameters of a request, if the service model allows them.

    Raises AwsError.
    """
    operation = find_operation(request, name)
    shape = operation.input_shape
    if shape is None:
        return {}
    body = requests.unpacked_body(request)
    if request.protocol == "query":
        params = query_parameters(request.head.form(body), operation)
    else:
        params = requests.parse_body(body, shape)
    try:
        constraints.check(params, shape)
    except AwsError as error:
        if error.code == "ValidationException":
            error.code = request.service.validation_error
        raise
    return params


def find_operation(request: Request, name: str) -> OperationModel:
    """The operation in moto's own model, which its parsers need. Raises AwsError."""
    from moto.core.utils import get_service_model

    try:
        return get_service_model(request.service.name).operation_model(name)
    except OperationNotFoundError:
        if request.protocol != "query":
            raise errors.unknown_operation() from None
        version = request.service.metadata["apiVersion"]
        text = f"Could not find operation {name} for version {version}"
        raise AwsError("InvalidAction", text) from None


def query_parameters(form: dict[str, str], operation: OperationModel) -> dict[str, Any]:
    """The parameters of the query protocol in the types of the model.

    Raises AwsError: MalformedInput. The code is AWS's, its texts are not known.
    """
    from moto.core.parse import QueryParser

    try:
        return QueryParser(operation).parse({"values": form})
    except (ValueError, OverflowError, RuntimeError) as error:
        # The last is botocore's, of a time that has no year.
        raise AwsError("MalformedInput", str(error)) from error
