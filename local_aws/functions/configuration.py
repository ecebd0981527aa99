"""What a function may be, and how it is shown.

A record holds what GetFunctionConfiguration shows, and under keys that begin with an
underscore what else is known of the function.

Sources of limits and texts: botocore's service model of Lambda; Lambda API Reference;
Lambda Developer Guide, "Lambda quotas"; errors of the real service that users have
recorded in public issues.
"""

import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

from local_aws.access.roles import Role
from local_aws.errors import AwsError, not_reproduced
from local_aws.installation import ACCOUNT_ID
from local_aws.services import named

KIND = "function"
SERVICE_PRINCIPAL = "lambda.amazonaws.com"

# "Lambda runtimes": earlier ones can't be created any more.
RUNTIMES = tuple(f"python3.{minor}" for minor in range(9, 16))
# Less than the service model says, which has functions on managed instances too.
LONGEST_TIMEOUT = 900
MOST_MEMORY = 10_240
MOST_STORAGE = 10_240
LARGEST_ENVIRONMENT = 4096
MOST_TAGS = 50

_NAME = re.compile(
    r"(?:arn:aws[\w-]*:lambda:)?(?:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d):)?"
    r"(?:(?P<account>\d{12}):)?(?:function:)?(?P<name>[\w-]+)(?::(?P<qualifier>[$\w-]+))?",
    re.ASCII,
)
_LONGEST_NAME = 64

# "Working with Lambda environment variables": what a function can't set.
RESERVED = frozenset(
    (
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    )
)

# What would be ignored, and what it is; a value that changes nothing is taken.
REFUSED = {
    "AcceleratorConfig": "an accelerator",
    "CapacityProviderConfig": "managed instances",
    "CodeSigningConfigArn": "signed code",
    "DeadLetterConfig": "a queue for failed events",
    "DurableConfig": "durable execution",
    "FileSystemConfigs": "a file system",
    "ImageConfig": "a container image",
    "KMSKeyArn": "encryption by a key of yours",
    "Layers": "layers",
    "Publish": "versions of a function",
    "PublishTo": "versions of a function",
    "RuntimeConfig": "a pinned runtime",
    "S3ObjectStorageMode": "code that stays in S3",
    "SnapStart": "snapshots of a started function",
    "SourceKMSKeyArn": "encryption by a key of yours",
    "TenancyConfig": "isolated tenants",
    "TracingConfig": "traces by X-Ray",
    "VpcConfig": "a network of yours",
}
HARMLESS = {
    "S3ObjectStorageMode": "COPY",
    "SnapStart": {"ApplyOn": "None"},
    "TracingConfig": {"Mode": "PassThrough"},
}
# The members of LoggingConfig that work here are the others.
REFUSED_OF_LOGGING = ("ApplicationLogLevel", "SystemLogLevel")

# ListFunctions shows less ("ListFunctions", Lambda API Reference).
NOT_LISTED = ("State", "StateReason", "StateReasonCode", "LastUpdateStatus")
NOT_LISTED += ("LastUpdateStatusReason", "LastUpdateStatusReasonCode")

CREATING = {
    "State": "Pending",
    "StateReason": "The function is being created.",
    "StateReasonCode": "Creating",
}
IN_PROGRESS = {
    "LastUpdateStatus": "InProgress",
    "LastUpdateStatusReason": "The function is being created.",
    "LastUpdateStatusReasonCode": "Creating",
}


def refused(code: str, message: str, **members: str) -> AwsError:
    """One of Lambda's errors, with the status that its model gives it."""
    shape = named("lambda").model.shape_for_error_code(code)
    # AccessDeniedException is every service's.
    status = shape.metadata["error"]["httpStatusCode"] if shape else 403
    kind = "Service" if status >= 500 else "User"
    return AwsError(code, message, status, {"Type": kind, **members})


def invalid(message: str) -> AwsError:
    """The error for a request that says something wrong."""
    return refused("InvalidParameterValueException", message)


