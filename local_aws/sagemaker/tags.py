"""AddTags, ListTags, DeleteTags."""

from contextlib import suppress

from local_aws.errors import AwsError, validation_exception
from local_aws.persistence.resources import NotFound
from local_aws.sagemaker import pagination, preconditions
from local_aws.sagemaker.operations import Context, operation

MAX_TAGS = 50  # AddTags, botocore sagemaker service model


@operation("AddTags")
def add_tags(request: dict, context: Context) -> dict:
    """Add or overwrite tags of a resource."""
    arn = _find(request["ResourceArn"], context)

    def check(result: dict[str, str]) -> None:
        _find(arn, context)  # it may have been deleted meanwhile
        if len(result) > MAX_TAGS:
            raise AwsError(
                "ResourceLimitExceeded",
                f"A resource can have at most {MAX_TAGS} tags; with this request "
                f"{arn} would have {len(result)}.",
            )

    tags = preconditions.tags_of_request(request)
    return _listed(context.resources.put_tags(arn, tags, check))


@operation("ListTags")
def list_tags(request: dict, context: Context) -> dict:
    """All tags of a resource: 50 at most, which is the smallest page."""
    if "NextToken" in request:
        raise pagination.invalid_token()
    return _listed(context.resources.tags(_find(request["ResourceArn"], context)))


@operation("DeleteTags")
def delete_tags(request: dict, context: Context) -> dict:
    """Delete tags of a resource by key."""
    arn = _find(request["ResourceArn"], context)
    context.resources.delete_tags(arn, request["TagKeys"])
    return {}


def _listed(tags: dict[str, str]) -> dict:
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def _find(arn: str, context: Context) -> str:
    """The ARN, if there is such a resource; raises ValidationException."""
    if arn.split(":")[3] == context.region:
        with suppress(NotFound):
            context.resources.find(arn)
            return arn
    raise validation_exception(f'Could not find resource "{arn}".')
