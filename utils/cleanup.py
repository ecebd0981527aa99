"""What belongs to one run of a lesson, in AWS and on this machine.

Jobs, models and endpoints are deleted by the lessons themselves, by the calls that AWS
has for it; `python -m course cleanup RUN_ID` does it for a run that was broken off.
"""

import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore import xform_name
from botocore.exceptions import ClientError

from utils.connect import BUCKET_FOLDER, SCRATCH, Course

BATCH = 1000  # S3 deletes at most so many objects at a time
LESSON = r"lesson[0-9A-Z]{1,2}"  # with what names, prefixes and folders of runs begin


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


def resources_of(session: boto3.Session, run_id: str) -> list[Resource]:
    """List a run's resources, found by the run id in their names; no ended jobs."""
    sm = session.client("sagemaker")
    found = []
    for kind in KINDS:
        pages = sm.get_paginator(kind.operation("List")).paginate(NameContains=run_id)
        for item in [item for page in pages for item in page[kind.list_key]]:
            name, status = item[f"{kind.noun}Name"], item.get(f"{kind.noun}Status", "")
            has_ended = kind.is_record and status not in kind.passing
            if _is_of(run_id, name) and not has_ended:
                found.append(Resource(kind, name, status))
    return found


def _is_of(run_id: str, name: str) -> bool:
    """Others may have the same six letters somewhere in their names."""
    return re.match(rf"{LESSON}-{run_id}(-|$)", name) is not None


@dataclass(frozen=True)
class Part:
    """A part of a web app that a run has made: what it is, its name, its id."""

    what: str
    name: str
    identifier: str


# What a web app is made of, and the lessons that make one.
API, FUNCTION, LOG_GROUP, ROLE = "HTTP API", "function", "log group", "role"
WEB_APP_KINDS = (API, FUNCTION, LOG_GROUP, ROLE)
WEB_APPS = frozenset({"11"})
LOGS_OF_FUNCTIONS = "/aws/lambda/"


def web_app_of(
    session: boto3.Session, run_id: str, kinds: Iterable[str] = WEB_APP_KINDS
) -> list[Part]:
    """List the parts of a run's web apps, the public ones first.

    That is the order in which they are removed. Raises ClientError, for example where
    you may not list APIs: data/web-app-policy.json allows it.
    """
    return [
        part
        for what in kinds
        for part in _parts(session, what)
        if _is_of(run_id, part.name)
    ]


def _parts(session: boto3.Session, what: str) -> Iterator[Part]:
    """Yield all parts of a kind, those of others too."""
    if what == API:
        for api in _all_of(session, "apigatewayv2", "get_apis", "Items"):
            yield Part(API, api["Name"], api["ApiId"])
    elif what == FUNCTION:
        for item in _all_of(session, "lambda", "list_functions", "Functions"):
            yield Part(FUNCTION, item["FunctionName"], item["FunctionName"])
    elif what == LOG_GROUP:
        ours = {"logGroupNamePrefix": f"{LOGS_OF_FUNCTIONS}lesson"}
        groups = _all_of(session, "logs", "describe_log_groups", "logGroups", **ours)
        for group in [item["logGroupName"] for item in groups]:
            yield Part(LOG_GROUP, group.removeprefix(LOGS_OF_FUNCTIONS), group)
    else:
        for item in _all_of(session, "iam", "list_roles", "Roles"):
            yield Part(ROLE, item["RoleName"], item["RoleName"])


def _all_of(
    session: boto3.Session, service: str, operation: str, key: str, **members: str
) -> Iterator[dict]:
    """Yield the items of all pages of a list."""
    for page in session.client(service).get_paginator(operation).paginate(**members):
        yield from page[key]


def remove_part(session: boto3.Session, part: Part) -> None:
    """Remove a part of a web app. ClientError if AWS refuses, also if it is gone."""
    if part.what == API:
        session.client("apigatewayv2").delete_api(ApiId=part.identifier)
    elif part.what == FUNCTION:
        session.client("lambda").delete_function(FunctionName=part.identifier)
    elif part.what == LOG_GROUP:
        session.client("logs").delete_log_group(logGroupName=part.identifier)
    else:
        iam, role = session.client("iam"), {"RoleName": part.identifier}
        # IAM deletes no role that still has a policy.
        for name in _all_of(
            session, "iam", "list_role_policies", "PolicyNames", **role
        ):
            iam.delete_role_policy(PolicyName=name, **role)
        iam.delete_role(**role)


def buckets_of(session: boto3.Session, run_id: str) -> list[str]:
    """List a run's own buckets: those of the account with its run id in their names."""
    s3 = session.client("s3")
    names = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    # For a while after its deletion S3 may still list a bucket.
    return [n for n in names if _is_of(run_id, n) and bucket_is_there(session, n)]


def bucket_is_there(session: boto3.Session, bucket: str) -> bool:
    """Ask S3 whether a bucket exists. ClientError if it is somebody else's."""
    try:
        session.client("s3").head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] == "404":
            return False
        raise
    return True


def prefixes_of(session: boto3.Session, bucket: str, run_id: str) -> list[str]:
    """List where in the bucket a run of whichever lesson may have put its objects."""
    pages = session.client("s3").get_paginator("list_objects_v2")
    lessons = pages.paginate(Bucket=bucket, Prefix=f"{BUCKET_FOLDER}/", Delimiter="/")
    found = [
        item["Prefix"] for page in lessons for item in page.get("CommonPrefixes", [])
    ]
    ours = re.compile(rf"{BUCKET_FOLDER}/{LESSON}/")
    return [f"{lesson}{run_id}" for lesson in found if ours.fullmatch(lesson)]


def objects_of(session: boto3.Session, bucket: str, prefix: str) -> Iterator[dict]:
    """List the objects under a prefix as S3 does, "Key" and "Size"; all if it is ""."""
    pages = session.client("s3").get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=bucket, Prefix=prefix and f"{prefix}/"):
        yield from page.get("Contents", [])


def folders_of(run_id: str) -> list[Path]:
    """List the local folders of a run: real ones, not links to others."""
    ours = re.compile(rf"{LESSON}-{run_id}")
    return sorted(
        path
        for path in SCRATCH.glob(f"*-{run_id}")
        if ours.fullmatch(path.name) and path.is_dir() and not path.is_symlink()
    )


def delete_objects(session: boto3.Session, bucket: str, keys: list[str]) -> list[str]:
    """Delete objects; give a sentence for each that S3 did not delete."""
    s3, errors = session.client("s3"), []
    for start in range(0, len(keys), BATCH):
        batch = [{"Key": key} for key in keys[start : start + BATCH]]
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
