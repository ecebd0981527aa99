"""Errors as AWS sends them, and how each AWS protocol writes one down.

Handlers raise `AwsError`; `render` turns it into the status, headers and body that a
client of the given protocol reads. Everything here is what botocore's parsers accept
and what AWS sends: `__type` in JSON bodies, `x-amzn-ErrorType` with REST JSON,
`<ErrorResponse>` for the query protocol, S3's bare `<Error>`.
"""

import json
import re
import uuid
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from local_aws.messages import Response
from local_aws.services import Service, WireProtocol

# FailureReason of a job or an endpoint when the fault is on the service's side.
INTERNAL_ERROR = (
    "InternalServerError: We encountered an internal error. Please try again."
)


class AwsError(Exception):
    """An error that the client is meant to read.

    Args:
        code: AWS's error code, for example "ValidationException".
        message: AWS's text; may be empty, as AWS's own is for a few codes.
        status: the HTTP status. AWS's JSON services use 400 for nearly all
            client errors.
        members: what the error's shape has besides the message.
    """

    def __init__(
        self,
        code: str,
        message: str,
        status: int = 400,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message
        self.status = status
        self.members = members or {}


class StorageError(Exception):
    """A change can't be persisted, or what was persisted can't be read."""


def validation_exception(message: str) -> AwsError:
    """What a JSON service says of a request that breaks one of its rules."""
    return AwsError("ValidationException", message)


def serialization_exception(message: str = "") -> AwsError:
    """A body that can't be read into the types of the operation's input.

    AWS sends no message at all when the body is not JSON.
    """
    return AwsError("SerializationException", message)


def unknown_operation() -> AwsError:
    """An operation name that the service does not have. AWS sends no message."""
    return AwsError("UnknownOperationException", "")


def operation_not_built(service: Service, operation_name: str) -> AwsError:
    """An operation that AWS has and this stand-in has not.

    Not one of AWS's errors. The status is 400 so that no client tries it again.
    """
    return AwsError(
        "NotImplementedException",
        f"The local stand-in for AWS has not built {operation_name}. It is a real "
        f"operation of {service.full_name}: run this step in AWS mode, or see "
        "local_aws/README.md for what works locally.",
    )


def not_built(service_name: str, operation_name: str) -> AwsError:
    """What is not here of a service that is moto's, or not here at all."""
    return AwsError(
        "NotImplemented",
        f"The local stand-in for AWS has not built {operation_name} of {service_name}. "
        "Run this step in AWS mode, or see local_aws/README.md for what works locally.",
        501,
    )


def not_reproduced(
    feature: str, service_name: str, instead: str = "Leave it out of the request"
) -> str:
    """What is said of a part of a service that is here, in that service's own error."""
    return (
        f"{feature} is part of {service_name}, but this local stand-in does not "
        f"reproduce it. {instead}, or run this request on AWS."
    )


def internal_failure() -> AwsError:
    """A fault of the stand-in itself; what went wrong is in the server's log only."""
    return AwsError(
        "InternalFailure",
        "The request processing has failed because of an unknown error, exception "
        "or failure.",
        status=500,
    )


def state_unusable(service: Service, reason: object) -> AwsError:
    """The service can't store what it was told to, or not read what is stored."""
    code, status = service.internal_error
    text = f"can't use its state folder: {str(reason).rstrip('.')}."
    return AwsError(
        code, f"The local stand-in for AWS {text} Nothing has been changed.", status
    )


def render(
    error: AwsError,
    protocol: WireProtocol,
    service: Service | None = None,
    request_id: str | None = None,
) -> Response:
    """Write an error down as a protocol's clients read it.

    Args:
        error: the error.
        protocol: the protocol that the request came in.
        service: only some details (XML namespace, JSON version, spelling of "message")
            depend on it; None if it is not here.
        request_id: what the client shows as RequestId; made up if not given.
    """
    request_id = request_id or str(uuid.uuid4())
    content_type, body, headers = _WRITERS[protocol](error, service, request_id)
    id_header = "x-amz-request-id" if protocol == "rest-xml" else "x-amzn-RequestId"
    headers = [
        *headers,
        (id_header, request_id),
        ("Content-Type", content_type),
        ("Content-Length", str(len(body))),
    ]
    return Response(error.status, headers, [body])


Written = tuple[str, bytes, list[tuple[str, str]]]  # content type, body, headers


def _json(error: AwsError, service: Service | None, _: str) -> Written:
    version = service.metadata.get("jsonVersion", "1.0") if service else "1.1"
    body = json.dumps({"__type": error.code, **_members(error, service)}).encode()
    headers = _query_error_header(error, service)
    return f"application/x-amz-json-{version}", body, headers


def _cbor(error: AwsError, service: Service | None, _: str) -> Written:
    texts = ("__type", error.code, "message", error.message)
    body = b"\xa2" + b"".join(map(_cbor_text, texts))  # a map of two
    headers = [("smithy-protocol", "rpc-v2-cbor")]
    return "application/cbor", body, headers + _query_error_header(error, service)


def _cbor_text(text: str) -> bytes:
    """A text of CBOR with its length in two bytes (RFC 8949, major type 3)."""
    encoded = text.encode("utf-8", "replace")[:0xFFFF]
    return b"\x79" + len(encoded).to_bytes(2) + encoded


def _rest_json(error: AwsError, service: Service | None, _: str) -> Written:
    body = json.dumps(_members(error, service)).encode()
    return "application/json", body, [("x-amzn-ErrorType", error.code)]


def _query(error: AwsError, service: Service | None, request_id: str) -> Written:
    namespace = service.metadata.get("xmlNamespace") if service else None
    opening = f'<ErrorResponse xmlns="{namespace}">' if namespace else "<ErrorResponse>"
    body = (
        f"{opening}<Error><Type>{_side(error)}</Type>{_xml_members(error)}</Error>"
        f"<RequestId>{_xml_text(request_id)}</RequestId></ErrorResponse>"
    )
    return "text/xml", body.encode("utf-8", "replace"), []


def _rest_xml(error: AwsError, service: Service | None, request_id: str) -> Written:
    more = "".join(f"<{k}>{_xml_text(v)}</{k}>" for k, v in error.members.items())
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{_xml_members(error)}{more}'
        f"<RequestId>{_xml_text(request_id)}</RequestId></Error>"
    )
    return "application/xml", body.encode("utf-8", "replace"), []


