"""AddTags, ListTags, DeleteTags, and the tags that Create operations take."""

from local_aws.errors import AwsError, validation_exception
from local_aws.sagemaker.context import Context

# Resource type in an ARN -> the kind under which the resources keeps it.
KINDS = {
    "training-job": "training-job",
    "transform-job": "transform-job",
    "model": "model",
    "endpoint": "endpoint",
    "endpoint-config": "endpoint-config",
    "notebook-instance": "notebook-instance",
}

MAX_TAGS = 50  # AddTags, botocore sagemaker service model


def tags_of_request(request: dict) -> dict[str, str]:
    """The Tags of a Create request as a dict; raises ValidationException."""
    tags = request.get("Tags", [])
    keys = [tag["Key"] for tag in tags]
    if len(set(keys)) < len(keys):
        raise validation_exception(
            "Duplicate tag keys found. Each tag key of a resource must be unique."
        )
    for key in keys:
        _check_not_reserved(key)
    return {tag["Key"]: tag["Value"] for tag in tags}


def _check_not_reserved(key: str) -> None:
    if key.lower().startswith("aws:"):
        raise validation_exception(
            "aws: prefixed tag key names are not allowed for external use."
        )


def _find(arn: str, context: Context) -> str:
    """The ARN as it is stored; raises ValidationException if nothing has it."""
    _, _, _, region, account, resource = arn.split(":", 5)
    resource_type, _, name = resource.partition("/")
    if account == context.account_id and region == context.region:
        for record in context.resources.records(region, KINDS.get(resource_type, "")):
            if record["_arn"] == context.arn(resource_type, name):
                return record["_arn"]
    raise validation_exception(f'Could not find resource "{arn}".')


def add_tags(request: dict, context: Context) -> dict:
    """Add or overwrite tags of a resource."""
    arn = _find(request["ResourceArn"], context)

    def check(result: dict[str, str]) -> None:
        if len(result) > MAX_TAGS:
            raise AwsError(
                "ResourceLimitExceeded",
                f"A resource can have at most {MAX_TAGS} tags; with this request "
                f"{arn} would have {len(result)}.",
            )

    result = context.resources.put_tags(arn, tags_of_request(request), check)
    return {"Tags": [{"Key": key, "Value": value} for key, value in result.items()]}


def list_tags(request: dict, context: Context) -> dict:
    """All tags of a resource: 50 at most, which is the smallest page."""
    tags = context.resources.tags(_find(request["ResourceArn"], context))
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def delete_tags(request: dict, context: Context) -> dict:
    """Delete tags of a resource by key."""
    context.resources.delete_tags(
        _find(request["ResourceArn"], context), request["TagKeys"]
    )
    return {}