def too_large(operation: str, limit: int) -> AwsError:
    """The error for a request that is too large."""
    return refused(
        "RequestTooLargeException",
        f"Request must be smaller than {limit} bytes for the {operation} operation",
    )


def not_built(feature: str) -> AwsError:
    """The error for a part of Lambda that the stand-in does not reproduce."""
    return invalid(not_reproduced(feature, "AWS Lambda"))


def arn_of(region: str, name: str) -> str:
    return f"arn:aws:lambda:{region}:{ACCOUNT_ID}:function:{name}"


def not_found(region: str, name: str) -> AwsError:
    """The error for a function that is not there."""
    text = f"Function not found: {arn_of(region, name)}"
    return refused("ResourceNotFoundException", text)


def place_of(
    function: str, region: str, qualifier: str | None = None
) -> tuple[str, str]:
    """Region and name of a function that is named, or given by its ARN.

    Raises AwsError: for another account's, and for a version, of which there is none.
    """
    match = _NAME.fullmatch(function)
    if match is None:
        raise invalid(f"Invalid function name: {function}")
    region = match["region"] or region
    if match["account"] not in (None, ACCOUNT_ID):
        text = "User is not authorized to perform this action on the resource"
        raise refused("AccessDeniedException", text)
    qualifier = match["qualifier"] or qualifier
    if qualifier not in (None, "$LATEST"):
        raise not_found(region, f"{match['name']}:{qualifier}")
    return region, match["name"]


def check_region(function: str, region: str) -> None:
    """Raise AwsError for the ARN of a function in another Region."""
    match = _NAME.fullmatch(function)
    if match is not None and match["region"] not in (None, region):
        raise refused(
            "ResourceNotFoundException",
            f"Functions from '{match['region']}' are not reachable in this region "
            f"('{region}')",
        )


def check_request(request: Mapping[str, Any]) -> None:
    """Raise AwsError for what a function can't be, here or at all.

    `request` is one of CreateFunction or UpdateFunctionConfiguration.
    """
    refuse_members(request)
    _check_runtime(request.get("Runtime"))
    _check_most("timeout", request.get("Timeout"), LONGEST_TIMEOUT)
    _check_most("memorySize", request.get("MemorySize"), MOST_MEMORY)
    storage = request.get("EphemeralStorage", {}).get("Size")
    _check_most("ephemeralStorage.size", storage, MOST_STORAGE)
    _check_environment(request.get("Environment", {}).get("Variables", {}))
    logging = request.get("LoggingConfig", {})
    if logging.get("LogFormat") == "JSON":
        raise not_built("LoggingConfig with LogFormat JSON (logs in JSON)")
    for member in REFUSED_OF_LOGGING:
        if member in logging:
            raise not_built(f"LoggingConfig.{member} (filtered logs)")


def refuse_members(request: Mapping[str, Any]) -> None:
    """Refuse what would be ignored."""
    for member, feature in REFUSED.items():
        value = request.get(member)
        if _says_something(value) and value != HARMLESS.get(member):
            raise not_built(f"{member} ({feature})")
    code = request.get("Code", request)
    if "ImageUri" in code or request.get("PackageType") == "Image":
        raise not_built("PackageType Image (a container image)")


def _says_something(value: Any) -> bool:
    """Whether it is more than an empty structure or list, as consoles send them."""
    if isinstance(value, dict):
        return any(map(_says_something, value.values()))
    return bool(value)


def _check_runtime(runtime: str | None) -> None:
    if runtime is None or runtime in RUNTIMES:
        return
    if runtime.startswith("python"):
        raise invalid(
            f"The runtime parameter of {runtime} is no longer supported for creating "
            "or updating AWS Lambda functions. We recommend you use a supported "
            "runtime while creating or updating functions."
        )
    raise not_built(f"Runtime {runtime} (a language other than Python)")


