"""iam:SimulatePrincipalPolicy: what it is asked and what it returns.

Sources: IAM API Reference; botocore's iam model, whose names are used here.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from local_aws.access.policy_evaluation import ConditionKeys, Policy, simulate
from local_aws.errors import AwsError

# A simulation that is asked for without MaxItems gets up to 100 (IAM API Reference).
PAGE = 100


def simulate_principal_policy(
    params: Mapping[str, Any], policies: Sequence[Policy], boundary: Policy | None
) -> dict[str, Any]:
    """One page of decisions.

    Args:
        params: the operation's parameters.
        policies: those of the principal.
        boundary: its permissions boundary, if it has one.

    Raises:
        AwsError: InvalidInput.
    """
    if not params.get("ActionNames"):
        raise AwsError("InvalidInput", "ActionNames must not be empty.")
    try:
        given = [
            Policy(f"PolicyInputList.{number}", json.loads(text))
            for number, text in enumerate(params.get("PolicyInputList", ()), start=1)
        ]
        start = int(params.get("Marker", 0))
    except ValueError as error:
        raise AwsError("InvalidInput", str(error)) from error
    context = {
        entry["ContextKeyName"].lower(): entry.get("ContextKeyValues", [])
        for entry in params.get("ContextEntries", ())
    }
    pairs = [
        (action, resource)
        for action in params["ActionNames"]
        for resource in params.get("ResourceArns") or ["*"]
    ]
    end = start + params.get("MaxItems", PAGE)
    page: dict[str, Any] = {
        "EvaluationResults": [
            _evaluated([*given, *policies], boundary, action, resource, context)
            for action, resource in pairs[start:end]
        ],
        "IsTruncated": end < len(pairs),
    }
    if page["IsTruncated"]:
        page["Marker"] = str(end)
    return page


def _evaluated(
    policies: Sequence[Policy],
    boundary: Policy | None,
    action: str,
    resource: str,
    context: ConditionKeys,
) -> dict[str, Any]:
    result = simulate(policies, action, resource, context)
    decision, detail = result.decision, {}
    if boundary is not None:
        limit = simulate([boundary], action, resource, context).decision
        allows = limit == "allowed"
        detail["PermissionsBoundaryDecisionDetail"] = {
            "AllowedByPermissionsBoundary": allows
        }
        if limit == "explicitDeny" or (decision == "allowed" and not allows):
            decision = limit
    return {
        "EvalActionName": action,
        "EvalResourceName": resource,
        "EvalDecision": decision,
        "MatchedStatements": [
            {"SourcePolicyId": policy.source_id, "SourcePolicyType": "IAM Policy"}
            for policy in result.matched
        ],
        "MissingContextValues": [],
        **detail,
    }
