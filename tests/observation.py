"""All that clients can see of the services' state, as plain values to compare."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from local_aws.installation import ACCOUNT_ID

# Parts of a response that are new each time.
PASSING = ("ResponseMetadata",)


def response_of(call: Callable, **parameters: Any) -> Any:
    """The response to a call, or the code of its error."""
    try:
        found = call(**parameters)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return {k: v for k, v in found.items() if k not in PASSING}


def observe_object(s3: Any, bucket: str, key: str, version: str | None = None) -> dict:
    """An object's bytes and all that is known of it."""
    where = {"Bucket": bucket, "Key": key}
    if version is not None:
        where["VersionId"] = version
    found = response_of(s3.get_object, **where, ChecksumMode="ENABLED")
    if isinstance(found, dict):
        found["Body"] = found["Body"].read()
    return {
        "get": found,
        "head": response_of(s3.head_object, **where, ChecksumMode="ENABLED"),
        "tags": response_of(s3.get_object_tagging, **where),
        "acl": response_of(s3.get_object_acl, **where),
        "attributes": response_of(
            s3.get_object_attributes,
            **where,
            ObjectAttributes=["ETag", "Checksum", "ObjectSize", "StorageClass"],
        ),
    }


BUCKET_CALLS = (
    "get_bucket_location",
    "get_bucket_versioning",
    "get_bucket_policy",
    "get_bucket_tagging",
    "get_bucket_cors",
    "get_bucket_lifecycle_configuration",
    "get_bucket_encryption",
    "get_bucket_acl",
    "get_bucket_website",
    "get_bucket_logging",
    "get_bucket_notification_configuration",
    "get_bucket_ownership_controls",
    "get_bucket_replication",
    "get_public_access_block",
    "get_object_lock_configuration",
    "list_bucket_inventory_configurations",
    "list_multipart_uploads",
)


def observe_bucket(s3: Any, bucket: str) -> dict:
    """A bucket's settings, objects, versions and uploads."""
    seen = {
        call: response_of(getattr(s3, call), Bucket=bucket) for call in BUCKET_CALLS
    }
    listed = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    seen["objects"] = listed
    for entry in listed:
        seen["object", entry["Key"]] = observe_object(s3, bucket, entry["Key"])
    versions = response_of(s3.list_object_versions, Bucket=bucket)
    seen["versions"] = versions
    for entry in versions.get("Versions", []):
        key, version = entry["Key"], entry["VersionId"]
        seen["version", key, version] = observe_object(s3, bucket, key, version)
    for upload in seen["list_multipart_uploads"].get("Uploads", []):
        where = {"Key": upload["Key"], "UploadId": upload["UploadId"]}
        seen["parts", upload["UploadId"]] = response_of(
            s3.list_parts, Bucket=bucket, **where
        )
    return seen


def observe_s3(s3: Any) -> dict:
    """All buckets."""
    listed = s3.list_buckets()["Buckets"]
    seen: dict = {"buckets": listed}
    for bucket in listed:
        seen[bucket["Name"]] = observe_bucket(s3, bucket["Name"])
    return seen


def observe_iam(iam: Any) -> dict:
    """Roles, users, groups, own policies, instance profiles, and what hangs on them."""
    details: dict[str, list] = {}
    pages = iam.get_paginator("get_account_authorization_details").paginate(
        Filter=["User", "Role", "Group", "LocalManagedPolicy"]
    )
    for page in pages:
        for name, found in page.items():
            if name.endswith("List") or name == "Policies":
                details.setdefault(name, []).extend(found)
    seen: dict = dict(details)
    for role in details["RoleDetailList"]:
        name = role["RoleName"]
        seen["role", name] = response_of(iam.get_role, RoleName=name)
    for user in details["UserDetailList"]:
        name = user["UserName"]
        for call in ("get_user", "list_access_keys", "list_user_tags"):
            seen[call, name] = response_of(getattr(iam, call), UserName=name)
    for policy in details["Policies"]:
        arn = policy["Arn"]
        seen["policy", arn] = response_of(iam.get_policy, PolicyArn=arn)
    seen["profiles"] = iam.list_instance_profiles()["InstanceProfiles"]
    seen["aliases"] = response_of(iam.list_account_aliases)
    arn = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
    seen["given"] = response_of(iam.get_policy, PolicyArn=arn)
    return seen


def observe_logs(logs: Any) -> dict:
    """Groups, streams and events."""
    groups = logs.describe_log_groups()["logGroups"]
    seen: dict = {"groups": groups}
    for group in groups:
        name = group["logGroupName"]
        where = {"logGroupName": name}
        seen["tags", name] = response_of(logs.list_tags_log_group, **where)
        seen["filters", name] = response_of(logs.describe_metric_filters, **where)
        streams = logs.describe_log_streams(**where)["logStreams"]
        seen["streams", name] = streams
        for stream in streams:
            where["logStreamName"] = stream["logStreamName"]
            found = logs.get_log_events(**where, startFromHead=True)["events"]
            seen["events", name, stream["logStreamName"]] = found
        seen["found", name] = logs.filter_log_events(logGroupName=name)["events"]
    return seen


def observe_metrics(cloudwatch: Any, since: datetime) -> dict:
    """Metrics with their values, alarms and dashboards."""
    seen: dict = {"dashboards": cloudwatch.list_dashboards()["DashboardEntries"]}
    alarms = response_of(cloudwatch.describe_alarms)
    seen["alarms"] = alarms["MetricAlarms"]
    for metric in cloudwatch.list_metrics()["Metrics"]:
        if metric["Namespace"] == "AWS/S3":
            continue  # made up by moto from the buckets that are there
        name = metric["Namespace"], metric["MetricName"], str(metric["Dimensions"])
        points = cloudwatch.get_metric_statistics(
            **metric,
            StartTime=since - timedelta(hours=1),
            EndTime=datetime.now(UTC) + timedelta(hours=1),
            Period=60,
            Statistics=["Sum", "SampleCount", "Minimum", "Maximum"],
        )["Datapoints"]
        seen[name] = sorted(points, key=lambda point: point["Timestamp"])
    return seen


def observe_budgets(budgets: Any) -> dict:
    """Budgets, their notifications, and who is told."""
    mine = {"AccountId": ACCOUNT_ID}
    seen: dict = {}
    for budget in budgets.describe_budgets(**mine)["Budgets"]:
        one = mine | {"BudgetName": budget["BudgetName"]}
        seen[budget["BudgetName"]] = budget
        found = budgets.describe_notifications_for_budget(**one)["Notifications"]
        for notification in found:
            told = budgets.describe_subscribers_for_notification(
                **one, Notification=notification
            )
            key = budget["BudgetName"], notification["NotificationType"]
            seen[key] = notification, told["Subscribers"]
    return seen
