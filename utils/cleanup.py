"""What belongs to a run of a lesson, or to any run, in AWS and on this machine.

Jobs, models and endpoints are deleted by the lessons themselves, by the calls that AWS
has for it; `python -m course cleanup RUN_ID` does it for a run that was broken off, and
without a run id for all of them. A run_id of None stands for any run.
"""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import boto3
from botocore import xform_name
from botocore.exceptions import ClientError

from utils.connect import BUCKET_FOLDER, SCRATCH, Course

BATCH = 1000  # S3 deletes at most so many objects at a time
LESSON = r"lesson[0-9A-Z]{1,2}"  # with what names, prefixes and folders of runs begin
ANY_RUN = "[a-z0-9]{6}"


@dataclass(frozen=True)
class Kind:
    """A kind of resource in SageMaker.

    noun: its name in the API: ListEndpoints, EndpointName, EndpointStatus. passing: the
    statuses that it leaves by itself; stops: the one in which it can be stopped.
    component: what its instances are called in the price table. is_record: once it has
    ended it costs nothing, is in nobody's way and stays.
    """

    noun: str
    what: str
    passing: frozenset[str] = frozenset()
    stops: str | None = None
    component: str | None = None
    is_record: bool = False

    @property
    def list_key(self) -> str:
        return self.noun + ("Summaries" if self.is_record else "s")

    def operation(self, verb: str) -> str:
        """Name boto3's method: `list_models`, `stop_training_job`."""
        return xform_name(f"{verb}{self.noun}{'s' if verb == 'List' else ''}")


JOB = {"passing": frozenset({"InProgress", "Stopping"}), "stops": "InProgress"}
ENDPOINT = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack"})
# In the order in which they are removed: what runs, then what it was made of. Source of
# names and statuses: botocore sagemaker service model.
KINDS = (
    Kind("HyperParameterTuningJob", "tuning job", **JOB, is_record=True),
    Kind("TrainingJob", "training job", **JOB, component="training", is_record=True),
    Kind("TransformJob", "transform job", **JOB, component="transform", is_record=True),
    Kind("Endpoint", "endpoint", ENDPOINT | {"Deleting"}, component="hosting"),
    Kind("EndpointConfig", "endpoint configuration"),
    Kind("Model", "model"),
    Kind(
        "NotebookInstance",
        "notebook instance",
        passing=frozenset({"Pending", "Updating", "Stopping", "Deleting"}),
        stops="InService",
        component="notebook",
    ),
)


@dataclass(frozen=True)
class Resource:
    """One resource of a run. status is "" for a kind that has none."""

    kind: Kind
    name: str
    status: str
    created: datetime | None = field(default=None, compare=False)


def resources_of(session: boto3.Session, run_id: str | None) -> list[Resource]:
    """List a run's resources, found by the run id in their names; no ended jobs."""
    return [
        found for kind in KINDS for found in resources_of_kind(session, kind, run_id)
    ]


def resources_of_kind(
    session: boto3.Session, kind: Kind, run_id: str | None
) -> list[Resource]:
    """List those of one kind."""
    sm, found = session.client("sagemaker"), []
    pages = sm.get_paginator(kind.operation("List"))
    for page in pages.paginate(NameContains=run_id or "lesson"):
        for item in page[kind.list_key]:
            name, status = item[f"{kind.noun}Name"], item.get(f"{kind.noun}Status", "")
            has_ended = kind.is_record and status not in kind.passing
            if is_of(run_id, name) and not has_ended:
                found.append(Resource(kind, name, status, item.get("CreationTime")))
    return found


def is_of(run_id: str | None, name: str) -> bool:
    """Say whether a name is one that a run gives to what it makes.

    Others may have the same six letters somewhere in their names.
    """
    return run_of(name) is not None if run_id is None else run_of(name) == run_id


def lesson_of(name: str) -> str | None:
    """Give the number of the lesson in a name, a key or a path; None if none is."""
    match = re.search(rf"(?:^|/)lesson([0-9A-Z]{{1,2}})[-/]{ANY_RUN}([-/]|$)", name)
    return match and match[1]


def run_of(name: str) -> str | None:
    """Give the run id in a name, None if it is no name of the course's."""
    match = re.match(rf"{LESSON}-({ANY_RUN})(-|$)", name)
    return match and match[1]


@dataclass(frozen=True)
class Part:
    """What a run has made outside of SageMaker and S3: what it is, its name, its id.

    size: bytes that are stored, where AWS says so.
    """

    what: str
    name: str
    identifier: str
    created: datetime | None = field(default=None, compare=False)
    size: int = field(default=0, compare=False)


# What a web app is made of, and the lessons that make one.
API, FUNCTION, LOG_GROUP, ROLE = "HTTP API", "function", "log group", "role"
BUDGET = "budget"  # that is no part of it
WEB_APPS = frozenset({"11"})
LOGS_OF_FUNCTIONS = "/aws/lambda/"
LOGS_OF_ENDPOINTS = "/aws/sagemaker/Endpoints/"


