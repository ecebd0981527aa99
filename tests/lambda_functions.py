"""Functions for tests: a role, a zip, a function that is ready."""

import io
import json
import uuid
import zipfile
from typing import Any

from course.stand_in import StandIn

LOGS = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]


def zip_of(files: dict[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip with these files."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def make_role(
    stand_in: StandIn, actions: list[str] = LOGS, service: str = "lambda.amazonaws.com"
) -> str:
    """The ARN of a role that a service may assume, with these actions allowed."""
    name = f"function-{uuid.uuid4().hex[:12]}"
    iam = stand_in.client("iam")
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": service},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    if actions:
        put_policy(stand_in, role["Role"]["Arn"], actions)
    return role["Role"]["Arn"]


def put_policy(
    stand_in: StandIn, role_arn: str, actions: list[str], resource: str = "*"
) -> None:
    """Make these actions what the role may do."""
    statement = {"Effect": "Allow", "Action": actions, "Resource": resource}
    stand_in.client("iam").put_role_policy(
        RoleName=role_arn.rpartition("/")[2],
        PolicyName="actions",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )


def make_function(stand_in: StandIn, code: str, role_arn: str, **options: Any) -> str:
    """The name of a new function that is ready; `code` is its lambda_function.py."""
    name = f"function-{uuid.uuid4().hex[:12]}"
    client = stand_in.client("lambda")
    client.create_function(
        **{
            "FunctionName": name,
            "Runtime": "python3.12",
            "Role": role_arn,
            "Handler": "lambda_function.lambda_handler",
            "Code": {"ZipFile": zip_of({"lambda_function.py": code})},
            **options,
        }
    )
    client.get_waiter("function_active_v2").wait(FunctionName=name)
    return name


def invoke(stand_in: StandIn, name: str, event: object, **options: Any) -> dict:
    """Invoke a function; the response with its payload read."""
    response = stand_in.client("lambda").invoke(
        FunctionName=name, Payload=json.dumps(event), **options
    )
    response["Payload"] = json.loads(response["Payload"].read() or b"null")
    return response
