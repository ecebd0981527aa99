"""May the session of a role do what a request asks? Decided by the role's policies.

What moto and this module could read in two ways is refused, so that nobody is allowed
one thing and does another. Texts: IAM User Guide, "Troubleshoot access denied error
messages", and recorded errors of the services.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from local_aws import errors, protocol, signature
from local_aws.access import operations, s3_requests
from local_aws.access.credentials import RoleSession
from local_aws.access.operations import Action, NotMapped
from local_aws.access.roles import NO_ROLE, FindRole, Role
from local_aws.errors import AwsError, StorageError
from local_aws.installation import HOST, InstallationError
from local_aws.messages import Request
from local_aws.protocol import requests

# Everybody may ask who he is, whatever the policies say (STS API Reference).
ALWAYS_ALLOWED = {"sts:GetCallerIdentity"}
JSON_TYPES = ("application/x-amz-json-", "application/json")


class Authorization:
    """The check before a service responds. Safe to use from several threads."""

    def __init__(
        self, find_role: FindRole, find_role_arn: Callable[[str], str | None]
    ) -> None:
        """Both look something up in IAM: a role by its ARN, an ARN by its name."""
        self._find_role = find_role
        self._find_role_arn = find_role_arn

    def check(self, request: Request) -> None:
        """Raise AwsError unless the caller may do it.

        Nothing is kept from one request to the next: a changed policy counts at once.
        """
        try:
            self._check(request, request.caller)
        except (InstallationError, StorageError) as error:
            raise errors.state_unusable(request.service, error) from error

    def _check(self, request: Request, caller: RoleSession) -> None:
        role = self._find_role(caller.role_arn)
        if role is NO_ROLE:
            raise signature.unknown_keys(request.protocol)
        operation, params = _read(request)
        needed = self._needed(request, operation, params)
        context = {**session_context(caller, role), **request_context(request)}
        for action in needed:
            if action.name in ALWAYS_ALLOWED:
                continue
            keys = context | dict(action.context)
            why = role.refusal(action.name, action.resource, keys)
            if why is not None:
                raise _refused(request, _sentence(request, action, why))

    def _needed(
        self, request: Request, operation: str, params: Mapping[str, Any]
    ) -> list[Action]:
        """The actions that the caller must be allowed. Raises AwsError."""
        service, region = request.service.name, request.region
        try:
            needed = operations.actions(
                service, operation, params, region, self._find_role_arn
            )
        except NotMapped:
            raise _refused(request, _not_mapped(request, operation)) from None
        if operation != "DeleteObjects":
            return needed
        keys = s3_requests.keys_to_delete(request.body.read())
        return [Action(one.name, one.resource + key) for one in needed for key in keys]


def session_context(caller: RoleSession, role: Role) -> dict[str, str]:
    """The condition keys that say who calls."""
    return {
        "aws:principaltype": "AssumedRole",
        "aws:userid": f"{role.id}:{caller.session_name}",
    }


def request_context(request: Request) -> dict[str, str]:
    """The condition keys that say how."""
    now = datetime.now(UTC)
    return {
        "aws:currenttime": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "aws:epochtime": str(int(now.timestamp())),
        "aws:requestedregion": request.region,
        # On loopback nobody listens; the same call is made by https on AWS.
        "aws:securetransport": "true",
        "aws:sourceip": HOST,
        "aws:useragent": request.head.header("user-agent") or "",
    }


def _read(request: Request) -> tuple[str, Mapping[str, Any]]:
    """The operation that is asked for, and its parameters. Raises AwsError."""
    head = request.head
    match request.protocol:
        case "rest-xml":
            return s3_requests.read(head)
        case "query":
            params = _form(request)
            return params.get("Action", ""), params
        case "rest-json":
            found = request.service.model.find_operation(head.method, head.raw_path)
            if found is None:
                return head.raw_path, {}
            operation, labels = found
            body = request.body.read()
            shape = operation.input_shape
            return operation.name, protocol.rest.parse(head, labels, body, shape)
        case "json":
            if not (head.header("content-type") or "").startswith(JSON_TYPES):
                raise _unclear(request)
            operation = request.service.model.operation(head.target[1])
            if operation is None or head.target[0] != request.service.target_prefix:
                return head.target[1], {}
            body = requests.unpacked_body(request)
            return operation.name, requests.parse_body(body, operation.input_shape)
    return head.raw_path, {}  # CBOR, which no service here takes


def _form(request: Request) -> dict[str, str]:
    """The parameters in the query protocol: in the body or in the URL, each once."""
    head = request.head
    body = requests.unpacked_body(request).decode("utf-8", "replace")
    if head.header("x-amz-target") or bool(body) != head.is_form:
        raise _unclear(request)
    if body and head.query:
        raise _unclear(request)
    pairs = parse_qsl(body or head.query, keep_blank_values=True)
    params = dict(pairs)
    if len(params) != len(pairs):
        raise _unclear(request)
    return params


def _unclear(request: Request) -> AwsError:
    text = "This request of the session of a role can be read in more than one way."
    return _refused(request, text)


def _not_mapped(request: Request, operation: str) -> str:
    return (
        f"The local stand-in for AWS does not know which permission {operation} of "
        f"{request.service.full_name} needs, and so refuses it to {request.caller.arn}."
        " Call it with your own keys, or run this step on AWS."
    )


def _sentence(request: Request, action: Action, why: str) -> str:
    """AWS's refusal, with the resource as the service writes it."""
    shown = action.resource if action.shown is None else action.shown
    if request.protocol == "rest-xml":
        shown = f'"{shown}"'
    resource = f" on resource: {shown}" if shown else ""
    who = f"User: {request.caller.arn} is not authorized to perform: {action.name}"
    return f"{who}{resource} {why}"


def _refused(request: Request, text: str) -> AwsError:
    is_json = "query" not in request.service.protocols
    if request.protocol == "rest-xml" or not is_json:
        return AwsError("AccessDenied", text, 403)
    status = 403 if request.protocol == "rest-json" else 400
    return AwsError("AccessDeniedException", text, status)