def web_app_of(session: boto3.Session, run_id: str | None) -> list[Part]:
    """List the parts of a run's web apps, the public ones first.

    That is the order in which they are removed. Raises ClientError, for example where
    you may not list APIs: data/web-app-policy.json allows it.
    """
    return [
        *apis_of(session, run_id),
        *functions_of(session, run_id),
        *log_groups_of(session, run_id, LOGS_OF_FUNCTIONS),
        *roles_of(session, run_id),
    ]


def apis_of(session: boto3.Session, run_id: str | None) -> list[Part]:
    """List a run's HTTP APIs."""
    return [
        Part(API, item["Name"], item["ApiId"], item.get("CreatedDate"))
        for item in _all_of(session, "apigatewayv2", "get_apis", "Items")
        if is_of(run_id, item["Name"])
    ]


def functions_of(session: boto3.Session, run_id: str | None) -> list[Part]:
    """List a run's Lambda functions."""
    return [
        Part(FUNCTION, item["FunctionName"], item["FunctionName"])
        for item in _all_of(session, "lambda", "list_functions", "Functions")
        if is_of(run_id, item["FunctionName"])
    ]


def log_groups_of(session: boto3.Session, run_id: str | None, path: str) -> list[Part]:
    """List the log groups of a run's functions or endpoints: path and name."""
    groups = _all_of(
        session,
        "logs",
        "describe_log_groups",
        "logGroups",
        logGroupNamePrefix=f"{path}lesson",
    )
    found = []
    for item in groups:
        group = item["logGroupName"]
        if is_of(run_id, group.removeprefix(path)):
            made = datetime.fromtimestamp(item["creationTime"] / 1000, UTC)
            size = item.get("storedBytes", 0)
            found.append(Part(LOG_GROUP, group.removeprefix(path), group, made, size))
    return found


def roles_of(session: boto3.Session, run_id: str | None) -> list[Part]:
    """List a run's roles: the account's, in no Region."""
    return [
        Part(ROLE, item["RoleName"], item["RoleName"], item["CreateDate"])
        for item in _all_of(session, "iam", "list_roles", "Roles")
        if is_of(run_id, item["RoleName"])
    ]


def budgets_of(session: boto3.Session, run_id: str | None, account: str) -> list[Part]:
    """List a run's budgets: the account's, in no Region."""
    budgets = _all_of(
        session, "budgets", "describe_budgets", "Budgets", AccountId=account
    )
    return [
        Part(BUDGET, item["BudgetName"], item["BudgetName"])
        for item in budgets
        if is_of(run_id, item["BudgetName"])
    ]


def _all_of(
    session: boto3.Session, service: str, operation: str, key: str, **members: str
) -> Iterator[dict]:
    """Yield the items of all pages of a list."""
    for page in session.client(service).get_paginator(operation).paginate(**members):
        yield from page.get(key, [])


def remove_part(session: boto3.Session, part: Part, account: str = "") -> None:
    """Remove a part. ClientError if AWS refuses, also if it is gone.

    account: its number, which a budget's deletion names.
    """
    if part.what == API:
        session.client("apigatewayv2").delete_api(ApiId=part.identifier)
    elif part.what == FUNCTION:
        session.client("lambda").delete_function(FunctionName=part.identifier)
    elif part.what == LOG_GROUP:
        session.client("logs").delete_log_group(logGroupName=part.identifier)
    elif part.what == BUDGET:
        session.client("budgets").delete_budget(
            AccountId=account, BudgetName=part.identifier
        )
    elif part.what == ROLE:
        _remove_role(session, part.identifier)
    else:
        raise ValueError(f"remove_part does not know how to remove a {part.what}.")


def _remove_role(session: boto3.Session, name: str) -> None:
    """Remove its policies first: IAM deletes no role that still has one."""
    iam, role = session.client("iam"), {"RoleName": name}
    for policy in _all_of(session, "iam", "list_role_policies", "PolicyNames", **role):
        iam.delete_role_policy(PolicyName=policy, **role)
    try:
        iam.delete_role(**role)
    except iam.exceptions.DeleteConflictException:
        attached = _all_of(
            session, "iam", "list_attached_role_policies", "AttachedPolicies", **role
        )
        for policy in attached:
            iam.detach_role_policy(PolicyArn=policy["PolicyArn"], **role)
        iam.delete_role(**role)


def buckets_of(session: boto3.Session, run_id: str | None) -> list[str]:
    """List a run's own buckets: those of the account with its run id in their names.

    All end alike, as AmazonSageMakerFullAccess wants it; no other bucket is theirs.
    """
    s3 = session.client("s3")
    names = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    names = [name for name in names if name.endswith("-sagemaker")]
    # For a while after its deletion S3 may still list a bucket.
    return [n for n in names if is_of(run_id, n) and bucket_is_there(session, n)]


def bucket_is_there(session: boto3.Session, bucket: str) -> bool:
    """Ask S3 whether a bucket exists. ClientError if it is somebody else's."""
    try:
        session.client("s3").head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] == "404":
            return False
        raise
    return True


