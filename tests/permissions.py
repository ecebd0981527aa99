"""Is what a notebook calls allowed on AWS? Calls, their IAM actions, two policies.

A learner's role has AmazonSageMakerFullAccess (here as moto ships it) and
data/course-policy.json.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from local_aws.access import operations
from local_aws.access.authorization import ALWAYS_ALLOWED
from local_aws.access.operations import Action
from local_aws.access.policy_evaluation import Policy, simulate
from local_aws.installation import BUCKET, CHECKOUT
from utils.cleanup import LESSON
from utils.connect import BUCKET_FOLDER

RECORDER = Path(__file__).resolve().parent / "recording"
COURSE_POLICY = CHECKOUT / "data" / "course-policy.json"
# What a lesson needs besides, by its number; it says so itself.
OF_A_LESSON = {
    "11": CHECKOUT / "data" / "web-app-policy.json",
    "13": CHECKOUT / "data" / "clean-up-policy.json",
}
MANAGED = "AmazonSageMakerFullAccess"


@dataclass(frozen=True)
class Call:
    """One call of a client; parameters: those that are texts, and roles deeper down."""

    service: str
    operation: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    succeeded: bool = False


def recording(environment: Mapping[str, str], file: Path) -> dict[str, str]:
    """Give the environment of processes whose calls are noted in the file."""
    above = environment.get("PYTHONPATH")
    path = os.pathsep.join([str(RECORDER), *([above] if above else [])])
    return {**environment, "PYTHONPATH": path, "RECORDED_CALLS": str(file)}


def recorded(file: Path) -> list[Call]:
    """Read what was noted; nothing if nobody has called."""
    lines = file.read_text().splitlines() if file.exists() else []
    return [Call(*json.loads(line)) for line in lines]


def actions(call: Call) -> list[Action]:
    """Name the actions that the caller must be allowed. LookupError if not known."""
    return operations.actions(
        call.service, call.operation, call.parameters, "us-east-1"
    )


@cache
def managed_policy() -> Policy:
    """AmazonSageMakerFullAccess."""
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    return Policy(MANAGED, json.loads(aws_managed_policies_data)[MANAGED]["Document"])


def course_policy() -> Policy:
    """What a learner attaches besides."""
    return Policy(COURSE_POLICY.name, json.loads(COURSE_POLICY.read_text()))


def policy_of(lesson: str) -> list[Policy]:
    """What a learner attaches for one lesson only."""
    paths = [OF_A_LESSON[lesson]] if lesson in OF_A_LESSON else []
    return [Policy(path.name, json.loads(path.read_text())) for path in paths]


def learners_policies(lesson: str = "") -> list[Policy]:
    """The policies of a role that has been set up as lesson 00, and this one, say."""
    return [managed_policy(), course_policy(), *policy_of(lesson)]


def is_allowed(action: Action, policies: Iterable[Policy]) -> bool:
    """Whether the policies allow it."""
    context = {key: [value] for key, value in action.context}
    decision = simulate(list(policies), action.name, action.resource, context).decision
    return action.name in ALWAYS_ALLOWED or decision == "allowed"


def not_allowed(calls: Iterable[Call], lesson: str = "") -> list[str]:
    """Name what a learner may not call: "logs:FilterLogEvents on *"."""
    policies = learners_policies(lesson)
    wanted = {action for call in calls for action in actions(call)}
    return sorted(
        f"{action.name} on {action.resource}"
        for action in wanted
        if not is_allowed(action, policies)
    )


def not_of_the_run(calls: Iterable[Call], run_id: str) -> list[str]:
    """Name what was made, or written, where a clean-up by the run id misses it.

    Whatever moment a run ends at, what it has made by then is among these.
    """
    name = re.compile(rf"{LESSON}-{run_id}(-.+)?")
    key = re.compile(rf"{BUCKET_FOLDER}/{LESSON}/{run_id}/.+")
    missed = []
    for call in [call for call in calls if call.succeeded]:
        given = call.parameters
        if call.service == "s3" and name.fullmatch(given.get("Bucket", "")):
            continue  # in a bucket of the run's own
        if call.service == "s3" and actions(call)[0].name == "s3:PutObject":
            if not key.fullmatch(given["Key"]):
                missed.append(
                    f"{call.operation}: s3://{given['Bucket']}/{given['Key']}"
                )
        elif call.operation == "CreateBucket":
            if given["Bucket"] != BUCKET:
                missed.append(f"CreateBucket: {given['Bucket']}")
        elif call.service == "apigatewayv2" and call.operation != "CreateApi":
            continue  # a part of an API, which goes with it
        elif re.match("Create(?!Presigned)", call.operation) and call.service != "s3":
            kind = call.operation.removeprefix("Create")
            given = {path.rpartition(".")[2]: text for path, text in given.items()}
            made = given.get("Name" if kind == "Api" else f"{kind}Name", "?")
            if not name.fullmatch(made):
                missed.append(f"{call.operation}: {made}")
    return sorted(set(missed))
