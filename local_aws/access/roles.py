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

# Condition keys of which it is known whether a request has them: it has those that are
# in its context. So a role has no MFA and no organization, and calls from no VPC.
KNOWN_KEYS = {
    "aws:calledvia",
    "aws:calledviafirst",
    "aws:calledvialast",
    "aws:currenttime",
    "aws:epochtime",
    "aws:federatedprovider",
    "aws:multifactorauthage",
    "aws:multifactorauthpresent",
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalisawsservice",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:principaltype",
    "aws:referer",
    "aws:requestedregion",
    "aws:resourceaccount",
    "aws:securetransport",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceidentity",
    "aws:sourceip",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:useragent",
    "aws:userid",
    "aws:username",
    "aws:viaawsservice",
    "aws:vpcsourceip",
    "cloudwatch:namespace",
    "iam:passedtoservice",
    "iam:permissionsboundary",
    "iam:policyarn",
    "lambda:principal",
    "s3:delimiter",
    "s3:max-keys",
    "s3:prefix",
    "s3:versionid",
    "s3:x-amz-acl",
    "sts:externalid",
}
# The same in each request of a role here.
COMMON = {
    "aws:principalaccount": [ACCOUNT_ID],
    "aws:principalisawsservice": ["false"],
    "aws:resourceaccount": [ACCOUNT_ID],
    "aws:viaawsservice": ["false"],
}


@dataclass(frozen=True)
class Role:
    """One role, as it was when it was looked up.

    `boundary` is its permissions boundary, which allows nothing but limits what the
    policies allow.
    """

    trust_policy: Mapping[str, Any]
    policies: Sequence[Policy]
    arn: str = ""
    id: str = ""
    longest_session_s: int = 3600
    boundary: Policy | None = None

    def may(
        self, action: str, resource: str, context: Mapping[str, str] | None = None
    ) -> bool:
        """Whether the policies allow an action ("s3:GetObject") on an ARN.

        `context` holds the values of condition keys, for example of "s3:prefix".
        """
        return self.refusal(action, resource, context or {}) is None

    def refusal(
        self, action: str, resource: str, context: Mapping[str, str]
    ) -> str | None:
        """How AWS's refusal ends; None if the action is allowed."""
        itself = {"aws:principalarn": self.arn}
        keys = COMMON | {k: [value] for k, value in {**itself, **context}.items()}
        kinds = {"identity-based policy": self.policies}
        if self.boundary is not None:
            kinds["permissions boundary"] = [self.boundary]
        decisions = {
            kind: simulate(policies, action, resource, keys, KNOWN_KEYS.__contains__)
            for kind, policies in kinds.items()
        }
        for kind, result in decisions.items():
            if result.decision == "explicitDeny":
                article = "an" if kind.startswith("i") else "a"
                return f"with an explicit deny in {article} {kind}"
        for kind, result in decisions.items():
            if result.decision == "implicitDeny":
                return f"because no {kind} allows the {action} action"
        return None

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
        policy = Policy("trust policy", {**self.trust_policy, "Statement": statements})
        keys = COMMON | dict(context)
        known = KNOWN_KEYS.__contains__
        result = simulate([policy], "sts:AssumeRole", "*", keys, known)
        return result.decision == "allowed"


def _names(principal: Any) -> set[tuple[str, str]]:
    """Whom a statement's Principal names, as pairs of kind and name."""
    if not isinstance(principal, Mapping):
        return {("AWS", principal)}  # "*"
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
