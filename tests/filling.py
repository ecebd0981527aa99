"""Something of all that moto's services persist, and a kill to see whether it stays."""

import io
import json
import os
import time
from datetime import UTC, datetime

from conftest import StandIn, start_stand_in

from local_aws.installation import ACCOUNT_ID, ROLE_NAME

MEGABYTE = 2**20
NOBODY = json.dumps({"Version": "2012-10-17", "Statement": []})
STATEMENT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [STATEMENT]})


def killed_and_started(stand_in: StandIn) -> StandIn:
    """The stand-in that follows this one, which is killed."""
    stand_in.process.kill()
    stand_in.process.wait()
    return start_stand_in(stand_in.home)


def fill_s3(s3) -> None:
    """Something of all that moto's S3 has."""
    west = {"LocationConstraint": "us-west-2"}
    s3.create_bucket(Bucket="plain-bucket")
    s3.create_bucket(Bucket="west-bucket", CreateBucketConfiguration=west)
    for bucket in ("plain-bucket", "west-bucket"):
        allow_acls(s3, bucket)
    put = s3.put_object
    put(Bucket="plain-bucket", Key="small", Body=b"small", ContentType="text/csv")
    put(Bucket="plain-bucket", Key="empty")
    put(Bucket="plain-bucket", Key="ü/large", Body=os.urandom(3 * MEGABYTE))
    put(
        Bucket="plain-bucket",
        Key="all",
        Body=b"all" * 70_000,
        Metadata={"a": "1", "under_score": "2"},
        Tagging="k=v&l=w",
        ACL="public-read",
        StorageClass="STANDARD_IA",
        CacheControl="no-cache",
        ContentEncoding="gzip",
        ChecksumAlgorithm="SHA256",
        ServerSideEncryption="AES256",
    )
    for _ in range(2):
        put(Bucket="plain-bucket", Key="overwritten", Body=os.urandom(150_000))
        put(Bucket="plain-bucket", Key="overwritten small", Body=os.urandom(50))
    for size in (10, 200_000):
        put(Bucket="plain-bucket", Key=f"gone {size}", Body=os.urandom(size))
        s3.delete_object(Bucket="plain-bucket", Key=f"gone {size}")
    put(Bucket="plain-bucket", Key="gone too", Body=os.urandom(200_000))
    keys = {"Objects": [{"Key": "gone too"}, {"Key": "was never there"}]}
    s3.delete_objects(Bucket="plain-bucket", Delete=keys)
    for source in ("small", "ü/large", "all"):
        s3.copy_object(
            Bucket="west-bucket",
            Key=f"copy of {source}",
            CopySource={"Bucket": "plain-bucket", "Key": source},
        )
    s3.put_object_tagging(
        Bucket="plain-bucket",
        Key="small",
        Tagging={"TagSet": [{"Key": "later", "Value": "1"}]},
    )
    s3.put_object_acl(Bucket="plain-bucket", Key="ü/large", ACL="public-read")
    s3.upload_fileobj(io.BytesIO(os.urandom(11 * MEGABYTE)), "plain-bucket", "parts")
    s3.copy_object(
        Bucket="west-bucket",
        Key="copy of parts",
        CopySource={"Bucket": "plain-bucket", "Key": "parts"},
    )
    fill_versions(s3)
    fill_settings(s3)
    s3.create_bucket(Bucket="deleted-bucket")
    s3.put_bucket_tagging(
        Bucket="deleted-bucket", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]}
    )
    s3.delete_bucket(Bucket="deleted-bucket")


def allow_acls(s3, bucket) -> None:
    """Make the bucket as S3 made them until 2023: it has ACLs, and may be public."""
    s3.delete_public_access_block(Bucket=bucket)
    rule = {"ObjectOwnership": "ObjectWriter"}
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [rule]})


def fill_versions(s3) -> None:
    where = {"Bucket": "versioned-bucket", "Key": "key"}
    s3.create_bucket(Bucket=where["Bucket"])
    enabled, off = {"Status": "Enabled"}, {"Status": "Suspended"}
    s3.put_object(**where, Body=b"before versions")
    s3.put_bucket_versioning(Bucket=where["Bucket"], VersioningConfiguration=enabled)
    versions = [
        s3.put_object(**where, Body=os.urandom(size), Tagging=f"size={size}")
        for size in (10, 200_000, 20)
    ]
    s3.delete_object(**where)
    s3.put_object(**where, Body=b"again")
    s3.delete_object(**where)
    s3.delete_object(**where)
    s3.delete_object(**where, VersionId=versions[1]["VersionId"])
    s3.put_object(Bucket=where["Bucket"], Key="other", Body=b"other")
    s3.create_bucket(Bucket="suspended-bucket")
    config = {"Bucket": "suspended-bucket"}
    s3.put_bucket_versioning(**config, VersioningConfiguration=enabled)
    s3.put_object(**config, Key="key", Body=b"1")
    s3.put_bucket_versioning(**config, VersioningConfiguration=off)
    s3.put_object(**config, Key="key", Body=b"2")


def fill_settings(s3) -> None:
    bucket = "west-bucket"
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": "*",
                "Action": "s3:GetObject",
                "Resource": f"arn:aws:s3:::{bucket}/*",
            }
        ],
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    s3.put_bucket_tagging(
        Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]}
    )
    cors = [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": cors})
    rule = {
        "ID": "old",
        "Status": "Enabled",
        "Filter": {"Prefix": "x"},
        "Expiration": {"Days": 3},
    }
    s3.put_bucket_lifecycle_configuration(
        Bucket=bucket, LifecycleConfiguration={"Rules": [rule]}
    )
    default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(
        Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [default]}
    )
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    s3.put_public_access_block(
        Bucket=bucket, PublicAccessBlockConfiguration={"BlockPublicAcls": True}
    )
    s3.put_bucket_ownership_controls(
        Bucket=bucket,
        OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
    )
    website = {"IndexDocument": {"Suffix": "index.html"}}
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=website)