def _check_most(member: str, value: int | None, most: int) -> None:
    """Raise what the service says of a value beyond its model's limit."""
    if value is not None and value > most:
        raise AwsError(
            "ValidationException",
            f"1 validation error detected: Value '{value}' at '{member}' failed to "
            "satisfy constraint: Member must have value less than or equal to "
            f"{most}",
        )


def _check_environment(variables: Mapping[str, str]) -> None:
    reserved = sorted(RESERVED & variables.keys())
    start = (
        "Lambda was unable to configure your environment variables because the "
        "environment variables you have provided"
    )
    if reserved:
        raise invalid(
            f"{start} contains reserved keys that are currently not supported for "
            f"modification. Reserved keys used in this request: {', '.join(reserved)}"
        )
    for name, value in variables.items():
        if "\0" in value:
            raise invalid(f"{start} can't be set: {name} holds a NUL character.")
    size = sum(len(f"{name}{value}".encode()) for name, value in variables.items())
    if size > LARGEST_ENVIRONMENT:
        raise invalid(f"{start} exceeded the 4KB limit.")


def check_role(role: Role, arn: str) -> None:
    """Raise AwsError unless Lambda may assume the role for a function."""
    if not role.trusts(SERVICE_PRINCIPAL, arn):
        raise invalid("The role defined for the function cannot be assumed by Lambda.")


def check_tags(tags: Mapping[str, str]) -> None:
    if any(name.lower().startswith("aws:") for name in tags):
        raise invalid("Tag keys starting with 'aws:' are reserved for system use")
    if len(tags) > MOST_TAGS:
        raise invalid("Too many tags")


def new_record(region: str, name: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a function that CreateFunction asks for, but for its code."""
    if len(name) > _LONGEST_NAME:
        raise AwsError(
            "ValidationException",
            f"1 validation error detected: Value '{name}' at 'functionName' failed to "
            "satisfy constraint: Member must have length less than or equal to "
            f"{_LONGEST_NAME}",
        )
    if "Runtime" not in request or "Handler" not in request:
        raise invalid(
            "Runtime and Handler are mandatory parameters for functions created with "
            "deployment packages."
        )
    record = {
        "FunctionName": name,
        "FunctionArn": arn_of(region, name),
        "Runtime": request["Runtime"],
        "Role": request["Role"],
        "Handler": request["Handler"],
        "Description": "",
        "Timeout": 3,
        "MemorySize": 128,
        "Version": "$LATEST",
        "TracingConfig": {"Mode": "PassThrough"},
        "PackageType": "Zip",
        "Architectures": request.get("Architectures", ["x86_64"]),
        "EphemeralStorage": {"Size": 512},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}"},
        **CREATING,
        "_region": region,
    }
    configure(record, request)
    return record


CONFIGURED = ("Role", "Handler", "Description", "Timeout", "MemorySize", "Runtime")
CONFIGURED += ("EphemeralStorage",)


def configure(record: dict[str, Any], request: Mapping[str, Any]) -> None:
    """Change what a request says of a function."""
    for member in CONFIGURED:
        if member in request:
            record[member] = request[member]
    if "Environment" in request:
        variables = request["Environment"].get("Variables", {})
        record["Environment"] = {"Variables": variables}
        if not variables:
            del record["Environment"]
    record["LoggingConfig"] |= request.get("LoggingConfig", {})
    record["_configured"] = str(uuid.uuid4())
    modified(record)


def modified(record: dict[str, Any]) -> None:
    """Note that a function changes now."""
    record["LastModified"] = time.strftime("%Y-%m-%dT%H:%M:%S.000+0000", time.gmtime())
    record["RevisionId"] = str(uuid.uuid4())


def shown(record: Mapping[str, Any]) -> dict[str, Any]:
    """A function's configuration as Lambda shows it."""
    return {name: value for name, value in record.items() if not name.startswith("_")}


def listed(record: Mapping[str, Any]) -> dict[str, Any]:
    """The same in a list."""
    return {
        name: value for name, value in shown(record).items() if name not in NOT_LISTED
    }
