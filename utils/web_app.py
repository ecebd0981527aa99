"""Lesson 11's web app: its files, put together for Lambda and for the browser."""

import io
import json
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from utils.connect import COURSE_HOME, Course

T = TypeVar("T")
PAUSE_S = 5
PATIENCE_S = 30  # an HTTP API waits no longer itself
PASSED_TO_LAMBDA = {
    "ContextKeyName": "iam:PassedToService",
    "ContextKeyValues": ["lambda.amazonaws.com"],
    "ContextKeyType": "string",
}

FOLDER = COURSE_HOME / "webapp"
EMPTY_SETTINGS = '<script type="application/json" id="settings">{}</script>'


def zip_of(files: Mapping[str, str]) -> bytes:
    """Pack texts under these names into a zip, as Lambda takes a function's code."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name)  # no time: the same files, the same zip
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16  # Lambda's user must be able to read it
            archive.writestr(entry, text)
    return packed.getvalue()


def page_with(settings: Mapping[str, object]) -> str:
    """Give webapp/index.html with its settings filled in.

    settings: "api", the URL that it asks, "fields" as in encoding.json, and "example".
    """
    page = (FOLDER / "index.html").read_text(encoding="utf-8")
    if page.count(EMPTY_SETTINGS) != 1:
        raise ValueError(f"webapp/index.html must have {EMPTY_SETTINGS} in it, once.")
    # "</script>" in a value would end the element.
    text = json.dumps(settings).replace("<", "\\u003c")
    return page.replace(EMPTY_SETTINGS, EMPTY_SETTINGS.replace("{}", text))


def origin_of(url: str) -> str:
    """Give a page's origin: what the browser says to others of where it comes from."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def missing_permissions(
    course: Course, policy: Mapping[str, Sequence[Mapping]]
) -> list[str]:
    """Name the actions in a policy that you are not allowed.

    AWS simulates each of them for the role or the user that you work as, on a resource
    of this run. On the stand-in, where your own keys may do everything, there is
    nothing to ask, nor for an account's root user.
    """
    caller = "" if course.where == "local" else _caller(course)
    if not caller:
        return []
    iam = course.boto_session.client("iam")
    account = course.role.split(":")[4]
    missing = []
    for statement in policy["Statement"]:
        resources = statement["Resource"]
        for pattern in [resources] if isinstance(resources, str) else resources:
            *start, region, owner, name = pattern.split(":", 5)
            place = [region.replace("*", course.region), owner.replace("*", account)]
            resource = ":".join([*start, *place, name.replace("*", course.run_id)])
            answer = iam.simulate_principal_policy(
                PolicySourceArn=caller,
                ActionNames=statement["Action"],
                ResourceArns=[resource],
                ContextEntries=[PASSED_TO_LAMBDA],
            )
            for result in answer["EvaluationResults"]:
                if result["EvalDecision"] != "allowed":
                    missing.append(f"{result['EvalActionName']} on {resource}")
    return missing


def _caller(course: Course) -> str:
    """Give the ARN of the role or the user that you work as; "" for the root user.

    On a notebook instance it is the execution role. On your own computer it may be
    somebody else: then SageMaker's jobs have the role, and you make the requests.
    """
    arn = course.boto_session.client("sts").get_caller_identity()["Arn"]
    kind, _, name = arn.rpartition(":")[2].partition("/")
    if kind == "root":
        return ""
    if kind != "assumed-role":
        return arn
    role_name = name.partition("/")[0]
    if role_name == course.role.rpartition("/")[2]:
        return course.role
    # The role's path is not part of an assumed role's ARN, so IAM is asked.
    role = course.boto_session.client("iam").get_role(RoleName=role_name)
    return role["Role"]["Arn"]


def keep_trying(call: Callable[[], T], code: str, patience_s: float = 60) -> T:
    """Make a call, and again for as long as AWS refuses it with this error code.

    A new role, or a policy, takes some seconds until all parts of AWS know it. Prints
    each refusal, and raises the last one when patience_s seconds are over.
    """
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return call()
        except ClientError as error:
            if error.response["Error"]["Code"] != code or time.monotonic() > deadline:
                raise
            print(f"{error.response['Error']['Message']} Trying again.")
            time.sleep(PAUSE_S)


def post(url: str, customer: Mapping[str, object]) -> tuple[int, dict]:
    """Send a customer to the API as the page does; give the status and the answer.

    The answer to a request that fails is {} if it is no JSON.
    """
    request = urllib.request.Request(  # noqa: S310  the API's own address
        url, json.dumps(customer).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:  # noqa: S310
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:  # a status that is no success
        try:
            return error.code, json.load(error)
        except ValueError:  # no JSON: then it does not come from our API
            return error.code, {}