def fill_iam(iam) -> None:
    tags = [{"Key": "a", "Value": "b"}]
    role = {"RoleName": "plain", "AssumeRolePolicyDocument": NOBODY, "Tags": tags}
    iam.create_role(**role, Description="d", MaxSessionDuration=7200, Path="/p/")
    iam.create_role(RoleName="gone", AssumeRolePolicyDocument=NOBODY)
    iam.delete_role(RoleName="gone")
    policy = iam.create_policy(PolicyName="own", PolicyDocument=POLICY, Tags=tags)
    arn = policy["Policy"]["Arn"]
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=POLICY, SetAsDefault=True)
    iam.attach_role_policy(RoleName="plain", PolicyArn=arn)
    given = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    iam.attach_role_policy(RoleName="plain", PolicyArn=given)
    iam.put_role_policy(RoleName="plain", PolicyName="in", PolicyDocument=POLICY)
    iam.create_user(UserName="ann", Tags=tags)
    iam.create_access_key(UserName="ann")
    iam.attach_user_policy(UserName="ann", PolicyArn=arn)
    iam.put_user_policy(UserName="ann", PolicyName="in", PolicyDocument=POLICY)
    iam.create_group(GroupName="crew")
    iam.add_user_to_group(GroupName="crew", UserName="ann")
    iam.attach_group_policy(GroupName="crew", PolicyArn=given)
    iam.create_instance_profile(InstanceProfileName="profile")
    iam.add_role_to_instance_profile(InstanceProfileName="profile", RoleName="plain")
    iam.create_account_alias(AccountAlias="an-alias")
    # What the user does to the course's role holds.
    iam.detach_role_policy(
        RoleName=ROLE_NAME,
        PolicyArn="arn:aws:iam::aws:policy/AmazonSageMakerFullAccess",
    )
    iam.put_role_policy(RoleName=ROLE_NAME, PolicyName="in", PolicyDocument=POLICY)


def fill_logs(logs) -> None:
    logs.create_log_group(logGroupName="/a", tags={"k": "v"})
    logs.put_retention_policy(logGroupName="/a", retentionInDays=3)
    now = int(time.time() * 1000)
    for name in ("one", "two", "empty"):
        logs.create_log_stream(logGroupName="/a", logStreamName=name)
    for turn in range(3):
        for name in ("one", "two"):
            events = [
                {"timestamp": now + turn, "message": f"{name} {turn} {line} ü"}
                for line in range(5)
            ]
            where = {"logGroupName": "/a", "logStreamName": name}
            logs.put_log_events(**where, logEvents=events)
    logs.create_log_group(logGroupName="/gone")
    logs.create_log_stream(logGroupName="/gone", logStreamName="stream")
    gone = {"logGroupName": "/gone", "logStreamName": "stream"}
    logs.put_log_events(**gone, logEvents=[{"timestamp": now, "message": "gone"}])
    logs.delete_log_group(logGroupName="/gone")
    logs.create_log_stream(logGroupName="/a", logStreamName="deleted")
    logs.delete_log_stream(logGroupName="/a", logStreamName="deleted")
    logs.put_metric_filter(
        logGroupName="/a",
        filterName="f",
        filterPattern="x",
        metricTransformations=[
            {"metricName": "m", "metricNamespace": "n", "metricValue": "1"}
        ],
    )


def fill_budgets(budgets) -> None:
    """Two budgets, one of them with notifications to somebody."""
    mine = {"AccountId": ACCOUNT_ID}
    budget = {
        "BudgetName": "month",
        "BudgetType": "COST",
        "TimeUnit": "MONTHLY",
        "BudgetLimit": {"Amount": "5", "Unit": "USD"},
    }
    somebody = [{"SubscriptionType": "EMAIL", "Address": "somebody@example.com"}]
    notification = {"ComparisonOperator": "GREATER_THAN", "Threshold": 80}
    told = [
        {
            "Notification": notification | {"NotificationType": kind},
            "Subscribers": somebody,
        }
        for kind in ("ACTUAL", "FORECASTED")
    ]
    budgets.create_budget(**mine, Budget=budget, NotificationsWithSubscribers=told)
    budgets.create_budget(**mine, Budget=budget | {"BudgetName": "plain"})


def fill_metrics(cloudwatch) -> None:
    data = [
        {
            "MetricName": "rmse",
            "Dimensions": [{"Name": "Job", "Value": "job"}],
            "Timestamp": datetime.now(UTC),
            "Value": float(value),
            "Unit": "None",
        }
        for value in range(5)
    ]
    cloudwatch.put_metric_data(Namespace="Own", MetricData=data)
    cloudwatch.put_metric_data(
        Namespace="Own",
        MetricData=[
            {"MetricName": "many", "Values": [1.0, 2.0], "Counts": [2.0, 1.0]},
        ],
    )
    cloudwatch.put_dashboard(DashboardName="board", DashboardBody='{"widgets": []}')
    cloudwatch.put_metric_alarm(
        AlarmName="alarm",
        Namespace="Own",
        MetricName="rmse",
        Statistic="Average",
        ComparisonOperator="GreaterThanThreshold",
        Threshold=1.0,
        Period=60,
        EvaluationPeriods=1,
    )
