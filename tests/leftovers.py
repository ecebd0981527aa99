"""What exists in AWS and on disk, seen from outside a lesson, by plain boto3.

`utils.cleanup.left_over` is the lesson's own answer; a test must not take its word.
"""

import re
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from local_aws.installation import ACCOUNT_ID

FINISHED = {"Completed", "Failed", "Stopped"}

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


def snapshot(clients: Any, *folders: Path) -> set[str]:
    """Return everything that exists, each thing as "kind: name".

    `clients` makes a boto3 client of a service's name. `folders` are looked through
    for local files.
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
    apis = clients("apigatewayv2").get_paginator("get_apis").paginate()
    found |= {f"HTTP API: {item['Name']}" for page in apis for item in page["Items"]}
    pages = clients("lambda").get_paginator("list_functions").paginate()
    found |= {f"function: {f['FunctionName']}" for p in pages for f in p["Functions"]}
    groups = clients("logs").get_paginator("describe_log_groups")
    for page in groups.paginate(logGroupNamePrefix="/aws/lambda/"):
        found |= {f"log group: {item['logGroupName']}" for item in page["logGroups"]}
    budgets = clients("budgets").get_paginator("describe_budgets")
    for page in budgets.paginate(AccountId=ACCOUNT_ID):
        found |= {f"budget: {item['BudgetName']}" for item in page.get("Budgets", [])}
    return found.union(*(local_files(folder) for folder in folders))


def local_files(folder: Path) -> set[str]:
    """Return what lies in a folder, but for caches and the empty notebooks/scratch."""
    found = set()
    for path in folder.rglob("*"):
        inside = path.relative_to(folder)
        caches = {"__pycache__", ".ipynb_checkpoints"} & set(inside.parts)
        if not caches and inside != Path("notebooks/scratch"):
            found.add(f"file: {inside}")
    return found
