"""IAM and STS: the course's role, the caller's session, the policy simulator."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from local_aws.access.credentials import RoleSession
from local_aws.access.policy_evaluation import Policy
from local_aws.access.roles import NO_ROLE, Role
from local_aws.access.simulation import simulate_principal_policy
from local_aws.errors import AwsError
from local_aws.installation import ACCOUNT_ID, REGION, ROLE_ARN, ROLE_NAME
from local_aws.messages import Request, Response
from local_aws.moto_services import validation
from local_aws.moto_services.service import MotoService
from local_aws.services import named

MANAGED_POLICY = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
SESSION_NAME = "SageMaker"
# A session with less than its role may do is not made.
SESSIONS_DO_NOT_READ = {
    "Policy",
    "PolicyArns",
    "ProvidedContexts",
    "SerialNumber",
    "SourceIdentity",
    "Tags",
    "TokenCode",
    "TransitiveTagKeys",
}
# Without these a decision would be another one.
SIMULATION_DOES_NOT_READ = {"PermissionsBoundaryPolicyInputList", "ResourcePolicy"}
ALLOW_SAGEMAKER = {
    "Effect": "Allow",
    "Principal": {"Service": "sagemaker.amazonaws.com"},
    "Action": "sts:AssumeRole",
}
TRUST_POLICY = {"Version": "2012-10-17", "Statement": [ALLOW_SAGEMAKER]}


class Iam(MotoService):
    """moto's IAM, with the course's role when it is new."""

    def make_app(self) -> Callable:
        app = super().make_app()
        if self._persistence.is_new:
            _make_role()
            self._persistence.persist()
        return app

    def check_parameters(self, operation: str, params: dict[str, Any]) -> None:
        if not params.get("Marker", "0").isdecimal():  # moto's own are numbers
            raise AwsError("ValidationError", "Invalid Marker.")
        match operation:
            case "CreateServiceLinkedRole":
                if not params["AWSServiceName"].endswith(".amazonaws.com"):
                    text = f"{params['AWSServiceName']} is not a valid service name."
                    raise AwsError("InvalidInput", text)
            case "SimulatePrincipalPolicy":
                unread = params.keys() & SIMULATION_DOES_NOT_READ
                if unread:
                    raise self.not_built(f"{operation} with {min(unread)}")
                for text in params.get("PolicyInputList", ()):
                    _check_policy(text)
            case "RemoveRoleFromInstanceProfile":
                name, role = params["InstanceProfileName"], params["RoleName"]
                with self.lock:
                    profiles = _backend().instance_profiles.values()
                    profile = next((p for p in profiles if p.name == name), None)
                    roles = [held.name for held in profile.roles] if profile else [role]
                if role not in roles:
                    text = f"Role {role} in Instance Profile {name} cannot be found."
                    raise AwsError("NoSuchEntity", text, 404)

    def respond_itself(self, request: Request, operation: str) -> Response | None:
        if operation != "SimulatePrincipalPolicy":
            return None
        model = validation.find_operation(request, operation)
        form = request.head.form(request.body.read())
        params = validation.query_parameters(form, model)
        role = _role(params.get("PolicySourceArn", ""))
        result = simulate_principal_policy(params, role.policies, role.boundary)
        return _written(request, operation, result)

    def role(self, arn: str) -> Role:
        """The role with this ARN as it is now, or NO_ROLE."""
        self.app()
        try:
            with self.lock:
                return _role(arn)
        except AwsError:
            return NO_ROLE

    def role_arn(self, name: str) -> str | None:
        """The ARN of the role with this name, None if there is none."""
        self.app()
        with self.lock:
            roles = _backend().get_roles()
            return next((role.arn for role in roles if role.name == name), None)


# The keys of the installation are a session of the course's role to STS; its secret is
# nobody's business here.
OWNER = RoleSession(
    ROLE_ARN, SESSION_NAME, "", "", "", datetime.max.replace(tzinfo=UTC)
)


class Sts(MotoService):
    """moto's STS, which knows this installation's keys as a session of the role.

    The SDK takes its execution role from sts:GetCallerIdentity, and accepts nothing but
    an assumed role there.
    """

    def make_app(self) -> Callable:
        from moto.sts.models import sts_backends

        app = super().make_app()
        self._iam.app()  # has the role
        session = sts_backends[ACCOUNT_ID]["aws"].assume_role(
            region_name=REGION,
            role_session_name=SESSION_NAME,
            role_arn=ROLE_ARN,
            policy="",
            duration=3600,
            external_id="",
        )
        session.access_key_id = self._responders.installation.access_key_id
        return app

    def respond_itself(self, request: Request, operation: str) -> Response | None:
        """What concerns the sessions of roles that this process knows, moto doesn't."""
        if operation == "GetCallerIdentity" and request.caller is not None:
            return _written(request, operation, self._identity(request.caller))
        if operation == "AssumeRole":
            params = validation.check(request, operation)
            return _written(request, operation, self._assumed(request, params))
        return None

    def _identity(self, session: RoleSession) -> dict[str, str]:
        role = self._iam.role(session.role_arn)
        user = f"{role.id}:{session.session_name}"
        return {"UserId": user, "Account": ACCOUNT_ID, "Arn": session.arn}

    def _assumed(self, request: Request, params: dict[str, Any]) -> dict[str, Any]:
        """A new session of a role that trusts the caller. Raises AwsError."""
        if unread := params.keys() & SESSIONS_DO_NOT_READ:
            raise self.not_built(f"AssumeRole with {min(unread)}")
        arn = params["RoleArn"]
        role = self._iam.role(arn)
        caller = request.caller or OWNER
        if not role.trusts_session(caller, params.get("ExternalId")):
            raise AwsError(
                "AccessDenied",
                f"User: {caller.arn} is not authorized to perform: sts:AssumeRole on "
                f"resource: {arn}",
                403,
            )
        seconds = params.get("DurationSeconds", 3600)
        if seconds > role.longest_session_s:
            text = "The requested DurationSeconds exceeds the MaxSessionDuration set"
            raise AwsError("ValidationError", f"{text} for this role.")
        session = self._responders.sagemaker.clients.credentials.of_role(
            arn, params["RoleSessionName"], timedelta(seconds=seconds)
        )
        return {
            "Credentials": {
                "AccessKeyId": session.access_key_id,
                "SecretAccessKey": session.secret_access_key,
                "SessionToken": session.session_token,
                "Expiration": session.expires_at.replace(microsecond=0),
            },
            "AssumedRoleUser": {
                "AssumedRoleId": f"{role.id}:{session.session_name}",
                "Arn": session.arn,
            },
        }

    @property
    def _iam(self) -> Iam:
        return self._responders.of(named("iam"))

    def check_parameters(self, operation: str, params: dict[str, Any]) -> None:
        if operation == "AssumeRoleWithSAML":
            # Nobody here signs assertions (IAM User Guide, "Troubleshoot SAML").
            raise AwsError("InvalidIdentityToken", "Response signature invalid")


