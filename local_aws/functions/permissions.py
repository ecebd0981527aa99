"""A function's resource policy: who else may invoke it.

AddPermission writes a statement; the evaluator that decides over identity policies
decides over these too.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from local_aws.access.policy_evaluation import Policy, simulate
from local_aws.functions.configuration import invalid, refused
from local_aws.installation import ACCOUNT_ID

INVOKE = "lambda:InvokeFunction"
ACCOUNT = re.compile(r"\d{12}")
SERVICE = re.compile(r"[\w.-]+\.amazonaws\.com(\.cn)?|[\w.-]+\.alexa\.com|alexa-[\w.]+")
PRINCIPAL_ARN = re.compile(r"arn:aws[\w-]*:(iam|sts)::\d{12}:(root|user/.+|role/.+)")


def statement_of(request: Mapping[str, Any], arn: str) -> dict[str, Any]:
    """The statement that AddPermission asks for. Raises AwsError."""
    statement = {
        "Sid": request["StatementId"],
        "Effect": "Allow",
        "Principal": _principal(request["Principal"]),
        "Action": request["Action"],
        "Resource": arn,
    }
    condition: dict[str, dict[str, str]] = {}
    if "SourceAccount" in request:
        account = {"AWS:SourceAccount": request["SourceAccount"]}
        condition["StringEquals"] = account
    if "SourceArn" in request:
        condition["ArnLike"] = {"AWS:SourceArn": request["SourceArn"]}
    if condition:
        statement["Condition"] = condition
    return statement


def _principal(text: str) -> str | dict[str, str]:
    if text == "*":
        return "*"
    if ACCOUNT.fullmatch(text):
        return {"AWS": f"arn:aws:iam::{text}:root"}
    if PRINCIPAL_ARN.fullmatch(text):
        return {"AWS": text}
    if SERVICE.fullmatch(text):
        return {"Service": text}
    raise invalid(
        "The provided principal was invalid. Please check the principal and try again."
    )


def add(record: dict, statement: dict[str, Any]) -> None:
    """Add a statement to a function's policy. Raises AwsError."""
    statements = record.setdefault("_policy", [])
    sid = statement["Sid"]
    if any(one["Sid"] == sid for one in statements):
        raise refused(
            "ResourceConflictException",
            f"The statement id ({sid}) provided already exists. Please provide a new "
            "statement id, or remove the existing statement.",
        )
    statements.append(statement)


def remove(record: dict, sid: str) -> None:
    """Remove a statement from a function's policy. Raises AwsError."""
    statements = record.get("_policy", [])
    left = [one for one in statements if one["Sid"] != sid]
    if len(left) == len(statements):
        text = f"Statement {sid} is not found in resource policy."
        raise refused("ResourceNotFoundException", text)
    record["_policy"] = left


def document_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """The policy as GetPolicy shows it. Raises AwsError: there is none."""
    if not record.get("_policy"):
        text = "The resource you requested does not exist."
        raise refused("ResourceNotFoundException", text)
    return {
        "Version": "2012-10-17",
        "Id": "default",
        "Statement": record["_policy"],
    }


def allows(record: Mapping[str, Any], principal: str, source_arn: str) -> bool:
    """Whether the policy lets a service invoke the function for a resource."""
    statements = [
        statement
        for statement in record.get("_policy", [])
        if _is_for(statement["Principal"], principal)
    ]
    policy = Policy("default", {"Statement": statements})
    context: dict[str, Sequence[str]] = {"aws:sourceaccount": [ACCOUNT_ID]}
    if source_arn:
        context["aws:sourcearn"] = [source_arn]
    result = simulate([policy], INVOKE, record["FunctionArn"], context)
    return result.decision == "allowed"


def _is_for(given: str | Mapping[str, str], principal: str) -> bool:
    return given == "*" or principal in given.values()
