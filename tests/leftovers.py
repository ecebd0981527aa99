"""What exists in AWS and on disk, seen from outside a lesson, by plain boto3.

`utils.cleanup.left_over` is the lesson's own answer; a test must not take its word.
"""

import re
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from course.environment import ROOT

FINISHED = {"Completed", "Failed", "Stopped"}
SCRATCH = ROOT / "notebooks" / "scratch"

# list operation, key of its list, key of the name; a finished job is a record, which
# AWS keeps for ever, and not something left over.
# Source: botocore sagemaker service model.
LISTS = (
    ("list_endpoints", "Endpoints", "EndpointName"),
    ("list_endpoint_configs", "EndpointConfigs", "EndpointConfigName"),
    ("list_models", "Models", "ModelName"),
    ("list_notebook_instances", "NotebookInstances", "NotebookInstanceName"),
    ("list_training_jobs", "TrainingJobSummaries", "TrainingJobName"),
    ("list_transform_jobs", "TransformJobSummaries", "TransformJobName"),
    (
        "list_hyper_parameter_tuning_jobs",
        "HyperParameterTuningJobSummaries",
        "HyperParameterTuningJobName",
    ),
)


def snapshot(clients: Any, lesson: str) -> set[str]:
    """Return everything that exists, each thing as "kind: name".

    `clients` makes a boto3 client of a service's name. Local files are those of the
    lesson's own folders and whatever else lies in notebooks/.
    """
    found = set()
    sagemaker = clients("sagemaker")
    for operation, list_key, name_key in LISTS:
        kind = operation.removeprefix("list_").replace("_", " ").removesuffix("s")
        try:
            pages = list(sagemaker.get_paginator(operation).paginate())
        except ClientError as error:
            if error.response["Error"]["Code"] != "NotImplementedException":
                raise
            continue  # what the stand-in has not built, no lesson can have made
        for item in [item for page in pages for item in page[list_key]]:
            status = next((item[key] for key in item if key.endswith("JobStatus")), "")
            if status not in FINISHED:
                found.add(f"{kind}: {item[name_key]}")
    s3 = clients("s3")
    for bucket in [item["Name"] for item in s3.list_buckets()["Buckets"]]:
        # SageMaker's default bucket is made once and stays, as it does on AWS.
        if not re.fullmatch(r"sagemaker-[a-z]+-[a-z]+-\d-\d{12}", bucket):
            found.add(f"bucket: {bucket}")
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            found |= {f"object: {item['Key']}" for item in page.get("Contents", [])}
    found |= {f"role: {r['RoleName']}" for r in clients("iam").list_roles()["Roles"]}
    return found | local_files(lesson)


def local_files(lesson: str, notebooks: Path = SCRATCH.parent) -> set[str]:
    """Return the files in notebooks/, and of notebooks/scratch/ the lesson's folders.

    Other lessons may be running at the same time and have folders of their own there.
    """
    found = set()
    for path in notebooks.rglob("*"):
        parts = path.relative_to(notebooks).parts
        if ".ipynb_checkpoints" in parts or parts == ("scratch",):
            continue
        if parts[0] != "scratch" or parts[1].startswith(f"lesson{lesson}-"):
            found.add(f"file: {Path(*parts)}")
    return found
