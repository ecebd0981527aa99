"""The JSON protocols of AWS (json and rest-json), driven by botocore's service models.

This package knows service models and nothing of the operations behind them: it finds
the operation, reads and checks its parameters, and writes the response or the error.
"""

import logging
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from botocore.model import OperationModel

from local_aws import errors
from local_aws.errors import AwsError, StorageError
from local_aws.messages import Request, Response
from local_aws.protocol import constraints, requests, responses, rest

log = logging.getLogger(__name__)

Handler = Callable[[dict[str, Any], Any], dict[str, Any] | None]
H = TypeVar("H", bound=Callable)


def registered_in(handlers: dict[str, H]) -> Callable[[str], Callable[[H], H]]:
    """The decorator that makes a function the handler of the operation it names."""

    def operation(name: str) -> Callable[[H], H]:
        def register(handler: H) -> H:
            handlers[name] = handler
            return handler

        return register

    return operation


@dataclass(frozen=True)
class Handled:
    """A response, and what was asked and found if there was no error."""

    response: Response
    operation: str = ""
    params: Mapping[str, Any] | None = None
    result: Mapping[str, Any] | None = None


def handle(request: Request, handlers: Mapping[str, Handler], context: Any) -> Handled:
    """Let the handler of the operation respond. Nothing is raised.

    Args:
        request: in one of the JSON protocols.
        handlers: by the operation's name; called with the checked parameters and
            `context`. They return members of the output shape by their names, or raise
            AwsError.
        context: handed on to the handler.
    """
    request_id = str(uuid.uuid4())
    try:
        operation, params = read(request, handlers)
        result = handlers[operation.name](params, context)
        response = write(result, operation, request, request_id)
    except Exception as error:  # noqa: BLE001 - failure() logs it
        return Handled(failure(error, request, request_id))
    return Handled(response, operation.name, params, result)


def failure(error: Exception, request: Request, request_id: str) -> Response:
    """The response to a request whose handling raised.

    A client must get a response in AWS's form whatever a handler did, and must not see
    a stack trace. The trace goes to the server's log, under the request id that the
    client can read.
    """
    if isinstance(error, StorageError):
        log.error("%s: %s", request.service.name, error)
        error = errors.state_unusable(request.service, error)
    elif not isinstance(error, AwsError):
        log.error(
            "%s %s failed, request id %s",
            request.service.name,
            request.head.target[1] or request.head.raw_path,
            request_id,
            exc_info=error,
        )
        error = errors.internal_failure()
    return errors.render(error, request.protocol, request.service, request_id)


def read(
    request: Request, built: Collection[str]
) -> tuple[OperationModel, dict[str, Any]]:
    """The operation that is asked for and its checked parameters.

    `built` holds the names of the operations that are here. Raises AwsError.
    """
    operation, labels = _find(request)
    if operation is None:
        raise errors.unknown_operation()
    if operation.name not in built:
        raise errors.operation_not_built(request.service, operation.name)
    body = request.body.read()
    if request.protocol == "rest-json":
        params = rest.parse(request.head, labels, body, operation.input_shape)
    else:
        params = requests.parse_body(body, operation.input_shape)
    if operation.input_shape is not None:
        constraints.check(params, operation.input_shape)
    return operation, params


def _find(request: Request) -> tuple[OperationModel | None, dict[str, str]]:
    """The operation and the values in the request's path."""
    model, head = request.service.model, request.head
    if request.protocol == "rest-json":
        return model.find_operation(head.method, head.raw_path) or (None, {})
    prefix, name = head.target
    is_ours = prefix == request.service.target_prefix
    return model.operation(name) if is_ours else None, {}


def write(
    result: dict[str, Any] | None,
    operation: OperationModel,
    request: Request,
    request_id: str,
) -> Response:
    """A handler's result as the operation's output shape says.

    Raises ResultError when it does not fit that.
    """
    if request.protocol == "rest-json":
        status, headers, body = rest.serialize(result, operation)
    else:
        version = request.service.metadata["jsonVersion"]
        status, headers = 200, [("Content-Type", f"application/x-amz-json-{version}")]
        body = responses.serialize(result, operation)
    headers.append(("x-amzn-RequestId", request_id))
    headers.append(("Content-Length", str(len(body))))
    return Response(status, headers, [body])
