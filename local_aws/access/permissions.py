"""May a role do this? Asked of IAM, over the role's own policies.

SageMaker reads and writes S3 as the execution role that a request names, so a role
without a permission must fail a job here as it does on AWS.
"""

from collections.abc import Mapping, Sequence

from local_aws.clients import Clients

# ResourceArns of one request (iam:SimulatePrincipalPolicy takes at most 1,000 results).
BATCH = 1000


def denied(
    clients: Clients,
    region: str,
    role_arn: str,
    action: str,
    resources: Sequence[str],
    context: Mapping[str, str] | None = None,
) -> list[str]:
    """The ARNs among `resources` on which the role's policies don't allow `action`.

    Args:
        clients: reach IAM.
        region: whose IAM client is used.
        role_arn: the role.
        action: for example "s3:GetObject".
        resources: ARNs.
        context: values of condition keys, for example of "s3:prefix".
    """
    entries = [
        {"ContextKeyName": key, "ContextKeyType": "string", "ContextKeyValues": [value]}
        for key, value in (context or {}).items()
    ]
    found = []
    for start in range(0, len(resources), BATCH):
        response = clients.iam(region).simulate_principal_policy(
            PolicySourceArn=role_arn,
            ActionNames=[action],
            ResourceArns=resources[start : start + BATCH],
            ContextEntries=entries,
            MaxItems=BATCH,
        )
        found += [
            result["EvalResourceName"]
            for result in response["EvaluationResults"]
            if result["EvalDecision"] != "allowed"
        ]
    return found


def bucket_arn(bucket: str, key: str | None = None) -> str:
    """The ARN of a bucket, or of an object in it."""
    return f"arn:aws:s3:::{bucket}" + ("" if key is None else f"/{key}")
