"""What Create operations check beyond the service model, with AWS's wording.

Sources of the texts: recorded errors of the service, collected in public issues of
aws/amazon-sagemaker-examples, sagemaker-python-sdk and boto3.
"""

from collections.abc import Mapping

from botocore.exceptions import ClientError
from botocore.handlers import VALID_BUCKET

from local_aws.access.policy_evaluation import as_list
from local_aws.access.roles import bucket_arn
from local_aws.containers.images import Image, UnknownImage, find_image
from local_aws.errors import AwsError, not_reproduced, validation_exception
from local_aws.installation import ACCOUNT_ID
from local_aws.runtime import s3_objects
from local_aws.sagemaker.operations import Context

SERVICE_PRINCIPAL = "sagemaker.amazonaws.com"

# Each is a process. AWS has such a quota too, by instance type.
MAX_INSTANCES = 20


def not_built(feature: str, instead: str = "Leave it out of the request") -> AwsError:
    """The error for a part of the service that the stand-in does not reproduce."""
    return validation_exception(not_reproduced(feature, "Amazon SageMaker", instead))


def check_present(structure: dict, name: str, *members: str) -> None:
    """Raise unless the structure of this name has all of the members."""
    for member in members:
        if member not in structure:
            raise validation_exception(f"{member} is required in {name}.")


def check_environment(environment: Mapping[str, str]) -> None:
    """Raise for a value that no environment variable can have."""
    for name, value in environment.items():
        if "\0" in value:
            raise validation_exception(
                f"The value of {name} in Environment holds a NUL character."
            )


def check_unique(what: str, names: list[str]) -> None:
    """Raise if one of the names comes twice."""
    if len(set(names)) < len(names):
        raise validation_exception(
            f"{what} must be unique; the request has {', '.join(names)}."
        )


def check_instances(count: int) -> None:
    """Raise if one resource is to have more instances than a computer can play."""
    if count > MAX_INSTANCES:
        raise AwsError(
            "ResourceLimitExceeded",
            f"This local stand-in runs at most {MAX_INSTANCES} instances for one "
            f"endpoint or job; the request is for {count}.",
        )


def refuse_members(request: dict, members: Mapping[str, str]) -> None:
    """Refuse request members that would be ignored: `members` says what each is.

    "Outer.Inner" is a member of the structure Outer, or of each structure in that list.
    """
    for path, feature in members.items():
        *outer, member = path.split(".")
        structures = [request]
        for name in outer:
            structures = [
                inner
                for structure in structures
                for inner in as_list(structure.get(name, []))
            ]
        if any(structure.get(member) for structure in structures):
            raise not_built(f"{member} ({feature})")


def tags_of_request(request: dict) -> dict[str, str]:
    """The Tags of a Create request as a dict; raises ValidationException."""
    tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}
    if len(tags) < len(request.get("Tags", [])):
        raise validation_exception(
            "Duplicate tag keys found. Each tag key of a resource must be unique."
        )
    if any(key.lower().startswith("aws:") for key in tags):
        raise validation_exception(
            "aws: prefixed tag key names are not allowed for external use."
        )
    return tags


def split_s3_uri(uri: str) -> tuple[str, str]:
    """("bucket", "key or prefix") of s3://bucket/key; raises ValidationException."""
    try:
        bucket, key = s3_objects.split_uri(uri)
    except ValueError as error:
        raise validation_exception(str(error)) from error
    if not VALID_BUCKET.search(bucket):  # botocore would not even ask for it
        raise validation_exception(f'The S3 URI "{uri}" names no bucket.')
    return bucket, key


def check_role(role_arn: str, context: Context) -> None:
    """Raise unless the role exists and SageMaker may assume it."""
    source = f"arn:aws:sagemaker:{context.region}:{ACCOUNT_ID}:*"
    if not context.clients.find_role(role_arn).trusts(SERVICE_PRINCIPAL, source):
        raise validation_exception(
            f"Could not assume role {role_arn}. Please ensure that the role exists "
            f"and allows principal '{SERVICE_PRINCIPAL}' to assume the role."
        )


def check_objects_exist(s3_uri: str, role_arn: str, context: Context) -> None:
    """Raise unless the role may list at least one object with the URI's prefix."""
    bucket, prefix = split_s3_uri(s3_uri)
    role, s3 = context.clients.find_role(role_arn), context.clients.s3(context.region)
    may_list = role.may("s3:ListBucket", bucket_arn(bucket), {"s3:prefix": prefix})
    suffix = ""
    try:
        found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)
        if found["KeyCount"] and may_list:
            return
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchBucket", "AccessDenied"):
            raise
        suffix = f" Error message from S3: {error.response['Error']['Message']}"
    raise validation_exception(
        f'No S3 objects found under S3 URL "{s3_uri}" given in input data source. '
        "Please ensure that the bucket exists in the selected region "
        f"({context.region}), that objects exist under that S3 prefix, and that the "
        f'role "{role_arn}" has "s3:ListBucket" permissions on bucket "{bucket}".'
        + suffix
    )


def check_model_data(uri: str, role_arn: str, context: Context) -> None:
    """Raise unless the role may read the object of this URI, or all those below it."""
    bucket, key = split_s3_uri(uri)
    s3 = context.clients.s3(context.region)
    role = context.clients.find_role(role_arn)
    keys, may_list = [key], True
    try:
        if uri.endswith("/"):
            keys = [found for found, _ in s3_objects.keys_under(s3, uri)]
            may_list = role.may("s3:ListBucket", bucket_arn(bucket), {"s3:prefix": key})
        else:
            s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == 403:  # somebody else's bucket
            may_list = False
        elif status == 404:
            keys = []
        else:
            raise
    if not keys:
        raise validation_exception(f"Could not find model data at {uri}.")
    readable = (role.may("s3:GetObject", bucket_arn(bucket, key)) for key in keys)
    if not (may_list and all(readable)):
        raise validation_exception(
            f"Could not access model data at {uri}. Please ensure that the role "
            f'"{role_arn}" exists and that its trust relationship policy allows the '
            f'action "sts:AssumeRole" for the service principal "{SERVICE_PRINCIPAL}". '
            'Also ensure that the role has "s3:GetObject" permissions and that the '
            f"object is located in {context.region}."
        )


def check_purpose(image: Image, purpose: str) -> None:
    """Raise if the image is the other one of a pair, for training or inference."""
    if image.purpose not in ("", purpose):
        raise validation_exception(
            f"The image {image.repository} is for {image.purpose}. The one for "
            f"{purpose} is what image_uris.retrieve returns with "
            f'image_scope="{purpose}".'
        )


def check_image(image_uri: str) -> Image:
    """The built-in image behind a registry path; raises ValidationException."""
    try:
        return find_image(image_uri)
    except UnknownImage as error:
        raise validation_exception(str(error)) from error
