"""Tidying: the files of one run, and the proof that nothing of it is left.

Jobs, models and endpoints are deleted by the lessons themselves, by the calls that
AWS has for it. What a lesson needs many lines for is here.
"""

import shutil

from utils.connect import Course

# What can cost money or get in the way: kind, operation, key of its list, status.
# A finished job is a free record and is not counted.
# Source: botocore sagemaker service model.
LISTS = (
    ("training job", "list_training_jobs", "TrainingJobSummaries", "InProgress"),
    ("training job", "list_training_jobs", "TrainingJobSummaries", "Stopping"),
    ("transform job", "list_transform_jobs", "TransformJobSummaries", "InProgress"),
    ("transform job", "list_transform_jobs", "TransformJobSummaries", "Stopping"),
    ("model", "list_models", "Models", None),
    ("endpoint", "list_endpoints", "Endpoints", None),
    ("endpoint configuration", "list_endpoint_configs", "EndpointConfigs", None),
    ("notebook instance", "list_notebook_instances", "NotebookInstances", None),
)


def delete_files(course: Course) -> None:
    """Delete this run's objects in S3 and its local folder; print how many."""
    keys = _objects(course)
    s3 = course.boto_session.client("s3")
    for start in range(0, len(keys), 1000):  # S3 takes at most 1000 keys at a time
        batch = [{"Key": key} for key in keys[start : start + 1000]]
        s3.delete_objects(Bucket=course.bucket, Delete={"Objects": batch})
    files = [path for path in course.folder.rglob("*") if path.is_file()]
    if course.folder.exists():
        shutil.rmtree(course.folder)
    print(f"Deleted: {len(keys)} objects in S3, {len(files)} files on this machine.")


def left_over(course: Course) -> list[str]:
    """List what is still there of this run: "kind: name", found by the run id."""
    sagemaker = course.boto_session.client("sagemaker")
    left = []
    for kind, operation, list_key, status in LISTS:
        conditions = {"NameContains": course.run_id}
        if status:
            conditions["StatusEquals"] = status
        name_key = list_key.removesuffix("Summaries").removesuffix("s") + "Name"
        for page in sagemaker.get_paginator(operation).paginate(**conditions):
            left += [f"{kind}: {item[name_key]}" for item in page[list_key]]
    left += [f"object in S3: {key}" for key in _objects(course)]
    if course.folder.exists():
        left.append(f"local folder: {course.folder.name}")
    return left


def _objects(course: Course) -> list[str]:
    """List the keys of this run's objects."""
    pages = course.boto_session.client("s3").get_paginator("list_objects_v2")
    found = pages.paginate(Bucket=course.bucket, Prefix=f"{course.prefix}/")
    return [item["Key"] for page in found for item in page.get("Contents", [])]