_WRITERS = {
    "json": _json,
    "smithy-rpc-v2-cbor": _cbor,
    "rest-json": _rest_json,
    "query": _query,
    "rest-xml": _rest_xml,
}


def _query_error_header(error: AwsError, service: Service | None) -> list:
    """The code that clients of the query protocol used to get, where they look for it.

    Only for services that moved from it (botocore's metadata awsQueryCompatible).
    """
    if service is None or "awsQueryCompatible" not in service.metadata:
        return []
    return [("x-amzn-query-error", f"{error.code};{_side(error)}")]


def _side(error: AwsError) -> str:
    return "Sender" if error.status < 500 else "Receiver"


def _members(error: AwsError, service: Service | None) -> dict[str, Any]:
    """The message and what else the error's shape has.

    "Message" or "message" is for the shape to say. Of what is not in the model, the
    framework's SerializationException has a capital letter; ValidationException and the
    authentication errors have none (recorded responses of several services).
    """
    members = dict(error.members)
    if error.message:
        shape = service.model.error_members(error.code) if service else ()
        capital = "Message" in shape or error.code == "SerializationException"
        members["Message" if capital else "message"] = error.message
    return members


def _xml_members(error: AwsError) -> str:
    code, message = _xml_text(error.code), _xml_text(error.message)
    return f"<Code>{code}</Code><Message>{message}</Message>"


def _xml_text(text: str) -> str:
    """Text for an XML element; control characters that XML 1.0 forbids become '?'."""
    return escape(re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "?", text))
