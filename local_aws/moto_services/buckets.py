"""S3's rules on buckets: names, places, owners, public access. moto knows few of them.

Sources: S3 User Guide ("General purpose bucket naming rules", "Blocking public access
to your Amazon S3 storage", "Controlling ownership of objects and disabling ACLs"); S3
API Reference, "Error responses"; errors of the service that users have recorded.
"""

import re
from typing import Any
from urllib.parse import unquote

from local_aws.access.credentials import session_arn
from local_aws.errors import AwsError
from local_aws.installation import ACCOUNT_ID, ROLE_ARN
from local_aws.messages import Head, Request
from local_aws.moto_services.iam import SESSION_NAME
from local_aws.services import S3

# The name space is shared by all accounts, and whoever tries one of these on AWS finds
# that somebody else has it.
TAKEN = frozenset(
    {
        "bank-marketing",
        "data",
        "example-bucket",
        "machine-learning",
        "my-bucket",
        "my-first-bucket",
        "my-test-bucket",
        "mybucket",
        "sagemaker",
        "sagemaker-course",
        "test",
        "test-bucket",
        "testbucket",
    }
)

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ADDRESS = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}")
_RESERVED_STARTS = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")

_CONSTRAINT = re.compile(rb"<LocationConstraint>\s*([^<\s]*)\s*</LocationConstraint>")
_HOME = "us-east-1"

_OWNERS = ("x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner")
_ENFORCED = "BucketOwnerEnforced"
_PUBLIC_ACLS = ("public-read", "public-read-write", "authenticated-read")


def _access_denied(text: str = "Access Denied") -> AwsError:
    return AwsError("AccessDenied", text, 403)


def check_new(request: Request, name: str) -> None:
    """Raise AwsError for a name that no bucket can have, or a place where none can be,
    or an ACL where a new bucket has none.
    """
    if (
        not _NAME.fullmatch(name)
        or ".." in name
        or _ADDRESS.fullmatch(name)
        or name.startswith(_RESERVED_STARTS)
        or name.endswith(_RESERVED_ENDS)
    ):
        raise AwsError("InvalidBucketName", "The specified bucket is not valid.")
    match = _CONSTRAINT.search(request.body.read())
    place = match[1].decode(errors="replace") if match else ""
    if place and place not in S3.model.shape_for("BucketLocationConstraint").enum:
        if place != _HOME or request.region == _HOME:
            text = "The specified location-constraint is not valid"
            raise AwsError("InvalidLocationConstraint", text)
        raise AwsError(
            "IllegalLocationConstraintException",
            f"The {place} location constraint is incompatible for the region specific "
            "endpoint this request was sent to.",
        )
    ownership = request.head.header("x-amz-object-ownership") or _ENFORCED
    if request.head.header("x-amz-acl") in _PUBLIC_ACLS and ownership == _ENFORCED:
        raise AwsError(
            "InvalidBucketAclWithObjectOwnership",
            "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced "
            "setting",
        )


def check_owner(head: Head, name: str, buckets: dict[str, Any], is_new: bool) -> None:
    """Raise AwsError for somebody else's bucket, to create, to use or to copy from.

    buckets: those of this account, which has kept what an earlier edition let it have.
    """
    if name in TAKEN and name not in buckets:
        if is_new:
            raise AwsError(
                "BucketAlreadyExists",
                "The requested bucket name is not available. The bucket namespace is "
                "shared by all users of the system. Please select a different name "
                "and try again.",
                409,
                {"BucketName": name},
            )
        raise _access_denied()
    source = unquote(head.header("x-amz-copy-source") or "").removeprefix("/")
    source = source.partition("/")[0]
    if source in TAKEN and source not in buckets:
        raise _access_denied()
    for header in _OWNERS:
        if (head.header(header) or ACCOUNT_ID) != ACCOUNT_ID:
            raise _access_denied()


def check_access(request: Request, names: set[str], bucket: Any) -> None:
    """Raise AwsError for an ACL or a policy that this bucket does not allow.

    names: of the query.
    """
    from moto.s3.utils import bucket_policy_is_public

    head = request.head
    acl = head.header("x-amz-acl") or ""
    has_acl = acl or any(name.startswith("x-amz-grant-") for name, _ in head.headers)
    sets_acl = "acl" in names and head.method == "PUT"
    is_owners = acl == "bucket-owner-full-control" and not sets_acl
    if bucket.ownership_rule == _ENFORCED and (sets_acl or has_acl) and not is_owners:
        text = "The bucket does not allow ACLs"
        raise AwsError("AccessControlListNotSupported", text)
    block = bucket.public_access_block
    if block is None:
        return
    if block.block_public_acls and acl in _PUBLIC_ACLS:
        raise _access_denied()
    is_policy = names == {"policy"} and head.method == "PUT"
    if not (is_policy and block.block_public_policy):
        return
    if bucket_policy_is_public(request.body.read()):
        caller = request.caller
        arn = caller.arn if caller else session_arn(ROLE_ARN, SESSION_NAME)
        raise _access_denied(
            f"User: {arn} is not authorized to perform: "
            f's3:PutBucketPolicy on resource: "arn:aws:s3:::{bucket.name}" because '
            "public policies are prevented by the BlockPublicPolicy setting in S3 "
            "Block Public Access."
        )


def check_may_go(bucket: Any) -> None:
    """Raise AwsError for a bucket that still has versions; moto says less of it."""
    if bucket.versioning_status is not None and any(dict.values(bucket.keys)):
        raise AwsError(
            "BucketNotEmpty",
            "The bucket you tried to delete is not empty. You must delete all versions "
            "in the bucket.",
            409,
            {"BucketName": bucket.name},
        )
