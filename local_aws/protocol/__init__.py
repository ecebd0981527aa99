"""SageMaker's wire protocol (X-Amz-Json-1.1), driven by botocore's service model.

This package knows the service model and nothing of the operations behind it: it reads a
body, checks it, calls the handler that it is given, and writes the answer or the error.
"""

import functools
import logging
import uuid
from collections.abc import Callable
from typing import Any

from local_aws import errors
from local_aws.errors import Answer, AwsError
from local_aws.protocol import constraints, model, requests, responses

log = logging.getLogger(__name__)

Handler = Callable[[dict[str, Any], Any], dict[str, Any] | None]


def answer(
    operation_name: str, body: bytes, handler: Handler | None, context: Any
) -> Answer:
    """Answer one request to SageMaker.

    Args:
        operation_name: what follows "SageMaker." in X-Amz-Target.
        body: the request's body.
        handler: called with the checked parameters and `context`; returns the answer by
            the names of the output shape, or raises AwsError. None: the operation is
            not built.
        context: handed on to the handler.

    Returns:
        The HTTP status, the headers and the body. Nothing is raised.
    """
    request_id = str(uuid.uuid4())
    try:
        content = _answer(operation_name, body, handler, context)
    except AwsError as error:
        return errors.render(error, "json", request_id, "sagemaker")
    except Exception:
        # The one place where everything is caught: a client must get an answer in
        # AWS's form whatever a handler did, and must not see a stack trace. The trace
        # goes to the server's log, under the request id that the client can read.
        log.exception("%s failed, request id %s", operation_name, request_id)
        failure = errors.internal_failure()
        return errors.render(failure, "json", request_id, "sagemaker")
    headers = {
        "x-amzn-RequestId": request_id,
        "Content-Type": "application/x-amz-json-1.1",
        "Content-Length": str(len(content)),
    }
    return 200, headers, content


def check_invocation(params: dict[str, str]) -> None:
    """Check InvokeEndpoint's parameters, all but the body.

    Raises:
        AwsError: ValidationException with every violation.
    """
    _check_invocation(tuple(params.items()))


@functools.lru_cache(maxsize=256)
def _check_invocation(params: tuple[tuple[str, str], ...]) -> None:
    """A client calls an endpoint with the same headers again and again: what has
    passed is not checked twice. An error is never remembered.
    """
    operation = model.sagemaker_runtime().operation("InvokeEndpoint")
    constraints.check(dict(params), operation.input)


def _answer(
    operation_name: str, body: bytes, handler: Handler | None, context: Any
) -> bytes:
    operation = model.sagemaker().operation(operation_name)
    if operation is None:
        raise errors.unknown_operation()
    if handler is None:
        raise errors.operation_not_built(operation_name)
    params = requests.parse_body(body, operation.input)
    if operation.input is not None:
        constraints.check(params, operation.input)
    return responses.shape_answer(handler(params, context), operation)