def _written(request: Request, operation: str, result: dict[str, Any]) -> Response:
    """What the query protocol makes of an operation's result."""
    from moto.core.serialize import QuerySerializer

    model = validation.find_operation(request, operation)
    written = QuerySerializer(model).serialize(result)
    headers = list(written["headers"].items())
    return Response(200, headers, [written["body"].encode()])


def _make_role() -> None:
    """Make the course's role. Later it is the user's, who may change or delete it."""
    iam = _backend()
    iam.create_role(
        role_name=ROLE_NAME,
        assume_role_policy_document=json.dumps(TRUST_POLICY),
        path="/service-role/",
        permissions_boundary=None,
        description="Execution role of the course",
        tags=[],
        max_session_duration="3600",
    )
    iam.attach_role_policy(MANAGED_POLICY, ROLE_NAME)


def _check_policy(text: str) -> None:
    """Raise AwsError: InvalidInput, unless moto would store this policy."""
    from moto.iam.exceptions import MalformedPolicyDocument
    from moto.iam.policy_validation import IAMPolicyDocumentValidator

    try:
        IAMPolicyDocumentValidator(text).validate()
    except MalformedPolicyDocument as error:
        raise AwsError("InvalidInput", error.message) from None


def _role(arn: str) -> Role:
    """A role, its inline and attached policies. Raises AwsError: NoSuchEntity."""
    match = re.fullmatch(rf"arn:aws:iam::{ACCOUNT_ID}:role/(?:.*/)?([\w+=,.@-]+)", arn)
    if match is None:
        raise AwsError("InvalidInput", f"Invalid Entity Arn: {arn}", 400)
    role = next((role for role in _backend().get_roles() if role.arn == arn), None)
    if role is None:
        text = f"The role with name {match.group(1)} cannot be found."
        raise AwsError("NoSuchEntity", text, 404)
    documents = list(role.policies.items())
    for policy in role.managed_policies.values():
        documents.append((policy.name, _default_version(policy)))
    boundary = _backend().managed_policies.get(role.permissions_boundary_arn)
    return Role(
        _parsed(role.assume_role_policy_document),
        [Policy(name, _parsed(document)) for name, document in documents],
        arn,
        role.id,
        int(role.max_session_duration or 3600),
        boundary and Policy(boundary.name, _parsed(_default_version(boundary))),
    )


def _default_version(policy: Any) -> str:
    return next(v for v in policy.versions if v.is_default).document


@lru_cache(maxsize=256)  # a caller's policies are looked at for each of its requests
def _parsed(document: str) -> dict[str, Any]:
    """A policy document, which nobody changes."""
    return json.loads(document)


def _backend() -> Any:
    from moto.iam.models import iam_backends

    return iam_backends[ACCOUNT_ID]["aws"]
