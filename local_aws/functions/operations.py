"""Lambda's operations, but for Invoke: each is a function of a request and its context.

They return the members of their output, or raise AwsError.
"""

import base64
import binascii
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from local_aws import protocol
from local_aws.errors import StorageError
from local_aws.functions import configuration, packages, permissions
from local_aws.functions.configuration import KIND, invalid, refused
from local_aws.functions.invocations import Functions
from local_aws.functions.packages import BadZip, Package
from local_aws.persistence.resources import AlreadyExists, NotFound

log = logging.getLogger(__name__)

# On AWS it takes some seconds until a new function, or a changed one, is ready. Here it
# takes so long, so that code that does not wait fails here as it does there.
SETTLING_SECONDS = 0.5
HELD_SECONDS = 50.0
LARGEST_REQUEST = 70_167_211
PAGE = 50


class Settling:
    """Makes functions ready that have been created or changed, in the background."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self._threads = ThreadPoolExecutor(8, "functions settle")
        self._news = threading.Condition()

    def restore(self) -> None:
        """Go on with what an earlier process has begun; remove what nobody has."""
        resources = self._functions.resources
        known = set()
        for region, name, record in resources.all_records(KIND):
            known.add(record["_code"])
            if is_settling(record):
                self.begin(region, name, record)
        self._functions.code.sweep(known)

    def begin(
        self, region: str, name: str, record: dict, old: Iterable[str] = ()
    ) -> None:
        """Make a function ready; returns at once. `old` is code to be removed."""
        self._threads.submit(self._settle, region, name, record, old)

    def wait(self, region: str, name: str) -> dict:
        """The function once it is ready, or after a while. Raises AwsError."""
        deadline = time.monotonic() + HELD_SECONDS
        while True:
            with self._news:
                record = self._functions.get(region, name)
                left = deadline - time.monotonic()
                if not is_settling(record) or left <= 0:
                    return record
                self._news.wait(min(left, 1.0))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _settle(self, region: str, name: str, begun: dict, old: Iterable[str]) -> None:
        problem = ""
        try:
            self._functions.code.task(begun["_code"])
        except Exception as error:  # said by the function's state
            log.exception("can't unpack the code of %s", name)
            problem = str(error)
        time.sleep(SETTLING_SECONDS)

        def change(record: dict) -> None:
            if record["_code"] == begun["_code"] and (
                record["_configured"] == begun["_configured"]
            ):
                _settled(record, problem)

        try:
            self._functions.resources.update(region, KIND, name, change)
        except (NotFound, StorageError) as error:
            log.info("%s: %s", name, error)
        with self._news:
            self._news.notify_all()
        for code in old:
            self._functions.discard_code(code)


def is_settling(record: Mapping[str, Any]) -> bool:
    """Whether a function is on its way."""
    return record["State"] == "Pending" or record["LastUpdateStatus"] == "InProgress"


def _settled(record: dict, problem: str) -> None:
    for member in ("StateReason", "StateReasonCode"):
        record.pop(member, None)
    for member in ("LastUpdateStatusReason", "LastUpdateStatusReasonCode"):
        record.pop(member, None)
    if not problem:
        record["State"], record["LastUpdateStatus"] = "Active", "Successful"
        return
    record["LastUpdateStatus"] = "Failed"
    record["LastUpdateStatusReason"] = problem
    record["LastUpdateStatusReasonCode"] = "InternalError"
    if record["State"] == "Pending":
        record["State"] = "Failed"
        record["StateReason"] = problem
        record["StateReasonCode"] = "InternalError"


@dataclass(frozen=True)
class Context:
    """One request's surroundings."""

    region: str
    functions: Functions
    settling: Settling
    waits: bool  # whether a waiter asks
    body_size: int
    location: Callable[[str], str]  # the address of a function's zip

    def place(self, request: Mapping[str, Any]) -> tuple[str, str]:
        """Region and name of the function that a request is about."""
        function = request["FunctionName"]
        configuration.check_region(function, self.region)
        return configuration.place_of(function, self.region, request.get("Qualifier"))

    def get(self, request: Mapping[str, Any]) -> dict:
        """The function that a request is about. Raises AwsError."""
        return self.functions.get(*self.place(request))

    def update(
        self, request: Mapping[str, Any], change: Callable[[dict], None]
    ) -> dict:
        """Change a function; the request may say which revision is meant."""
        region, name = self.place(request)

        def change_revision(record: dict) -> None:
            _check_revision(record, request)
            change(record)

        try:
            return self.functions.resources.update(region, KIND, name, change_revision)
        except NotFound:
            raise configuration.not_found(region, name) from None


def _check_revision(record: Mapping[str, Any], request: Mapping[str, Any]) -> None:
    if request.get("RevisionId") not in (None, record["RevisionId"]):
        raise refused(
            "PreconditionFailedException",
            "The Revision Id provided does not match the latest Revision Id. Call the "
            "GetFunction/GetAlias API to retrieve the latest Revision Id",
        )


