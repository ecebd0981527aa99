"""The life of an endpoint, from Creating to Deleting.

Sources: botocore sagemaker service model (DescribeEndpoint, UpdateEndpoint and
UpdateEndpointWeightsAndCapacities); AWS page "Blue/green deployments". An update brings
up the whole new fleet beside the old one, moves all traffic over at once, then ends the
old one; the records hold the same words.
"""

from local_aws.persistence.resources import touch

KIND = "endpoint"


class DeploymentFailed(Exception):
    """A fleet can't be brought up; the text is the endpoint's FailureReason."""


def set_status(record: dict, status: str) -> None:
    """Enter a status now."""
    record["EndpointStatus"] = status
    touch(record)


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
    record.pop("FailureReason", None)
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


def fail(record: dict, reason: str, in_service: bool) -> None:
    """Failed; or, if something still serves, InService as it was before.

    One that is to be deleted goes on to be.
    """
    if record["EndpointStatus"] == "Deleting":
        return
    record.pop("PendingDeploymentSummary", None)
    record["FailureReason"] = reason[:1024]
    set_status(record, "InService" if in_service else "Failed")
    for variant in record.get("ProductionVariants", []):
        variant["DesiredWeight"] = variant["CurrentWeight"]
        variant["DesiredInstanceCount"] = variant["CurrentInstanceCount"]


def finish_restoring(record: dict) -> None:
    """InService again, unless it has been asked for something else meanwhile."""
    if record["EndpointStatus"] not in ("Updating", "Deleting", "InService"):
        set_status(record, "InService")
        record.pop("FailureReason", None)


def fail_restoring(record: dict, reason: str) -> None:
    """Failed, unless it has been asked for something else meanwhile."""
    if record["EndpointStatus"] != "Updating":
        fail(record, reason, in_service=False)


def begin_rebalancing(record: dict, desired: dict[str, dict]) -> None:
    """Updating towards new weights and counts, given by variant name."""
    set_status(record, "Updating")
    for variant in record["ProductionVariants"]:
        given = desired.get(variant["VariantName"], {})
        variant["DesiredWeight"] = given.get("DesiredWeight", variant["CurrentWeight"])
        variant["DesiredInstanceCount"] = given.get(
            "DesiredInstanceCount", variant["CurrentInstanceCount"]
        )


def finish_rebalancing(record: dict) -> None:
    """InService, with what was desired in force."""
    set_status(record, "InService")
    for variant in record["ProductionVariants"]:
        variant["CurrentWeight"] = variant["DesiredWeight"]
        variant["CurrentInstanceCount"] = variant["DesiredInstanceCount"]


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


def unpack_failure(uri: str, reason: object) -> str:
    """FailureReason of a deployment whose model data is no archive as it must be: AWS's
    sentence, and what is wrong with it.
    """
    return (
        'Failed to extract model data archive for container "container_1" from URL '
        f'"{uri}". Please ensure that the object located at the URL is a valid tar.gz '
        f"archive. {reason}"
    )


def disk_failure(uri: str, error: OSError) -> str:
    """FailureReason of a deployment whose model data finds no place on this machine."""
    return f"Model data at {uri} can't be written to disk: {error.strerror or error}."
