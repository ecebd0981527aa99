"""May a role do this? Asked of IAM, over the role's own policies.

SageMaker reads and writes S3 as the execution role that a request names, so a role
without a permission must fail a job here as it does on AWS.
"""

from local_aws.clients import Clients


def is_allowed(
    clients: Clients, region: str, role_arn: str, action: str, resource: str
) -> bool:
    """Whether the role's policies allow `action` ("s3:GetObject") on an ARN."""
    answer = clients.iam(region).simulate_principal_policy(
        PolicySourceArn=role_arn, ActionNames=[action], ResourceArns=[resource]
    )
    return answer["EvaluationResults"][0]["EvalDecision"] == "allowed"


def bucket_arn(bucket: str, key: str | None = None) -> str:
    """The ARN of a bucket, or of an object in it."""
    return f"arn:aws:s3:::{bucket}" + ("" if key is None else f"/{key}")