Handler = Callable[[dict, Context], dict | None]
HANDLERS: dict[str, Handler] = {}
operation = protocol.registered_in(HANDLERS)


@operation("CreateFunction")
def create_function(request: dict, context: Context) -> dict:
    """Make a function; it is Pending at first."""
    region, name = context.place(request)
    _check_body(context, "CreateFunction")
    configuration.check_request(request)
    configuration.check_tags(request.get("Tags", {}))
    configuration.refuse_members(request["Code"])
    record = configuration.new_record(region, name, request)
    _check_role(request["Role"], record["FunctionArn"], context)
    package = _package(request["Code"], context)
    record |= {"LastUpdateStatus": "Successful"}
    code = _keep(record, package, context)
    try:
        context.functions.resources.create(
            region, KIND, name, record, record["FunctionArn"], request.get("Tags", {})
        )
    except AlreadyExists:
        context.functions.code.remove(code)
        text = f"Function already exist: {name}"
        raise refused("ResourceConflictException", text) from None
    except BaseException:
        context.functions.code.remove(code)
        raise
    context.settling.begin(region, name, record)
    shown = configuration.shown(record)
    del shown["LastUpdateStatus"]  # which a new function has not yet
    return shown


@operation("GetFunction")
def get_function(request: dict, context: Context) -> dict:
    """A function with its code's address and its tags."""
    record = _awaited(request, context)
    return {
        "Configuration": configuration.shown(record),
        "Code": {
            "RepositoryType": "S3",
            "Location": context.location(record["FunctionName"]),
        },
        "Tags": context.functions.resources.tags(record["FunctionArn"]) or None,
    }


@operation("GetFunctionConfiguration")
def get_function_configuration(request: dict, context: Context) -> dict:
    """A function without its code."""
    return configuration.shown(_awaited(request, context))


def _awaited(request: dict, context: Context) -> dict:
    """The function; a waiter is answered when it is ready."""
    if context.waits:
        return context.settling.wait(*context.place(request))
    return context.get(request)


@operation("ListFunctions")
def list_functions(request: dict, context: Context) -> dict:
    """A page of the Region's functions, by name."""
    if "MasterRegion" in request:
        raise configuration.not_built("MasterRegion (functions of Lambda@Edge)")
    after = _name_of_marker(request.get("Marker", ""))
    records = sorted(
        (
            record
            for region, _, record in context.functions.resources.all_records(KIND)
            if region == context.region and record["FunctionName"] > after
        ),
        key=lambda record: record["FunctionName"],
    )
    size = min(request.get("MaxItems", PAGE), PAGE)
    page = records[:size]
    marker = None
    if len(records) > size:
        marker = base64.urlsafe_b64encode(page[-1]["FunctionName"].encode()).decode()
    return {"Functions": list(map(configuration.listed, page)), "NextMarker": marker}


