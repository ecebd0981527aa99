"""A role as IAM has it: who may assume it, and what its policies allow.

SageMaker reads and writes S3 as the execution role that a request names, so a role
without a permission must fail a job here as it does on AWS.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local_aws.access.policy_evaluation import Policy, simulate


@dataclass(frozen=True)
class Role:
    """One role, as it was when it was looked up."""

    trust_policy: Mapping[str, Any]
    policies: Sequence[Policy]

    def may(
        self, action: str, resource: str, context: Mapping[str, str] | None = None
    ) -> bool:
        """Whether the policies allow an action ("s3:GetObject") on an ARN.

        `context` holds the values of condition keys, for example of "s3:prefix".
        """
        values = {key: [value] for key, value in (context or {}).items()}
        return simulate(self.policies, action, resource, values).decision == "allowed"


# One that does not exist: nobody may assume it, and it may do nothing.
NO_ROLE = Role({}, ())

# The role with an ARN, or NO_ROLE.
FindRole = Callable[[str], Role]


def bucket_arn(bucket: str, key: str | None = None) -> str:
    """The ARN of a bucket, or of an object in it."""
    return f"arn:aws:s3:::{bucket}" + ("" if key is None else f"/{key}")
