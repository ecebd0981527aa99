"""Errors as AWS answers them, and how each AWS protocol writes one down.

Handlers raise `AwsError`; `render` turns it into the status, headers and body that a
client of the given protocol reads. Everything here is what botocore's parsers accept
and what AWS sends: `__type` in JSON bodies, `x-amzn-ErrorType` with REST JSON,
`<ErrorResponse>` for the query protocol, S3's bare `<Error>`.
"""

import json
from typing import Literal
from xml.sax.saxutils import escape

Protocol = Literal["json", "rest-json", "query", "rest-xml"]
Answer = tuple[int, dict[str, str], bytes]

# SageMaker's modelled errors have a member "Message", and so has the framework's
# SerializationException; ValidationException and the authentication errors are sent
# with "message" (botocore's sagemaker service model; recorded answers of other
# services that run on the same framework).
_CAPITAL_MESSAGE = frozenset(
    {
        "ConflictException",
        "ResourceAlreadyExists",
        "ResourceInUse",
        "ResourceLimitExceeded",
        "ResourceNotFound",
        "SerializationException",
    }
)

# The namespaces in which these services put their XML errors.
_QUERY_NAMESPACES = {
    "iam": "https://iam.amazonaws.com/doc/2010-05-08/",
    "sts": "https://sts.amazonaws.com/doc/2011-06-15/",
    "monitoring": "http://monitoring.amazonaws.com/doc/2010-08-01/",
}

_JSON_VERSIONS = {"monitoring": "1.0"}

_PROTOCOLS: dict[str, Protocol] = {
    "s3": "rest-xml",
    "iam": "query",
    "sts": "query",
    "logs": "json",
    "sagemaker": "json",
    "lambda": "rest-json",
    "apigateway": "rest-json",
}


class AwsError(Exception):
    """An error that the client is meant to read.

    Args:
        code: AWS's error code, for example "ValidationException".
        message: AWS's text; may be empty, as AWS's own is for a few codes.
        status: the HTTP status. AWS's JSON services answer nearly all client errors
            with 400.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message
        self.status = status


def validation_exception(message: str) -> AwsError:
    """What SageMaker says of a request that breaks one of its rules."""
    return AwsError("ValidationException", message)


def resource_not_found(message: str) -> AwsError:
    """A resource that does not exist, where SageMaker uses its modelled error."""
    return AwsError("ResourceNotFound", message)


def resource_in_use(message: str) -> AwsError:
    """A name that is taken, or a resource that cannot be changed now."""
    return AwsError("ResourceInUse", message)


def resource_limit_exceeded(message: str) -> AwsError:
    """A quota of the account."""
    return AwsError("ResourceLimitExceeded", message)


def serialization_exception(message: str = "") -> AwsError:
    """A body that can't be read into the types of the operation's input.

    AWS sends no message at all when the body is not JSON.
    """
    return AwsError("SerializationException", message)


def unknown_operation() -> AwsError:
    """An operation name that the service does not have. AWS sends no message."""
    return AwsError("UnknownOperationException", "")


def operation_not_built(operation_name: str) -> AwsError:
    """An operation that AWS has and this stand-in has not.

    Not one of AWS's errors. The status is 400 so that no client tries it again.
    """
    return AwsError(
        "NotImplementedException",
        f"The local stand-in for AWS has not built {operation_name}. "
        "It is a real operation of Amazon SageMaker: run this step in AWS mode, or "
        "see the README for the operations that work locally.",
    )


def internal_failure() -> AwsError:
    """A fault of the stand-in itself; what went wrong is in the server's log only."""
    return AwsError(
        "InternalFailure",
        "The request processing has failed because of an unknown error, exception "
        "or failure.",
        status=500,
    )


def protocol_of(service: str, headers: dict[str, str]) -> Protocol:
    """The protocol in which a client of `service` expects its errors.

    Args:
        service: the signing name in the credential scope, for example "monitoring".
        headers: the request's headers, names in lower case. They tell SageMaker (JSON)
            from its runtime (REST JSON) and, for CloudWatch, JSON from query.
    """
    if service in ("sagemaker", "monitoring") and "x-amz-target" in headers:
        return "json"
    if service == "sagemaker":
        return "rest-json"
    if service == "monitoring":
        return "query"
    return _PROTOCOLS.get(service, "json" if "x-amz-target" in headers else "rest-json")


def render(
    error: AwsError, protocol: Protocol, request_id: str, service: str = ""
) -> Answer:
    """Write an error down as a protocol's clients read it.

    Args:
        error: the error.
        protocol: the protocol's name in botocore's service models.
        request_id: what the client shows as RequestId.
        service: the signing name; only some details (XML namespace, JSON version)
            depend on it.

    Returns:
        The HTTP status, the headers and the body.
    """
    if protocol == "json":
        content_type, body = _json_error(error, service)
        headers = {"x-amzn-RequestId": request_id}
        if service == "monitoring":
            # CloudWatch moved from the query protocol; its clients look here for the
            # code that they used to get (botocore metadata awsQueryCompatible).
            fault = "Sender" if error.status < 500 else "Receiver"
            headers["x-amzn-query-error"] = f"{error.code};{fault}"
    elif protocol == "rest-json":
        content_type = "application/json"
        body = json.dumps(_named_message(error)).encode()
        headers = {"x-amzn-RequestId": request_id, "x-amzn-ErrorType": error.code}
    elif protocol == "query":
        content_type = "text/xml"
        body = _query_error(error, request_id, service)
        headers = {"x-amzn-RequestId": request_id}
    else:
        content_type = "application/xml"
        body = _s3_error(error, request_id)
        headers = {"x-amz-request-id": request_id}
    headers["Content-Type"] = content_type
    headers["Content-Length"] = str(len(body))
    return error.status, headers, body


def _named_message(error: AwsError) -> dict[str, str]:
    if not error.message:
        return {}
    name = "Message" if error.code in _CAPITAL_MESSAGE else "message"
    return {name: error.message}


def _json_error(error: AwsError, service: str) -> tuple[str, bytes]:
    version = _JSON_VERSIONS.get(service, "1.1")
    body = {"__type": error.code, **_named_message(error)}
    return f"application/x-amz-json-{version}", json.dumps(body).encode()


def _xml_text(text: str) -> str:
    """Text for an XML element; control characters that XML 1.0 forbids become '?'."""
    legal = "".join(
        character if character >= " " or character in "\t\n\r" else "?"
        for character in text
    )
    return escape(legal)


def _query_error(error: AwsError, request_id: str, service: str) -> bytes:
    namespace = _QUERY_NAMESPACES.get(service)
    opening = f'<ErrorResponse xmlns="{namespace}">' if namespace else "<ErrorResponse>"
    fault = "Sender" if error.status < 500 else "Receiver"
    return (
        f"{opening}<Error><Type>{fault}</Type><Code>{_xml_text(error.code)}</Code>"
        f"<Message>{_xml_text(error.message)}</Message></Error>"
        f"<RequestId>{_xml_text(request_id)}</RequestId></ErrorResponse>"
    ).encode("utf-8", "replace")


def _s3_error(error: AwsError, request_id: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{_xml_text(error.code)}</Code>"
        f"<Message>{_xml_text(error.message)}</Message>"
        f"<RequestId>{_xml_text(request_id)}</RequestId></Error>"
    ).encode("utf-8", "replace")