def _name_of_marker(marker: str) -> str:
    try:
        return base64.b64decode(marker.encode(), b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise invalid("Invalid Marker") from None


@operation("UpdateFunctionCode")
def update_function_code(request: dict, context: Context) -> dict:
    """Give a function another zip."""
    _check_body(context, "UpdateFunctionCode")
    context.get(request)
    configuration.refuse_members(request)
    package = _package(request, context)
    made: list[str] = []
    old: list[str] = []

    def change(record: dict) -> None:
        _check_settled(record)
        old.append(record["_code"])
        made.append(_keep(record, package, context))
        record["Architectures"] = request.get("Architectures", record["Architectures"])
        record |= configuration.IN_PROGRESS
        configuration.modified(record)

    if request.get("DryRun"):
        record = context.get(request)
        _check_revision(record, request)
        return configuration.shown(
            record | {"CodeSha256": package.sha256, "CodeSize": package.size}
        )
    try:
        record = context.update(request, change)
    except BaseException:
        for code in made:
            context.functions.code.remove(code)
        raise
    return _begin(record, context, old)


@operation("UpdateFunctionConfiguration")
def update_function_configuration(request: dict, context: Context) -> dict:
    """Change what a function is besides its code."""
    configuration.check_request(request)
    arn = context.get(request)["FunctionArn"]
    if "Role" in request:
        _check_role(request["Role"], arn, context)

    def change(record: dict) -> None:
        _check_settled(record)
        configuration.configure(record, request)
        record |= configuration.IN_PROGRESS

    return _begin(context.update(request, change), context)


def _check_role(role_arn: str, arn: str, context: Context) -> None:
    configuration.check_role(context.functions.clients.find_role(role_arn), arn)


def _check_settled(record: dict) -> None:
    if record["State"] == "Pending":
        raise refused(
            "ResourceConflictException",
            "The operation cannot be performed at this time. The function is currently "
            "in the following state: Pending",
        )
    if record["LastUpdateStatus"] == "InProgress":
        raise refused(
            "ResourceConflictException",
            "The operation cannot be performed at this time. An update is in progress "
            f"for resource: {record['FunctionArn']}",
        )


def _begin(record: dict, context: Context, old: list[str] | None = None) -> dict:
    """Begin to make a changed function ready; `old` is code that it has no more."""
    region, name = record["_region"], record["FunctionName"]
    context.functions.end_processes(region, name)
    context.settling.begin(region, name, record, old or [])
    return configuration.shown(record)


@operation("DeleteFunction")
def delete_function(request: dict, context: Context) -> dict:
    """Delete a function; what runs of it ends with its invocation."""
    region, name = context.place(request)
    found = []
    try:
        context.functions.resources.delete(region, KIND, name, found.append)
    except NotFound:
        raise configuration.not_found(region, name) from None
    context.functions.forget(found[0])
    return {"StatusCode": 204}


@operation("AddPermission")
def add_permission(request: dict, context: Context) -> dict:
    """Let a service invoke a function."""
    for member in ("EventSourceToken", "PrincipalOrgID", "FunctionUrlAuthType"):
        if member in request:
            raise configuration.not_built(f"{member} (a kind of caller)")
    if request.get("InvokedViaFunctionUrl"):
        raise configuration.not_built("InvokedViaFunctionUrl (function URLs)")
    arn = context.get(request)["FunctionArn"]
    statement = permissions.statement_of(request, arn)

    def change(record: dict) -> None:
        permissions.add(record, statement)
        configuration.modified(record)

    context.update(request, change)
    return {"Statement": json.dumps(statement, separators=(",", ":"))}


@operation("RemovePermission")
def remove_permission(request: dict, context: Context) -> None:
    """Take back what AddPermission gave."""

    def change(record: dict) -> None:
        permissions.remove(record, request["StatementId"])
        configuration.modified(record)

    context.update(request, change)


@operation("GetPolicy")
def get_policy(request: dict, context: Context) -> dict:
    """A function's own policy."""
    record = context.get(request)
    document = permissions.document_of(record)
    text = json.dumps(document, separators=(",", ":"))
    return {"Policy": text, "RevisionId": record["RevisionId"]}


@operation("TagResource")
def tag_resource(request: dict, context: Context) -> None:
    """Add or overwrite a function's tags."""
    arn = _tagged(request, context)
    configuration.check_tags(request["Tags"])
    context.functions.resources.put_tags(arn, request["Tags"], configuration.check_tags)


@operation("UntagResource")
def untag_resource(request: dict, context: Context) -> None:
    """Remove tags of a function."""
    context.functions.resources.delete_tags(
        _tagged(request, context), request["TagKeys"]
    )


@operation("ListTags")
def list_tags(request: dict, context: Context) -> dict:
    """A function's tags."""
    return {"Tags": context.functions.resources.tags(_tagged(request, context))}


def _tagged(request: dict, context: Context) -> str:
    if ":function:" not in request["Resource"]:
        raise configuration.not_built(f"{request['Resource']} (no function)")
    return context.get({"FunctionName": request["Resource"]})["FunctionArn"]


def _check_body(context: Context, name: str) -> None:
    if context.body_size > LARGEST_REQUEST:
        raise configuration.too_large(name, LARGEST_REQUEST)


def _package(source: Mapping[str, Any], context: Context) -> Package:
    """The zip that a request brings, or names. Raises AwsError."""
    names = {"S3Bucket", "S3Key"} & source.keys()
    if "ZipFile" in source and names:
        raise invalid(
            "Please do not provide other FunctionCode parameters when providing a "
            "ZipFile."
        )
    if "ZipFile" in source:
        content = source["ZipFile"]
    elif len(names) == 2:
        content = _from_s3(source, context)
    else:
        raise invalid("Please provide a source for function code.")
    if len(content) > packages.LARGEST_ZIP and "ZipFile" in source:
        raise invalid(f"Zipped size must be smaller than {packages.LARGEST_ZIP} bytes")
    try:
        return packages.check(content)
    except BadZip as error:
        raise invalid(str(error)) from error


def _from_s3(source: Mapping[str, Any], context: Context) -> bytes:
    names = {"Bucket": source["S3Bucket"], "Key": source["S3Key"]}
    if "S3ObjectVersion" in source:
        names["VersionId"] = source["S3ObjectVersion"]
    s3 = context.functions.clients.s3(context.region)
    try:
        found = s3.get_object(**names)
        with found["Body"] as body:
            if found["ContentLength"] > packages.LARGEST_UNZIPPED:
                raise invalid(
                    "Unzipped size must be smaller than "
                    f"{packages.LARGEST_UNZIPPED} bytes"
                )
            return body.read()
    except ClientError as error:
        said = error.response["Error"]
        raise invalid(
            f"Error occurred while GetObject. S3 Error Code: {said['Code']}. S3 Error "
            f"Message: {said['Message']}"
        ) from error


def _keep(record: dict, package: Package, context: Context) -> str:
    """Keep a zip as the code of a function; its name in the store."""
    try:
        code = context.functions.code.add(package)
    except OSError as error:
        raise StorageError(f"the code can't be kept: {error.strerror}") from error
    record["_code"] = code
    record["CodeSha256"] = package.sha256
    record["CodeSize"] = package.size
    return code
