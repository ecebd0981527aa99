"""S3, IAM, STS, CloudWatch Logs and CloudWatch: moto's applications, one by one.

Only these five are built, each from moto's own WSGI application; neither moto's
dispatcher nor its control pages (`/moto-api`) are anywhere. A request comes here after
its signature has been checked. What moto can't do becomes an AWS error that names the
operation.
"""

import json
import logging
import os
import re
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any
from urllib.parse import parse_qs, unquote_to_bytes
from xml.sax.saxutils import escape

from local_aws.errors import AwsError
from local_aws.installation import (
    ACCOUNT_ID,
    FOREIGN_PREFIXES,
    HOST,
    REGION,
    ROLE_ARN,
    ROLE_NAME,
    Installation,
)
from local_aws.persistence import Kept
from local_aws.persistence.blobs import Content, Reading, StorageError
from local_aws.persistence.keeper import Request
from local_aws.persistence.pickles import NotKeepable
from local_aws.persistence.resources import StateFileError
from local_aws.persistence.s3 import UPLOAD
from local_aws.signature import ALGORITHM, Claim, Head

log = logging.getLogger(__name__)

# Signing name -> moto's name.
SERVICES = {
    "s3": "s3",
    "iam": "iam",
    "sts": "sts",
    "logs": "logs",
    "monitoring": "cloudwatch",
}
# What a signed POST can ask of S3 (query names: botocore s3 model).
S3_POSTS = {"delete", "restore", "select", "uploadId", "uploads"}
# Parts of S3 that moto does not know. It would take a request for one of them for a
# plain GET, PUT or DELETE of the bucket or object (query names: botocore s3 model).
S3_NOT_BUILT = {
    "abac",
    "analytics",
    "annotation",
    "intelligent-tiering",
    "metadataAnnotationTable",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "metrics",
    "renameObject",
    "requestPayment",
    "session",
    "torrent",
}
MANAGED_POLICY = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
SESSION_NAME = "SageMaker"
# A simulation that is asked for without MaxItems gets up to 100 (IAM API Reference).
SIMULATION_PAGE = 100

MotoAnswer = tuple[int, list[tuple[str, str]], list[bytes | Reading]]

# Code and status of "that is our fault" (botocore's service models; S3 API Reference,
# "Error responses"). STS has none of its own.
INTERNAL_ERRORS = {
    "s3": ("InternalError", 500),
    "iam": ("ServiceFailure", 500),
    "logs": ("ServiceUnavailableException", 503),
    "monitoring": ("InternalServiceError", 500),
}