def prefixes_of(session: boto3.Session, bucket: str, run_id: str | None) -> list[str]:
    """List where in the bucket a run of whichever lesson may have put its objects."""
    ours = re.compile(rf"{BUCKET_FOLDER}/{LESSON}/")
    found = _folders_in(session, bucket, f"{BUCKET_FOLDER}/")
    lessons = [lesson for lesson in found if ours.fullmatch(lesson)]
    if run_id is not None:
        return [f"{lesson}{run_id}" for lesson in lessons]
    runs = [run for lesson in lessons for run in _folders_in(session, bucket, lesson)]
    return [run[:-1] for run in runs if run_of_key(run) is not None]


def _folders_in(session: boto3.Session, bucket: str, prefix: str) -> list[str]:
    """List what S3 calls common prefixes: the folders in a folder."""
    pages = session.client("s3").get_paginator("list_objects_v2")
    found = pages.paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
    return [item["Prefix"] for page in found for item in page.get("CommonPrefixes", [])]


def run_of_key(key: str) -> str | None:
    """Give the run id of an object's key, None if it is no key of the course's."""
    match = re.match(rf"{BUCKET_FOLDER}/{LESSON}/({ANY_RUN})/", key)
    return match and match[1]


def objects_of(session: boto3.Session, bucket: str, prefix: str) -> Iterator[dict]:
    """List the objects under a prefix as S3 does, "Key" and "Size"; all if it is ""."""
    pages = session.client("s3").get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=bucket, Prefix=prefix and f"{prefix}/"):
        yield from page.get("Contents", [])


def versions_of(session: boto3.Session, bucket: str, prefix: str) -> Iterator[dict]:
    """List all versions of the objects under a prefix, and the marks of deletions.

    "Key", "VersionId", "Size", "LastModified". In a bucket that keeps old versions,
    deleting an object only puts a mark on top of them.
    """
    pages = session.client("s3").get_paginator("list_object_versions")
    for page in pages.paginate(Bucket=bucket, Prefix=prefix and f"{prefix}/"):
        yield from page.get("Versions", [])
        yield from ({**mark, "Size": 0} for mark in page.get("DeleteMarkers", []))


def uploads_of(session: boto3.Session, bucket: str, prefix: str) -> Iterator[dict]:
    """List the uploads in parts under a prefix that nobody has finished.

    "Key", "UploadId". Their parts are billed, and are in no other list.
    """
    pages = session.client("s3").get_paginator("list_multipart_uploads")
    for page in pages.paginate(Bucket=bucket, Prefix=prefix and f"{prefix}/"):
        yield from page.get("Uploads", [])


def folders_of(run_id: str | None) -> list[Path]:
    """List the local folders of a run: real ones, not links to others."""
    ours = re.compile(rf"{LESSON}-{run_id or ANY_RUN}")
    return sorted(
        path
        for path in SCRATCH.glob(f"*-{run_id or '*'}")
        if ours.fullmatch(path.name) and path.is_dir() and not path.is_symlink()
    )


def delete_objects(session: boto3.Session, bucket: str, keys: list[str]) -> list[str]:
    """Delete objects; give a sentence for each that S3 did not delete."""
    return _delete(session, bucket, [{"Key": key} for key in keys])


def delete_versions(
    session: boto3.Session, bucket: str, versions: list[dict]
) -> list[str]:
    """Delete versions of objects, and marks of deletions, likewise."""
    named = [{"Key": v["Key"], "VersionId": v["VersionId"]} for v in versions]
    return _delete(session, bucket, named)


def _delete(session: boto3.Session, bucket: str, every: list[dict]) -> list[str]:
    s3, errors = session.client("s3"), []
    for start in range(0, len(every), BATCH):
        batch = every[start : start + BATCH]
        done = s3.delete_objects(
            Bucket=bucket, Delete={"Objects": batch, "Quiet": True}
        )
        errors += [f"{e['Key']}: {e['Code']}" for e in done.get("Errors", [])]
    return errors


def delete_files(course: Course) -> None:
    """Delete this run's objects in S3 and its local folder; print how many."""
    session, bucket = course.boto_session, course.bucket
    keys = [item["Key"] for item in objects_of(session, bucket, course.prefix)]
    if errors := delete_objects(session, bucket, keys):
        raise RuntimeError(f"S3 did not delete {'; '.join(errors)}")
    files = [path for path in course.folder.rglob("*") if path.is_file()]
    if course.folder.exists():
        shutil.rmtree(course.folder)
    print(f"Deleted: {len(keys)} objects in S3, {len(files)} files on this machine.")


def left_over(course: Course) -> list[str]:
    """List what is still there of this run: "kind: name", found by the run id."""
    session = course.boto_session
    left = [f"{r.kind.what}: {r.name}" for r in resources_of(session, course.run_id)]
    objects = objects_of(session, course.bucket, course.prefix)
    left += [f"object in S3: {item['Key']}" for item in objects]
    left += [f"bucket: {name}" for name in buckets_of(session, course.run_id)]
    # Who runs another lesson need not be allowed to list APIs.
    if course.lesson in WEB_APPS:
        parts = web_app_of(session, course.run_id)
        left += [f"{part.what}: {part.name}" for part in parts]
    if course.folder.exists():
        left.append(f"local folder: {course.folder.name}")
    return left
