"""Which IAM actions an operation needs, and on what.

Source: AWS Service Authorization Reference, "Actions, resources, and condition keys".
A service or an operation that is missing here is refused to the session of a role.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import unquote

from local_aws import services
from local_aws.installation import ACCOUNT_ID
from local_aws.protocol.model import ServiceModel, wire_name


@dataclass(frozen=True)
class Action:
    """An IAM action on a resource.

    Args:
        name: for example "s3:GetObject".
        resource: its ARN, or "*".
        context: the values of the condition keys that belong to the action.
        shown: what stands for the resource in AWS's refusals, "" for nothing.
    """

    name: str
    resource: str = "*"
    context: tuple[tuple[str, str], ...] = ()
    shown: str | None = None


@dataclass(frozen=True)
class Needed:
    """What an operation needs: an action on what the template makes of its members.

    Args:
        action: the action, less the service's prefix.
        resource: a template of an ARN; a member that was not given is empty in it.
        keys: condition keys, by the member whose value they have.
        where: the member without which the action is not needed.
        unless: the member with which it is not.
        shown: a template of what stands for the resource in a refusal.
    """

    action: str
    resource: str = "*"
    keys: Mapping[str, str] = field(default_factory=dict)
    where: str | None = None
    unless: str | None = None
    shown: str | None = None


Table = dict[str, tuple[Needed, ...]]


class NotMapped(LookupError):
    """Which permission an operation needs is not known here."""


def actions(
    service: str,
    operation: str,
    params: Mapping[str, Any],
    region: str,
    find_role_arn: Callable[[str], str | None] = lambda name: None,
) -> list[Action]:
    """What the caller must be allowed, all of it.

    Args:
        service: botocore's name of the service.
        operation: the operation's name.
        params: its parameters.
        region: the Region that the request is for.
        find_role_arn: gives a role's ARN by its name, since that has a path.

    Raises:
        NotMapped: it is in no table here.
    """
    values = _values(service, operation, params, region, find_role_arn)
    if service == "apigatewayv2":
        needed = (_of_http_api(operation),)
    else:
        needed = TABLES.get(service, {}).get(operation, ())
    if not needed:
        raise NotMapped(f"{service}:{operation}")
    prefix = PREFIXES.get(service, service)
    found = [
        Action(
            f"{prefix}:{one.action}",
            one.resource.format_map(values),
            tuple((k, values[name]) for k, name in one.keys.items() if values[name]),
            one.shown and one.shown.format_map(values),
        )
        for one in needed
        if (one.where is None or values[one.where])
        and (one.unless is None or not values[one.unless])
    ]
    passed = _roles(params) if service in TAKING_ROLES else ()
    to_service = (("iam:passedtoservice", f"{prefix}.amazonaws.com"),)
    return [*found, *(Action("iam:PassRole", arn, to_service) for arn in passed)]


def _values(
    service: str,
    operation: str,
    params: Mapping[str, Any],
    region: str,
    find_role_arn: Callable[[str], str | None],
) -> Mapping[str, str]:
    """What templates are filled with; a member that was not given is empty."""
    texts = {k: str(v) for k, v in params.items() if isinstance(v, str | int | float)}
    values = defaultdict(str, texts, region=region, account=ACCOUNT_ID)
    if service == "iam":
        values["path"] = texts.get("Path", "/")
        role = texts.get("RoleName", "")
        arn = f"arn:aws:iam::{ACCOUNT_ID}:role{values['path']}{role}"
        known = None if operation == "CreateRole" else find_role_arn(role)
        values["role"] = known or arn
    elif service == "lambda":
        # A name, or an ARN whole or in part, each with a qualifier or without.
        name = texts.get("FunctionName", "")
        name = name.partition("function:")[2] or name
        values["function"] = name.partition(":")[0]
    elif service == "s3":
        source = texts.get("CopySource", "").partition("?")[0]
        values["source"] = unquote(source).removeprefix("/")
        if any(name.startswith("Grant") for name in texts):
            values["ACL"] = texts.get("ACL", "grants")
    elif service == "logs":
        given = texts.get("logGroupIdentifier", "").partition(":log-group:")
        values["group"] = texts.get("logGroupName") or given[2] or given[0]
    elif service == "budgets":
        within = params.get("Budget", {}).get("BudgetName", "")
        # Recorded calls have it by its path.
        within = within or texts.get("Budget.BudgetName", "")
        values["budget"] = texts.get("BudgetName", within)
        values["tags"] = "given" if params.get("ResourceTags") else ""
    return values


def _roles(params: Any) -> Iterator[str]:
    """The roles that a request hands over, however deep, each once for each place."""
    for path, value in params.items() if isinstance(params, Mapping) else ():
        if isinstance(value, Mapping):
            yield from _roles(value)
        elif isinstance(value, list):
            for item in value:
                yield from _roles(item)
        elif path.rpartition(".")[2] in ("Role", "RoleArn", "ExecutionRoleArn"):
            yield value


# IAM's prefix, where it is not botocore's name of the service.
PREFIXES = {
    "apigatewayv2": "apigateway",
    "sagemaker-metrics": "sagemaker",
    "sagemaker-runtime": "sagemaker",
}
# To these a request that names a role hands it over, whichever the operation.
TAKING_ROLES = frozenset({"lambda", "sagemaker"})


def _same(resource: str, *operations: str, shown: str | None = None) -> Table:
    """Operations whose action has their own name, all on one kind of resource."""
    return {name: (Needed(name, resource, shown=shown),) for name in operations}


def _of_sagemaker(kind: str) -> str:
    return f"arn:aws:sagemaker:{{region}}:{{account}}:{kind}"


def _family(noun: str, kind: str, *verbs: str) -> Table:
    arn = _of_sagemaker(f"{kind}/{{{noun}Name}}")
    return _same(arn, *(f"{verb}{noun}" for verb in verbs))


_JOB = ("Create", "Describe", "Stop")
_PLAIN = ("Create", "Describe", "Delete")
_ENDPOINT = _of_sagemaker("endpoint/{EndpointName}")
_ENDPOINT_CONFIG = _of_sagemaker("endpoint-config/{EndpointConfigName}")
SAGEMAKER: Table = {
    **_family("TrainingJob", "training-job", *_JOB, "Delete", "Update"),
    **_family("TransformJob", "transform-job", *_JOB),
    **_family("HyperParameterTuningJob", "hyper-parameter-tuning-job", *_JOB, "Delete"),
    **_family("Model", "model", *_PLAIN),
    **_family("EndpointConfig", "endpoint-config", *_PLAIN),
    **_family("Endpoint", "endpoint", "Describe", "Delete"),
    **_family(
        "NotebookInstance", "notebook-instance", *_PLAIN, "Start", "Stop", "Update"
    ),
    **_same(_ENDPOINT, "UpdateEndpointWeightsAndCapacities"),
    **{
        name: (Needed(name, _ENDPOINT), Needed(name, _ENDPOINT_CONFIG))
        for name in ("CreateEndpoint", "UpdateEndpoint")
    },
    **_same(
        _of_sagemaker("hyper-parameter-tuning-job/{HyperParameterTuningJobName}"),
        "ListTrainingJobsForHyperParameterTuningJob",
    ),
    **_same("{ResourceArn}", "AddTags", "DeleteTags", "ListTags"),
    **_same(
        "*",
        "ListEndpointConfigs",
        "ListEndpoints",
        "ListHyperParameterTuningJobs",
        "ListModels",
        "ListNotebookInstances",
        "ListTrainingJobs",
        "ListTransformJobs",
    ),
}

_BUCKET = "arn:aws:s3:::{Bucket}"
_OBJECT = "arn:aws:s3:::{Bucket}/{Key}"
_LISTING = {
    "s3:prefix": "Prefix",
    "s3:delimiter": "Delimiter",
    "s3:max-keys": "MaxKeys",
}
_SOURCE = Needed("GetObject", "arn:aws:s3:::{source}")
_WRITING = (
    Needed("PutObject", _OBJECT, {"s3:x-amz-acl": "ACL"}),
    Needed("PutObjectTagging", _OBJECT, where="Tagging"),
    Needed("PutObjectAcl", _OBJECT, {"s3:x-amz-acl": "ACL"}, where="ACL"),
)
# Of an object, or of one of its versions if one is asked for.
_VERSION = {"s3:versionid": "VersionId"}


def _versioned(action: str, of_version: str) -> tuple[Needed, ...]:
    return (
        Needed(action, _OBJECT, unless="VersionId"),
        Needed(of_version, _OBJECT, _VERSION, where="VersionId"),
    )


S3: Table = {
    "ListBuckets": (Needed("ListAllMyBuckets"),),
    **_same(_BUCKET, "CreateBucket", "DeleteBucket", "GetBucketLocation"),
    **_same(_BUCKET, "GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy"),
    **_same(_BUCKET, "GetBucketVersioning", "PutBucketVersioning"),
    **_same(_BUCKET, "GetBucketTagging", "PutBucketTagging"),
    "GetBucketCors": (Needed("GetBucketCORS", _BUCKET),),
    "PutBucketCors": (Needed("PutBucketCORS", _BUCKET),),
    "DeleteBucketCors": (Needed("PutBucketCORS", _BUCKET),),
    "GetPublicAccessBlock": (Needed("GetBucketPublicAccessBlock", _BUCKET),),
    "PutPublicAccessBlock": (Needed("PutBucketPublicAccessBlock", _BUCKET),),
    "DeletePublicAccessBlock": (Needed("PutBucketPublicAccessBlock", _BUCKET),),
    "HeadBucket": (Needed("ListBucket", _BUCKET),),
    "ListObjects": (Needed("ListBucket", _BUCKET, _LISTING),),
    "ListObjectsV2": (Needed("ListBucket", _BUCKET, _LISTING),),
    "ListObjectVersions": (Needed("ListBucketVersions", _BUCKET, _LISTING),),
    "ListMultipartUploads": (Needed("ListBucketMultipartUploads", _BUCKET),),
    "GetObject": _versioned("GetObject", "GetObjectVersion"),
    "HeadObject": _versioned("GetObject", "GetObjectVersion"),
    "PutObject": _WRITING,
    "CopyObject": (*_WRITING, _SOURCE),
    "CreateMultipartUpload": _WRITING,
    "UploadPart": (Needed("PutObject", _OBJECT),),
    "UploadPartCopy": (Needed("PutObject", _OBJECT), _SOURCE),
    "CompleteMultipartUpload": (Needed("PutObject", _OBJECT),),
    **_same(_OBJECT, "AbortMultipartUpload"),
    "ListParts": (Needed("ListMultipartUploadParts", _OBJECT),),
    "DeleteObject": _versioned("DeleteObject", "DeleteObjectVersion"),
    "DeleteObjects": (Needed("DeleteObject", _OBJECT),),  # of each
    **_same(_OBJECT, "GetObjectAcl", "PutObjectAcl"),
    **_same(_OBJECT, "GetObjectTagging", "PutObjectTagging", "DeleteObjectTagging"),
}

_ROLE_READING = ("GetRole", "GetRolePolicy", "ListAttachedRolePolicies")
_ROLE_READING += ("ListRolePolicies", "ListRoleTags")
_POLICY_KEY = {"iam:policyarn": "PolicyArn"}
_BOUNDARY_KEY = {"iam:permissionsboundary": "PermissionsBoundary"}
IAM: Table = {
    **_same("{role}", *_ROLE_READING, shown="role {RoleName}"),
    **_same("{role}", "DeleteRole", "DeleteRolePolicy", "PutRolePolicy"),
    **_same("{role}", "TagRole", "UntagRole", "UpdateAssumeRolePolicy", "UpdateRole"),
    **_same("{role}", "DeleteRolePermissionsBoundary"),
    **{
        name: (Needed(name, "{role}", _BOUNDARY_KEY),)
        for name in ("CreateRole", "PutRolePermissionsBoundary")
    },
    **{
        name: (Needed(name, "{role}", _POLICY_KEY),)
        for name in ("AttachRolePolicy", "DetachRolePolicy")
    },
    **_same("arn:aws:iam::{account}:policy{path}{PolicyName}", "CreatePolicy"),
    **_same("{PolicyArn}", "CreatePolicyVersion", "DeletePolicy", "GetPolicy"),
    **_same("{PolicyArn}", "DeletePolicyVersion", "GetPolicyVersion"),
    **_same("{PolicyArn}", "ListPolicyVersions"),
    **_same("{PolicySourceArn}", "SimulatePrincipalPolicy"),
    **_same("arn:aws:iam::{account}:role/", "ListRoles"),
    **_same("arn:aws:iam::{account}:policy/", "ListPolicies"),
}

STS: Table = {
    **_same("{RoleArn}", "AssumeRole"),
    **_same("*", "GetCallerIdentity", "GetAccessKeyInfo"),
}

_GROUP = "arn:aws:logs:{region}:{account}:log-group:{group}:log-stream:"
LOGS: Table = {
    **_same(_GROUP, "CreateLogGroup", "DeleteLogGroup", "DescribeLogStreams"),
    **_same(_GROUP, "DeleteRetentionPolicy", "FilterLogEvents", "PutRetentionPolicy"),
    **_same(_GROUP, "DescribeLogGroups"),  # which names none: all groups
    **_same(_GROUP + "{logStreamName}", "CreateLogStream", "DeleteLogStream"),
    **_same(_GROUP + "{logStreamName}", "GetLogEvents", "PutLogEvents"),
    **_same("{resourceArn}", "ListTagsForResource", "TagResource", "UntagResource"),
}

CLOUDWATCH: Table = {
    **_same("*", "GetMetricData", "GetMetricStatistics", "ListMetrics", shown=""),
    "PutMetricData": (
        Needed("PutMetricData", keys={"cloudwatch:namespace": "Namespace"}, shown=""),
    ),
}

_FUNCTION = "arn:aws:lambda:{region}:{account}:function:{function}"
LAMBDA: Table = {
    **_same(_FUNCTION, "CreateFunction", "DeleteFunction", "GetFunction", "GetPolicy"),
    **_same(_FUNCTION, "GetFunctionConfiguration", "UpdateFunctionCode"),
    **_same(_FUNCTION, "UpdateFunctionConfiguration"),
    **_same(_FUNCTION, "RemovePermission"),
    "AddPermission": (
        Needed("AddPermission", _FUNCTION, {"lambda:principal": "Principal"}),
    ),
    "Invoke": (Needed("InvokeFunction", _FUNCTION),),
    **_same("{Resource}", "ListTags", "TagResource", "UntagResource"),
    **_same("*", "ListFunctions", "GetAccountSettings"),
}

_BUDGET = "arn:aws:budgets::{account}:budget/{budget}"
_VIEWING = (Needed("ViewBudget", _BUDGET),)
_MODIFYING = (Needed("ModifyBudget", _BUDGET),)
BUDGETS: Table = {
    "CreateBudget": (*_MODIFYING, Needed("TagResource", _BUDGET, where="tags")),
    **dict.fromkeys(
        (
            "DescribeBudget",
            "DescribeBudgets",  # which names none: all budgets
            "DescribeNotificationsForBudget",
            "DescribeSubscribersForNotification",
        ),
        _VIEWING,
    ),
    **dict.fromkeys(
        ("CreateNotification", "DeleteBudget", "DeleteNotification"), _MODIFYING
    ),
}

TABLES: dict[str, Table] = {
    "sagemaker": SAGEMAKER,
    "sagemaker-runtime": _same(_ENDPOINT, "InvokeEndpoint"),
    "sagemaker-metrics": _same("*", "BatchGetMetrics", "BatchPutMetrics"),
    "s3": S3,
    "iam": IAM,
    "sts": STS,
    "logs": LOGS,
    "cloudwatch": CLOUDWATCH,
    "budgets": BUDGETS,
    "lambda": LAMBDA,
}


def _of_http_api(operation: str) -> Needed:
    """API Gateway's actions are HTTP's methods, its resources the paths."""
    found = _http_apis().operation(operation)
    if found is None:
        raise NotMapped(f"apigatewayv2:{operation}")
    path = found.http["requestUri"].removeprefix("/v2")
    shape = found.input_shape
    for member, its in shape.members.items() if shape else ():
        path = path.replace(f"{{{wire_name(member, its)}}}", f"{{{member}}}")
    return Needed(found.http["method"], f"arn:aws:apigateway:{{region}}::{path}")


@cache
def _http_apis() -> ServiceModel:
    loader = services.own_data_loader()
    return ServiceModel(loader.load_service_model("apigatewayv2", "service-2"))
