"""The life of an endpoint, from Creating to Deleting.

Sources: botocore sagemaker service model (DescribeEndpoint, UpdateEndpoint and
UpdateEndpointWeightsAndCapacities); AWS page "Blue/green deployments". An update brings
up the whole new fleet beside the old one, moves all traffic over at once, then ends the
old one; the records hold the same words.
"""

import time

from local_aws.errors import validation_exception

KIND = "endpoint"
CONFIG_KIND = "endpoint-config"

IN_PROGRESS = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")

# What an endpoint can be asked for in which state (recorded errors of the service).
UPDATABLE = ("InService",)
DELETABLE = ("InService", "Failed", "OutOfService", "UpdateRollbackFailed")


def check_status(record: dict, allowed: tuple[str, ...]) -> None:
    """Raise AWS's error for a request that the endpoint's state does not allow."""
    status = record["EndpointStatus"]
    if status in allowed:
        return
    arn = record["EndpointArn"]
    if status in IN_PROGRESS:
        raise validation_exception(f'Cannot update in-progress endpoint "{arn}".')
    raise validation_exception(
        f'Cannot update endpoint "{arn}" in status {status}. Delete it and create it '
        "again."
    )


def set_status(record: dict, status: str) -> None:
    """Enter a status now."""
    record["EndpointStatus"] = status
    record["LastModifiedTime"] = time.time()


def begin_deployment(
    record: dict, configuration: dict, models: dict, status: str
) -> None:
    """Creating or Updating towards `configuration` (its record).

    `models`: {"image", "uri", "environment"} by variant name, as they are now: the
    records may be deleted while the endpoint serves.
    """
    set_status(record, status)
    record["_generation"] = record.get("_generation", 0) + 1
    record["_next"] = [configuration, models]
    record.pop("FailureReason", None)
    now = record["LastModifiedTime"]
    record["PendingDeploymentSummary"] = {
        "EndpointConfigName": configuration["EndpointConfigName"],
        "StartTime": now,
        "ProductionVariants": [
            {
                "VariantName": variant["VariantName"],
                "DesiredWeight": variant["InitialVariantWeight"],
                "DesiredInstanceCount": variant["InitialInstanceCount"],
                "InstanceType": variant["InstanceType"],
                "VariantStatus": [{"Status": "Creating", "StartTime": now}],
            }
            for variant in configuration["ProductionVariants"]
        ],
    }


def finish_deployment(record: dict, configuration: dict, models: dict) -> None:
    """InService under `configuration`; `models` by variant name."""
    set_status(record, "InService")
    record.pop("PendingDeploymentSummary", None)
    record["EndpointConfigName"] = configuration["EndpointConfigName"]
    record["ProductionVariants"] = [
        {
            "VariantName": variant["VariantName"],
            "DeployedImages": [
                {
                    "SpecifiedImage": models[variant["VariantName"]]["image"],
                    "ResolvedImage": models[variant["VariantName"]]["image"],
                    "ResolutionTime": record["LastModifiedTime"],
                }
            ],
            "CurrentWeight": variant["InitialVariantWeight"],
            "DesiredWeight": variant["InitialVariantWeight"],
            "CurrentInstanceCount": variant["InitialInstanceCount"],
            "DesiredInstanceCount": variant["InitialInstanceCount"],
        }
        for variant in configuration["ProductionVariants"]
    ]
    record["_serving"] = record["_generation"]
    record["_configuration"] = configuration
    record["_models"] = models


def fail_deployment(record: dict, reason: str) -> None:
    """Failed if it never was in service; otherwise back to what it was."""
    record.pop("PendingDeploymentSummary", None)
    record["FailureReason"] = reason[:1024]
    set_status(record, "InService" if "_configuration" in record else "Failed")


def begin_rebalancing(record: dict, desired: dict[str, dict]) -> None:
    """Updating towards new weights and counts, given by variant name."""
    set_status(record, "Updating")
    for variant in record["ProductionVariants"]:
        wish = desired.get(variant["VariantName"], {})
        variant["DesiredWeight"] = wish.get("DesiredWeight", variant["CurrentWeight"])
        variant["DesiredInstanceCount"] = wish.get(
            "DesiredInstanceCount", variant["CurrentInstanceCount"]
        )


def finish_rebalancing(record: dict) -> None:
    """InService, with what was desired in force."""
    set_status(record, "InService")
    for variant in record["ProductionVariants"]:
        variant["CurrentWeight"] = variant["DesiredWeight"]
        variant["CurrentInstanceCount"] = variant["DesiredInstanceCount"]


def fail_rebalancing(record: dict, reason: str) -> None:
    """InService, with what was in force before."""
    set_status(record, "InService")
    record["FailureReason"] = reason[:1024]
    for variant in record["ProductionVariants"]:
        variant["DesiredWeight"] = variant["CurrentWeight"]
        variant["DesiredInstanceCount"] = variant["CurrentInstanceCount"]


def ping_failure(variant: str) -> str:
    """FailureReason of a deployment whose container was never healthy."""
    return (
        f"The primary container for production variant {variant} did not pass the "
        "ping health check. Please check CloudWatch logs for this endpoint."
    )


def download_failure(uri: str) -> str:
    """FailureReason of a deployment whose model data can't be had."""
    return (
        f'Failed to download model data for container "container_1" from URL: "{uri}". '
        "Please ensure that there is an object located at the URL and that the role "
        "passed to CreateModel has permissions to download the object."
    )
