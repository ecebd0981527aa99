"""The documents that S3 takes besides objects: XML by the service model, policies.

Codes and texts are S3's (S3 API Reference, "Error responses"; recorded responses).
"""

import json
from collections.abc import Callable
from functools import cache
from typing import Any
from xml.etree import ElementTree

from botocore.model import OperationModel, Shape
from botocore.utils import parse_timestamp

from local_aws.errors import AwsError
from local_aws.services import S3

LARGEST_POLICY = 20 * 1024
# DeleteObjects of 1,000 keys and CompleteMultipartUpload of 10,000 parts take less.
LARGEST_DOCUMENT = 8 * 2**20
# Lists by the model, which have one member (S3 API Reference).
OF_ONE_RULE = ("OwnershipControls", "ServerSideEncryptionConfiguration")


def malformed_xml() -> AwsError:
    """What S3 says of XML that it can't read or use."""
    return AwsError(
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our "
        "published schema",
    )


def check_xml(body: bytes, name: str, shape: Shape) -> None:
    """Raise AwsError unless the body is a document `name` of this shape.

    Elements that the model does not know are passed over.
    """
    try:
        text = body.decode()
        if "<!DOCTYPE" in text:  # and so no entities
            raise malformed_xml()
        root = ElementTree.fromstring(text)  # noqa: S314 - has no entities
        is_one = name in OF_ONE_RULE
        if _local_name(root) != name or (is_one and len(root) > 1):
            raise malformed_xml()
        _check_element(root, shape)
    except (ElementTree.ParseError, ValueError, OverflowError, RuntimeError):
        # The last is botocore's, of a time that has no year.
        raise malformed_xml() from None


def check_cors(body: bytes) -> None:
    """Raise AwsError for a method without a name, which moto fails at."""
    for element in ElementTree.fromstring(body).iter():  # noqa: S314 - see check_xml
        if _local_name(element) == "AllowedMethod" and not (element.text or "").strip():
            text = "Found unsupported HTTP method in CORS config. Unsupported method is"
            raise AwsError("InvalidRequest", f"{text} ")


def check_tags(body: bytes) -> None:
    """Raise AwsError for a tag without a name; the body is a Tagging document."""
    for element in ElementTree.fromstring(body).iter():  # noqa: S314 - see check_xml
        if _local_name(element) == "Key" and not (element.text or "").strip():
            raise AwsError("InvalidTag", "The TagKey you have provided is invalid")


def _check_element(element: ElementTree.Element, shape: Shape) -> None:
    """Raises AwsError; ValueError, OverflowError or RuntimeError for a bad scalar."""
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            _check_member(element, name, member, name in shape.required_members)
    elif shape.type_name == "list":
        name = shape.member.serialization.get("name")
        for child in element:
            if name is not None and _local_name(child) != name:
                raise malformed_xml()
            _check_element(child, shape.member)
    elif len(element):
        raise malformed_xml()
    else:
        text = element.text or ""
        _SCALARS.get(shape.type_name, str)(text)
        least = shape.metadata.get("min", 0) if shape.type_name == "string" else 0
        if len(text) < least or (shape.metadata.get("enum") and text not in shape.enum):
            raise malformed_xml()


def _check_boolean(text: str) -> None:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)


_SCALARS: dict[str, Callable[[str], Any]] = {
    "boolean": _check_boolean,
    "integer": int,
    "long": int,
    "float": float,
    "timestamp": parse_timestamp,
}


def _check_member(
    parent: ElementTree.Element, name: str, shape: Shape, required: bool
) -> None:
    where = shape.serialization
    if "location" in where or "xmlAttribute" in where:
        return
    wire_name = where.get("name", name)
    is_flat = shape.type_name == "list" and where.get("flattened")
    if is_flat:
        wire_name = shape.member.serialization.get("name", wire_name)
    elements = [child for child in parent if _local_name(child) == wire_name]
    if len(elements) < required or (len(elements) > 1 and not is_flat):
        raise malformed_xml()
    for element in elements:
        _check_element(element, shape.member if is_flat else shape)


def _local_name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


Document = tuple[str, Shape]  # the root element's name and what is in it


@cache
def _documents() -> dict[tuple[str, bool, str], Document]:
    """By method, whether it is an object's, and a name in the query ("" for none)."""
    found = {}
    for name in S3.model.operation_names:
        operation = S3.model.operation_model(name)
        document = _document(operation)
        if document and not operation.deprecated:
            path, _, marker = operation.http["requestUri"].partition("?")
            if name == "CompleteMultipartUpload":
                marker = "uploadId"
            is_objects = "{Key" in path
            found[operation.http["method"], is_objects, marker.partition("&")[0]] = (
                document
            )
    return found


def _document(operation: OperationModel) -> Document | None:
    shape = operation.input_shape
    payload = shape.serialization.get("payload") if shape else None
    if payload is None or shape.members[payload].type_name != "structure":
        return None
    member = shape.members[payload]
    return member.serialization.get("name", payload), member


def document_of(method: str, is_objects: bool, names: set[str]) -> Document | None:
    """The document that a request with these names in its query brings."""
    if not names:
        return _documents().get((method, is_objects, ""))
    keys = ((method, is_objects, name) for name in names)
    return next((_documents()[key] for key in keys if key in _documents()), None)


def check_policy(body: bytes) -> None:
    """Raise AwsError: MalformedPolicy, unless it is a bucket policy."""
    if not body.startswith(b"{"):
        text = "Policies must be valid JSON and the first byte must be '{'"
        raise _malformed_policy(text)
    if len(body) > LARGEST_POLICY:
        text = f"exceeds the maximum allowed size of {LARGEST_POLICY} bytes."
        raise _malformed_policy(f"Normalized policy document {text}")
    try:
        policy = json.loads(body.decode())
    except (ValueError, RecursionError):
        raise _malformed_policy("This policy contains invalid Json") from None
    statements = policy.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise _malformed_policy("Missing required field Statement")
    for statement in statements:
        _check_statement(statement)


def _check_statement(statement: Any) -> None:
    if not isinstance(statement, dict):
        raise _malformed_policy("Missing required field Effect")
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise _malformed_policy("Missing required field Effect")
    for name in ("Principal", "Action", "Resource"):
        value = statement.get(name, statement.get(f"Not{name}"))
        if not value:
            raise _malformed_policy(f"Missing required field {name}")
        if not _is_text(value) and not (name == "Principal" and _is_principal(value)):
            raise _malformed_policy(f"Policy has invalid {name.lower()}")
    if not isinstance(statement.get("Condition", {}), dict):
        raise _malformed_policy("Policy has invalid condition")


def _is_text(value: Any) -> bool:
    """A text or some of them, which is how policies have most things."""
    texts = value if isinstance(value, list) else [value]
    return all(isinstance(text, str) for text in texts)


def _is_principal(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _malformed_policy(text: str) -> AwsError:
    return AwsError("MalformedPolicy", text)
