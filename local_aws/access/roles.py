"""A role as IAM has it: who may assume it, and what its policies allow.

SageMaker reads and writes S3 as the execution role that a request names, so a role
without a permission must fail a job here as it does on AWS.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local_aws.access.credentials import RoleSession
from local_aws.access.policy_evaluation import (
    ConditionKeys,
    Policy,
    as_list,
    simulate,
)
from local_aws.installation import ACCOUNT_ID


@dataclass(frozen=True)
class Role:
    """One role, as it was when it was looked up."""

    trust_policy: Mapping[str, Any]
    policies: Sequence[Policy]
    id: str = ""
    longest_session_s: int = 3600

    def trusts(self, service: str, source_arn: str | None = None) -> bool:
        """Whether a service ("lambda.amazonaws.com") may assume the role.

        `source_arn` is the resource for which it does, for conditions on it.
        """
        context = {"aws:sourceaccount": [ACCOUNT_ID]}
        if source_arn is not None:
            context["aws:sourcearn"] = [source_arn]
        return self._lets_assume({("Service", service)}, context)

    def trusts_session(
        self, session: RoleSession, external_id: str | None = None
    ) -> bool:
        """Whether a session of a role of this account may assume the role."""
        account = {("AWS", ACCOUNT_ID), ("AWS", f"arn:aws:iam::{ACCOUNT_ID}:root")}
        itself = {("AWS", session.role_arn), ("AWS", session.arn)}
        context = {"aws:principalarn": [session.role_arn]}
        if external_id is not None:
            context["sts:externalid"] = [external_id]
        return self._lets_assume({*account, *itself, ("AWS", "*")}, context)

    def _lets_assume(
        self, principals: set[tuple[str, str]], context: ConditionKeys
    ) -> bool:
        """Whether the trust policy lets somebody who has these names assume the role.

        It is evaluated as one on every resource, since it names none.
        """
        statements = [
            {**statement, "Resource": "*"}
            for statement in as_list(self.trust_policy.get("Statement", []))
            if _names(statement.get("Principal", {})) & principals
        ]
        policy = Policy("trust policy", {"Statement": statements})
        return simulate([policy], "sts:AssumeRole", "*", context).decision == "allowed"

    def may(
        self, action: str, resource: str, context: Mapping[str, str] | None = None
    ) -> bool:
        """Whether the policies allow an action ("s3:GetObject") on an ARN.

        `context` holds the values of condition keys, for example of "s3:prefix".
        """
        values = {key: [value] for key, value in (context or {}).items()}
        return simulate(self.policies, action, resource, values).decision == "allowed"


def _names(principal: Any) -> set[tuple[str, str]]:
    """Whom a statement's Principal names, as pairs of kind and name."""
    if not isinstance(principal, Mapping):
        return {("AWS", principal), ("Service", principal)}  # "*"
    return {
        (kind, name) for kind, names in principal.items() for name in as_list(names)
    }


# One that does not exist: nobody may assume it, and it may do nothing.
NO_ROLE = Role({}, ())

# The role with an ARN, or NO_ROLE.
FindRole = Callable[[str], Role]


def bucket_arn(bucket: str, key: str | None = None) -> str:
    """The ARN of a bucket, or of an object in it."""
    return f"arn:aws:s3:::{bucket}" + ("" if key is None else f"/{key}")