def configure_moto(environment: dict[str, str] | os._Environ = os.environ) -> None:
    """Set moto's switches. Has to be called before anything imports moto."""
    for name in list(environment):
        if name.upper().startswith(FOREIGN_PREFIXES[2]) or name.startswith("S3_"):
            del environment[name]
    environment["MOTO_ACCOUNT_ID"] = ACCOUNT_ID
    environment["MOTO_DISABLE_GLOBAL_CORS"] = "true"
    environment["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
    environment["S3_IGNORE_SUBDOMAIN_BUCKETNAME"] = "true"


class MotoServices:
    """moto's applications, made on first use, and what they are seeded with."""

    def __init__(self, installation: Installation) -> None:
        """Open the state of the services. Raises StateFileError."""
        self._installation = installation
        self._kept = Kept(installation.home)
        self._apps: dict[str, Callable] = {}
        self._making = threading.Lock()
        # moto changes and walks through its dictionaries without locking, so requests
        # to one service are taken one at a time.
        self._locks = {service: threading.Lock() for service in SERVICES}
        self._iam_is_filled = False

    def warm_up(self) -> None:
        """Make the applications that a first lesson needs, ahead of the first call."""
        with ThreadPoolExecutor(1) as pool:
            for service in ("s3", "iam", "sts"):
                pool.submit(self._app, service)

    def answer(
        self, head: Head, claim: Claim, body: IO[bytes], size: int
    ) -> MotoAnswer:
        """Let moto answer; returns status, headers and the parts of the body.

        `size` is the body's length in bytes. Raises AwsError for what moto can't do.
        """
        service = claim.service
        try:
            app = self._app(service)
        except StateFileError as error:
            raise internal_error(service, error) from error
        body.seek(0)
        parameters: dict[str, str] = {}
        operation = _operation(head)
        if service in ("iam", "sts", "monitoring") and not operation:
            parameters = _form(head, body.read())
            operation = parameters.get("Action", "")
            body.seek(0)
        if service == "s3":
            names = {pair.partition("=")[0] for pair in head.query.split("&")}
            if absent := names & S3_NOT_BUILT:
                raise _not_built("s3", f"{head.method} ?{min(absent)}")
            if head.method == "POST" and not names & S3_POSTS:
                raise AwsError(
                    "MethodNotAllowed",
                    "The specified method is not allowed against this resource.",
                    405,
                )
            upload = self._take_upload(head, body, size)
        else:
            upload = None
        request = Request(head, claim.region, operation, upload)
        with self._locks[service]:
            if service == "iam" and operation == "SimulatePrincipalPolicy":
                try:
                    return _simulate_principal_policy(parameters)
                except ValueError as error:  # a number or a policy that does not read
                    raise AwsError("InvalidInput", str(error)) from error
            environ = _environ(head, claim, body, size)
            if upload is not None:
                environ[UPLOAD] = upload
            return self._ask_and_keep(app, service, environ, request)

    def _take_upload(self, head: Head, body: IO[bytes], size: int) -> Content | None:
        try:
            return self._kept.s3.take_upload(head, body, size)
        except StorageError as error:
            raise internal_error("s3", error) from error

    def _ask_and_keep(
        self, app: Callable, service: str, environ: dict, request: Request
    ) -> MotoAnswer:
        """Let moto answer; what it changed is on the disk before this returns.

        If it can't be stored it is taken back, and the client told so.
        """
        keeper = self._kept.by_service.get(service)
        if keeper is None:
            return self._ask_moto(app, service, environ, request)
        try:
            answer = self._ask_moto(app, service, environ, request)
            if not keeper.is_change(request):
                keeper.passed(request)
            elif answer[0] < 400:
                keeper.keep(request)
            else:
                keeper.refused(request)
        except AwsError:
            keeper.refused(request)
            raise
        except (StorageError, sqlite3.Error, NotKeepable) as error:
            keeper.restore(request)
            raise internal_error(service, error) from error
        return answer

    def _ask_moto(
        self, app: Callable, service: str, environ: dict, request: Request
    ) -> MotoAnswer:
        head = request.head
        name = request.operation or f"{head.method} {head.raw_path}"
        started: list[Any] = []

        def start_response(status: str, headers: list, _: object = None) -> None:
            started[:] = [int(status.split(" ", 1)[0]), headers]

        try:
            parts = app(environ, start_response)
            try:
                chunks = [chunk for chunk in parts if chunk]
            finally:
                parts.close()
        except NotImplementedError:
            raise _not_built(service, name) from None
        except (StorageError, sqlite3.Error):
            raise
        except Exception:
            # moto fails with whatever Python raises on input that it does not expect.
            # The client gets an AWS error, the log the trace.
            log.exception("%s: %s failed in moto", service, name)
            raise AwsError(
                "InternalFailure",
                f"The local stand-in for AWS failed in {service} on {name}. Its "
                "log says more.",
                500,
            ) from None
        status, headers = started
        kind = dict((k.lower(), v) for k, v in headers).get("content-type", "")
        if status >= 400 and kind.startswith("text/html") and service != "s3":
            # Flask's own pages: no such path, no such method.
            raise _not_built(service, name)
        return status, headers, chunks

    def _app(self, service: str) -> Callable:
        with self._making:
            if service not in self._apps:
                self._apps[service] = self._make(service)
            return self._apps[service]

    def _make(self, service: str) -> Callable:
        from moto.moto_server.werkzeug_app import create_backend_app

        app = create_backend_app(SERVICES[service])
        app.debug = False
        if service == "s3":
            app.request_class = _plain_body(app.request_class)
        app.config["PROPAGATE_EXCEPTIONS"] = True
        if service in ("iam", "sts"):
            with self._locks["iam"]:
                if not self._iam_is_filled:
                    self._fill_iam()
                    self._iam_is_filled = True
        else:
            self._kept.by_service[service].refill()
        return app

    def _fill_iam(self) -> None:
        iam = self._kept.iam
        iam.refill()
        if iam.is_new:
            _make_role()
            iam.keep()
        _make_session(self._installation)


def _plain_body(request_class: type) -> type:
    """A request whose body is never read as a form, whatever its content type is.

    An object of type application/x-www-form-urlencoded, which is what curl sends by
    default, would arrive empty.
    """

    class PlainBodyRequest(request_class):
        want_form_data_parsed = False

        @property
        def data(self) -> bytes | Content:
            # A large object has been taken ahead, see S3Keeper.take_upload.
            upload = self.environ.get(UPLOAD)
            return self.get_data() if upload is None else upload

    return PlainBodyRequest


def _make_role() -> None:
    """Make the course's role. Later it is the user's, who may change or delete it."""
    from moto.iam.models import iam_backends

    iam = iam_backends[ACCOUNT_ID]["aws"]
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    iam.create_role(
        role_name=ROLE_NAME,
        assume_role_policy_document=json.dumps(trust),
        path="/service-role/",
        permissions_boundary=None,
        description="Execution role of the course",
        tags=[],
        max_session_duration="3600",
    )
    iam.attach_role_policy(MANAGED_POLICY, ROLE_NAME)


def _make_session(installation: Installation) -> None:
    """Make these keys a session of the course's role.

    The SDK takes its execution role from sts:GetCallerIdentity, and accepts nothing but
    an assumed role there.
    """
    from moto.iam.models import AccessKey
    from moto.sts.models import AssumedRole, sts_backends

    sts = sts_backends[ACCOUNT_ID]["aws"]
    key = AccessKey(user_name=None, prefix="AKIA", account_id=ACCOUNT_ID)
    key.access_key_id = installation.access_key_id
    key.secret_access_key = installation.secret_access_key
    key.role_arn = ROLE_ARN
    session = AssumedRole(
        account_id=ACCOUNT_ID,
        region_name=REGION,
        access_key=key,
        role_session_name=SESSION_NAME,
        role_arn=ROLE_ARN,
        policy="",
        duration=3600,
        external_id="",
    )
    sts.assumed_roles.append(session)


def internal_error(service: str, error: object) -> AwsError:
    """The service can't store what it was told to, or not read what is stored."""
    log.error("%s: %s", service, error)
    code, status = INTERNAL_ERRORS.get(service, ("InternalFailure", 500))
    return AwsError(
        code,
        f"The local stand-in for AWS can't use its state folder: {error}. Nothing has "
        "been changed.",
        status,
    )


def _not_built(service: str, name: str) -> AwsError:
    return AwsError(
        "NotImplemented",
        f"The local stand-in for AWS has not built {name} of {service}. Run this step "
        "in AWS mode, or see the README for what works locally.",
        501,
    )


def unsupported_service(service: str, head: Head, body: bytes) -> AwsError:
    """What the client of a service that is not here at all is told."""
    form = _form(head, body)
    name = _operation(head) or form.get("Action") or f"{head.method} {head.raw_path}"
    return _not_built(service, name)


def _operation(head: Head) -> str:
    """The operation named by X-Amz-Target, "" if there is no such header."""
    return (head.header("x-amz-target") or "").rpartition(".")[2]


def _form(head: Head, body: bytes) -> dict[str, str]:
    """The parameters of a query-protocol request, from its body or its URL."""
    kind = head.header("content-type") or ""
    text = head.query
    if kind.startswith("application/x-www-form-urlencoded"):
        text = body.decode("utf-8", "replace") or head.query
    return {key: values[0] for key, values in parse_qs(text, True).items()}


def _environ(head: Head, claim: Claim, body: IO[bytes], size: int) -> dict[str, Any]:
    """The WSGI environment of a request (PEP 3333), as moto wants it.

    RAW_URI carries the path undecoded: moto tells keys apart by it. A header name with
    an underscore is kept apart from its twin with a dash (S3 metadata).
    """
    environ: dict[str, Any] = {
        "REQUEST_METHOD": head.method,
        "SCRIPT_NAME": "",
        # Flask chooses the view by this; S3's patterns fit undecoded keys better, since
        # a decoded one may hold line breaks.
        "PATH_INFO": head.raw_path
        if claim.service == "s3"
        else unquote_to_bytes(head.raw_path).decode("latin-1"),
        "QUERY_STRING": head.query,
        "RAW_URI": head.raw_path + (f"?{head.query}" if head.query else ""),
        "SERVER_NAME": HOST,
        "SERVER_PORT": (head.header("host") or "").rpartition(":")[2] or "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": HOST,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": _ReadOnly(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": _LogErrors(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    dashed = {name for name, _ in head.headers if "_" not in name}
    originals: dict[str, str] = {}
    for name, value in head.headers:
        if name in ("user-agent", "x-moto-account-id", "transfer-encoding"):
            continue  # moto reads Region and account from the first two
        if "_" in name:
            if not name.startswith("x-amz-meta-") or name.replace("_", "-") in dashed:
                continue
            originals[_wsgi_name(name)] = name
        key = _wsgi_name(name)
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    # moto takes the Region from here, for presigned requests too.
    environ["HTTP_AUTHORIZATION"] = (
        f"{ALGORITHM} Credential={claim.access_key_id}/{claim.date}/{claim.region}/"
        f"{claim.service}/{claim.terminator}, SignedHeaders=host, Signature=checked"
    )
    environ["CONTENT_LENGTH"] = str(size)
    environ["moto.preserved_header_names"] = originals
    return environ


class _ReadOnly:
    """A spooled file that says it is for reading.

    gzip looks at `mode` (botocore compresses a large PutMetricData), and a spooled
    file's is w+b.
    """

    mode = "rb"

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _wsgi_name(header: str) -> str:
    name = header.upper().replace("-", "_")
    return name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"


class _LogErrors:
    """wsgi.errors as a log."""

    def write(self, text: str) -> None:
        if text.strip():
            log.warning("%s", text.rstrip())

    def flush(self) -> None:
        """Nothing is held back."""


def _simulate_principal_policy(parameters: dict[str, str]) -> MotoAnswer:
    """iam:SimulatePrincipalPolicy for a role (IAM API Reference; botocore iam model).

    Raises AwsError: NoSuchEntity, InvalidInput.
    """
    from local_aws.access.policy_evaluation import Policy, Result, simulate

    source = parameters.get("PolicySourceArn", "")
    policies = [
        Policy(f"PolicyInputList.{index + 1}", "IAM Policy", json.loads(text))
        for index, text in enumerate(_members(parameters, "PolicyInputList"))
    ] + [Policy(*policy) for policy in _policies_of_role(source)]
    actions = _members(parameters, "ActionNames")
    if not actions:
        raise AwsError("InvalidInput", "ActionNames must not be empty.")
    resources = _members(parameters, "ResourceArns") or ["*"]
    context = _context_entries(parameters)
    pairs = [(action, resource) for action in actions for resource in resources]
    start = int(parameters.get("Marker") or 0)
    end = start + int(parameters.get("MaxItems") or SIMULATION_PAGE)
    results: list[Result] = [
        simulate(policies, action, resource, context)
        for action, resource in pairs[start:end]
    ]
    more = end < len(pairs)
    members = "".join(
        f"<member><EvalActionName>{escape(result.action)}</EvalActionName>"
        f"<EvalResourceName>{escape(result.resource)}</EvalResourceName>"
        f"<EvalDecision>{result.decision}</EvalDecision><MatchedStatements>"
        + "".join(
            f"<member><SourcePolicyId>{escape(policy.source_id)}</SourcePolicyId>"
            f"<SourcePolicyType>{policy.source_type}</SourcePolicyType></member>"
            for policy in result.matched
        )
        + "</MatchedStatements><MissingContextValues/></member>"
        for result in results
    )
    marker = f"<Marker>{end}</Marker>" if more else ""
    namespace = "https://iam.amazonaws.com/doc/2010-05-08/"
    body = (
        f'<SimulatePrincipalPolicyResponse xmlns="{namespace}">'
        f"<SimulatePrincipalPolicyResult><IsTruncated>{str(more).lower()}</IsTruncated>"
        f"{marker}<EvaluationResults>{members}</EvaluationResults>"
        "</SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>"
    ).encode()
    headers = [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))]
    return 200, headers, [body]


def _members(parameters: dict[str, str], name: str) -> list[str]:
    """A list of the query protocol: `<name>.member.1`, `.2`, ..."""
    values = []
    while (key := f"{name}.member.{len(values) + 1}") in parameters:
        values.append(parameters[key])
    return values


def _context_entries(parameters: dict[str, str]) -> dict[str, list[str]]:
    entries: dict[str, list[str]] = {}
    while True:
        prefix = f"ContextEntries.member.{len(entries) + 1}"
        key = parameters.get(f"{prefix}.ContextKeyName")
        if key is None:
            return entries
        entries[key.lower()] = _members(parameters, f"{prefix}.ContextKeyValues")


def _policies_of_role(arn: str) -> list[tuple[str, str, dict]]:
    """Name, kind and document of a role's inline and attached policies."""
    from moto.iam.models import iam_backends

    match = re.fullmatch(rf"arn:aws:iam::{ACCOUNT_ID}:role/(?:.*/)?([\w+=,.@-]+)", arn)
    if match is None:
        raise AwsError("InvalidInput", f"Invalid Entity Arn: {arn}", 400)
    iam = iam_backends[ACCOUNT_ID]["aws"]
    role = next((role for role in iam.get_roles() if role.arn == arn), None)
    if role is None:
        name = match.group(1)
        raise AwsError(
            "NoSuchEntity", f"The role with name {name} cannot be found.", 404
        )
    found = [
        (name, "IAM Policy", json.loads(document))
        for name, document in role.policies.items()
    ]
    for policy in role.managed_policies.values():
        version = next(v for v in policy.versions if v.is_default)
        found.append((policy.name, "IAM Policy", json.loads(version.document)))
    return found
