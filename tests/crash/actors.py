"""The operations that the crash test works the stand-in with."""

import base64
import hashlib
import json
import time
import urllib.error
import urllib.request
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError
from lambda_functions import zip_of

from local_aws.installation import ACCOUNT_ID, ROLE_ARN

from .ledger import ANYTHING, Actor, connected, difference, now_ms

BUCKET = "sagemaker-crash-plain"
VERSIONED = "sagemaker-crash-versioned"
GROUP = "/crash"
LAMBDA_ROLE = "crash-functions"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"
GIVEN = [
    f"arn:aws:iam::aws:policy/{name}" for name in ("ReadOnlyAccess", "PowerUserAccess")
]
# In the database, at the border to a file, in a file, spooled by the server.
SIZES = [0, 1, 1000, 128 * 1024, 128 * 1024 + 1, 300_000, 1_000_000, 5_000_000]
WEIGHTS = [1, 2, 6, 2, 2, 4, 1, 0.4]
PART = 5 * 2**20


def prepare(clients: Any) -> None:
    """Make what all actors share."""
    s3 = clients("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.create_bucket(Bucket=VERSIONED)
    enabled = {"Status": "Enabled"}
    s3.put_bucket_versioning(Bucket=VERSIONED, VersioningConfiguration=enabled)
    clients("logs").create_log_group(logGroupName=GROUP)
    rows = "".join(f"{i % 7},{i},{i * i % 11}\n" for i in range(50))
    s3.put_object(Bucket=BUCKET, Key="train/train.csv", Body=rows.encode())
    s3.put_object(Bucket=BUCKET, Key="model/model.tar.gz", Body=b"not looked into")
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    trust = {"Version": "2012-10-17", "Statement": [statement]}
    clients("iam").create_role(
        RoleName=LAMBDA_ROLE, AssumeRolePolicyDocument=json.dumps(trust)
    )
    prepare_endpoints(clients)


def prepare_endpoints(clients: Any) -> None:
    """Train a model and make two configurations that serve it."""
    sagemaker = clients("sagemaker")
    create_job(sagemaker, "crash-model")
    deadline = time.monotonic() + 120
    while True:
        job = sagemaker.describe_training_job(TrainingJobName="crash-model")
        if job["TrainingJobStatus"] == "Completed":
            break
        assert time.monotonic() < deadline, job
        time.sleep(0.05)
    container = {
        "Image": IMAGE,
        "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"],
    }
    sagemaker.create_model(
        ModelName="crash-model", ExecutionRoleArn=ROLE_ARN, PrimaryContainer=container
    )
    for name in ("crash-a", "crash-b"):
        variant = {
            "VariantName": "Only",
            "ModelName": "crash-model",
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
        }
        sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[variant]
        )


def definition(*channels: str) -> dict[str, Any]:
    """What a training job, and a tuning job's definition, has of `prepare`'s data."""
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/train"}
    return {
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
        },
        "RoleArn": ROLE_ARN,
        "InputDataConfig": [
            {
                "ChannelName": channel,
                "ContentType": "text/csv",
                "DataSource": {"S3DataSource": source},
            }
            for channel in channels
        ],
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/output"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 1,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }


def create_job(sagemaker: Any, name: str) -> None:
    """Start a small training job over what `prepare` made."""
    sagemaker.create_training_job(
        TrainingJobName=name,
        HyperParameters={"num_round": "3"},
        **definition("train"),
    )


def create_tuning_job(sagemaker: Any, name: str, size: int) -> None:
    """Start some small training jobs over it, two at a time."""
    eta = {"Name": "eta", "MinValue": "0.1", "MaxValue": "0.5"}
    sagemaker.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name,
        HyperParameterTuningJobConfig={
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": {
                "Type": "Minimize",
                "MetricName": "validation:rmse",
            },
            "ResourceLimits": {
                "MaxNumberOfTrainingJobs": size,
                "MaxParallelTrainingJobs": 2,
            },
            "ParameterRanges": {"ContinuousParameterRanges": [eta]},
        },
        TrainingJobDefinition={
            "StaticHyperParameters": {"num_round": "3"},
            **definition("train", "validation"),
        },
    )


def code_of(error: ClientError) -> str:
    return error.response["Error"]["Code"]


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


class Objects(Actor):
    """Put, overwrite, copy, tag, delete one or several."""

    def _body(self) -> bytes:
        return self.rng.randbytes(self.rng.choices(SIZES, WEIGHTS)[0])

    def observe(self, name: str) -> Any:
        s3 = self.clients("s3")
        where = {"Bucket": BUCKET, "Key": name}
        try:
            found = s3.get_object(**where)
        except ClientError as error:
            if code_of(error) == "NoSuchKey":
                return None
            raise
        tags = s3.get_object_tagging(**where)["TagSet"]
        return {
            "body": digest(found["Body"].read()),
            "etag": found["ETag"],
            "modified": found["LastModified"],
            "metadata": found["Metadata"],
            "type": found["ContentType"],
            "tags": {tag["Key"]: tag["Value"] for tag in tags},
        }

    def step(self) -> None:
        key = f"{self.label}/{self.rng.randrange(12)}"
        steps = [self._put, self._put, self._put]
        if self.expected.get(key) is not None:
            steps += [self._copy, self._tag, self._delete, self._delete_several]
        self.rng.choice(steps)(key)

    def _put(self, key: str) -> None:
        body = self._body()
        metadata = {"number": str(self.rng.randrange(1000))}
        tags = {"tag": str(self.rng.randrange(1000))} if self.rng.random() < 0.3 else {}
        after = {
            "body": digest(body),
            "etag": f'"{hashlib.md5(body).hexdigest()}"',
            "modified": ANYTHING,
            "metadata": metadata,
            "type": "text/csv",
            "tags": tags,
        }
        with self.operation(key, after):
            self.clients("s3").put_object(
                Bucket=BUCKET,
                Key=key,
                Body=body,
                Metadata=metadata,
                ContentType="text/csv",
                Tagging="&".join(f"{k}={v}" for k, v in tags.items()),
            )

    def _copy(self, key: str) -> None:
        target = f"{self.label}/copy-{self.rng.randrange(4)}"
        after = self.expected[key] | {"modified": ANYTHING}
        with self.operation(target, after):
            self.clients("s3").copy_object(
                Bucket=BUCKET,
                Key=target,
                CopySource={"Bucket": BUCKET, "Key": key},
                TaggingDirective="COPY",
            )

    def _tag(self, key: str) -> None:
        tags = {"tag": str(self.rng.randrange(1000))}
        tag_set = [{"Key": k, "Value": v} for k, v in tags.items()]
        with self.operation(key, self.expected[key] | {"tags": tags}):
            self.clients("s3").put_object_tagging(
                Bucket=BUCKET, Key=key, Tagging={"TagSet": tag_set}
            )

    def _delete(self, key: str) -> None:
        with self.operation(key, None):
            self.clients("s3").delete_object(Bucket=BUCKET, Key=key)

    def _delete_several(self, key: str) -> None:
        keys = [key, f"{self.label}/copy-{self.rng.randrange(4)}"]
        for each in keys:
            self.in_flight[each] = [None]
        with connected():
            self.clients("s3").delete_objects(
                Bucket=BUCKET, Delete={"Objects": [{"Key": each} for each in keys]}
            )
        for each in keys:
            del self.in_flight[each]
            self.expected[each] = None
        self.done += 1


class Versions(Actor):
    """Versions of a key, delete markers, deletion of one version."""

    def observe(self, name: str) -> Any:
        s3 = self.clients("s3")
        listed = s3.list_object_versions(Bucket=VERSIONED, Prefix=name)
        entries = listed.get("Versions", []) + listed.get("DeleteMarkers", [])
        entries = [entry for entry in entries if entry["Key"] == name]
        seen = {}
        for entry in entries:
            version = entry["VersionId"]
            if "ETag" not in entry:
                seen[version] = "marker"
                continue
            found = s3.get_object(Bucket=VERSIONED, Key=name, VersionId=version)
            seen[version] = digest(found["Body"].read())
        latest = [entry["VersionId"] for entry in entries if entry["IsLatest"]]
        return {"versions": seen, "latest": latest}

    def check(self) -> list[str]:
        # What a version under way is called is not known: compare without it.
        problems = []
        for name in set(self.expected) | set(self.in_flight):
            actual = self.observe(name)
            wanted = self.expected.get(name, {"versions": {}, "latest": []})
            allowed = [wanted]
            for kind, value in self.in_flight.get(name, []):
                after = dict(wanted["versions"])
                if kind == "delete":
                    after.pop(value)
                    latest = [v for v in after][-1:]
                    allowed.append({"versions": after, "latest": latest})
                else:
                    new = actual["versions"].keys() - after.keys()
                    if len(new) == 1:
                        [version] = new
                        after[version] = value
                        allowed.append({"versions": after, "latest": [version]})
            if actual in allowed:
                # Ours is in the order in which the versions came; the times that are
                # listed are too coarse for that.
                actual = allowed[allowed.index(actual)]
            else:
                problems.append(difference(name, actual, allowed))
            self.expected[name] = actual
        self.in_flight.clear()
        return problems

    def step(self) -> None:
        key = f"{self.label}/{self.rng.randrange(3)}"
        state = self.expected.setdefault(key, {"versions": {}, "latest": []})
        s3 = self.clients("s3")
        where = {"Bucket": VERSIONED, "Key": key}
        choice = self.rng.random()
        if (state["versions"] and choice < 0.25) or len(state["versions"]) > 12:
            version = self.rng.choice(list(state["versions"]))
            self.in_flight[key] = [("delete", version)]
            with connected():
                s3.delete_object(**where, VersionId=version)
            del state["versions"][version]
        elif state["versions"] and choice < 0.4:
            self.in_flight[key] = [("new", "marker")]
            with connected():
                version = s3.delete_object(**where)["VersionId"]
            state["versions"][version] = "marker"
        else:
            body = self.rng.randbytes(self.rng.choice([5, 150_000]))
            self.in_flight[key] = [("new", digest(body))]
            with connected():
                version = s3.put_object(**where, Body=body)["VersionId"]
            state["versions"][version] = digest(body)
        state["latest"] = list(state["versions"])[-1:]
        del self.in_flight[key]
        self.done += 1


class Uploads(Actor):
    """Uploads in parts: one under way after the other, for one key."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.key = f"{self.label}/upload"
        self.bodies: dict[str, bytes] = {}  # by ETag
        self.upload: str | None = None

    def observe(self, name: str) -> Any:
        s3 = self.clients("s3")
        where = {"Bucket": BUCKET, "Key": self.key}
        listed = s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        uploads = {}
        for upload in listed:
            if upload["Key"] == self.key:
                parts = s3.list_parts(**where, UploadId=upload["UploadId"])
                uploads[upload["UploadId"]] = {
                    str(part["PartNumber"]): part["ETag"]
                    for part in parts.get("Parts", [])
                }
        try:
            found = s3.get_object(**where)
        except ClientError as error:
            if code_of(error) != "NoSuchKey":
                raise
            return {"uploads": uploads, "object": None}
        body = digest(found["Body"].read())
        return {"uploads": uploads, "object": [body, found["ETag"], found["Metadata"]]}

    def check(self) -> list[str]:
        problems = []
        if self.key in self.expected and ANYTHING in self.in_flight.get(self.key, []):
            # A new upload whose id never came back.
            known = self.expected[self.key]
            uploads = dict(self.observe(self.key)["uploads"])
            new = uploads.keys() - known["uploads"].keys()
            after = known["uploads"] | {each: {} for each in new}
            self.in_flight[self.key] = [known | {"uploads": after}]
            if len(new) > 1:
                problems.append(f"{self.key} has uploads that nobody began: {new}")
        problems += super().check()
        uploads = (self.expected.get(self.key) or {"uploads": {}})["uploads"]
        if self.upload not in uploads:
            self.upload, self.bodies = None, {}
        return problems

    def step(self) -> None:
        s3 = self.clients("s3")
        where = {"Bucket": BUCKET, "Key": self.key}
        state = self.expected.setdefault(self.key, {"uploads": {}, "object": None})
        if self.upload is None:
            self.in_flight[self.key] = [ANYTHING]
            with connected():
                self.upload = s3.create_multipart_upload(
                    **where, Metadata={"label": self.label}
                )["UploadId"]
            del self.in_flight[self.key]
            self.expected[self.key] = state | {
                "uploads": state["uploads"] | {self.upload: {}}
            }
            self.bodies = {}
            self.done += 1
            return
        where["UploadId"] = self.upload
        parts = state["uploads"][self.upload]
        others = {k: v for k, v in state["uploads"].items() if k != self.upload}
        if self.rng.random() < 0.08:
            with self.operation(self.key, state | {"uploads": others}):
                s3.abort_multipart_upload(**where)
            self.upload = None
        elif parts and self.rng.random() < 0.4:
            self._complete(where, state, others)
        else:
            number = self.rng.choice([1, 1, 2]) if parts else 1
            body = self.rng.randbytes(PART if number == 1 else 100)
            etag = f'"{hashlib.md5(body).hexdigest()}"'
            after = {self.upload: parts | {str(number): etag}, **others}
            self.bodies[etag] = body
            with self.operation(self.key, state | {"uploads": after}):
                s3.upload_part(**where, PartNumber=number, Body=body)

    def _complete(self, where: dict, state: dict, others: dict) -> None:
        parts = sorted(
            (int(n), tag) for n, tag in state["uploads"][self.upload].items()
        )
        chosen = [{"PartNumber": number, "ETag": tag} for number, tag in parts]
        body = b"".join(self.bodies[tag] for _, tag in parts)
        tags = b"".join(bytes.fromhex(tag.strip('"')) for _, tag in parts)
        etag = f'"{hashlib.md5(tags).hexdigest()}-{len(parts)}"'
        after = {
            "uploads": others,
            "object": [digest(body), etag, {"label": self.label}],
        }
        with self.operation(self.key, after):
            self.clients("s3").complete_multipart_upload(
                **where, MultipartUpload={"Parts": chosen}
            )
        self.upload = None


class Roles(Actor):
    """Roles with inline and attached policies."""

    def observe(self, name: str) -> Any:
        iam = self.clients("iam")
        try:
            role = iam.get_role(RoleName=name)["Role"]
        except ClientError as error:
            if code_of(error) == "NoSuchEntity":
                return None
            raise
        inline = {
            policy: iam.get_role_policy(RoleName=name, PolicyName=policy)[
                "PolicyDocument"
            ]
            for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
        }
        attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        return {
            "id": role["RoleId"],
            "created": role["CreateDate"],
            "description": role.get("Description"),
            "tags": {tag["Key"]: tag["Value"] for tag in role.get("Tags", [])},
            "inline": inline,
            "attached": sorted(policy["PolicyArn"] for policy in attached),
        }

    def step(self) -> None:
        name = f"{self.label}-role-{self.rng.randrange(5)}"
        state = self.expected.get(name)
        iam = self.clients("iam")
        if state is None:
            self._create(iam, name)
            return
        steps = [self._inline, self._inline, self._attach, self._describe]
        self.rng.choice([*steps, self._remove])(iam, name, state)

    def _create(self, iam: Any, name: str) -> None:
        text = str(self.rng.randrange(1000))
        after = {
            "id": ANYTHING,
            "created": ANYTHING,
            "description": text,
            "tags": {"tag": text},
            "inline": {},
            "attached": [],
        }
        with self.operation(name, after):
            iam.create_role(
                RoleName=name,
                AssumeRolePolicyDocument='{"Version":"2012-10-17","Statement":[]}',
                Description=text,
                Tags=[{"Key": "tag", "Value": text}],
            )

    def _inline(self, iam: Any, name: str, state: dict) -> None:
        policy = f"inline-{self.rng.randrange(3)}"
        inline = dict(state["inline"])
        if policy in inline and self.rng.random() < 0.4:
            del inline[policy]
            with self.operation(name, state | {"inline": inline}):
                iam.delete_role_policy(RoleName=name, PolicyName=policy)
            return
        statement = {
            "Sid": f"S{self.rng.randrange(1000)}",
            "Effect": "Allow",
            "Action": "s3:*",
            "Resource": "*",
        }
        document = {"Version": "2012-10-17", "Statement": [statement]}
        inline[policy] = document
        with self.operation(name, state | {"inline": inline}):
            iam.put_role_policy(
                RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(document)
            )

    def _attach(self, iam: Any, name: str, state: dict) -> None:
        arn = self.rng.choice(GIVEN)
        attached = set(state["attached"])
        call = iam.detach_role_policy if arn in attached else iam.attach_role_policy
        attached ^= {arn}
        with self.operation(name, state | {"attached": sorted(attached)}):
            call(RoleName=name, PolicyArn=arn)

    def _describe(self, iam: Any, name: str, state: dict) -> None:
        text = str(self.rng.randrange(1000))
        with self.operation(name, state | {"description": text}):
            iam.update_role(RoleName=name, Description=text)

    def _remove(self, iam: Any, name: str, state: dict) -> None:
        if not state["inline"] and not state["attached"]:
            with self.operation(name, None):
                iam.delete_role(RoleName=name)


class Budgets(Actor):
    """Budgets with their notifications."""

    def observe(self, name: str) -> Any:
        budgets = self.clients("budgets")
        one = {"AccountId": ACCOUNT_ID, "BudgetName": name}
        try:
            budget = budgets.describe_budget(**one)["Budget"]
        except budgets.exceptions.NotFoundException:
            return None
        told = budgets.describe_notifications_for_budget(**one)["Notifications"]
        return {
            "limit": budget["BudgetLimit"]["Amount"],
            "percent": sorted(int(each["Threshold"]) for each in told),
        }

    def step(self) -> None:
        budgets = self.clients("budgets")
        name = f"{self.label}-{self.rng.randrange(3)}"
        one = {"AccountId": ACCOUNT_ID, "BudgetName": name}
        state = self.expected.get(name)
        number = self.rng.randrange(1, 1000)
        if state is None:
            with self.operation(name, {"limit": str(number), "percent": []}):
                budgets.create_budget(
                    AccountId=ACCOUNT_ID,
                    Budget={
                        "BudgetName": name,
                        "BudgetType": "COST",
                        "TimeUnit": "MONTHLY",
                        "BudgetLimit": {"Amount": str(number), "Unit": "USD"},
                    },
                )
        elif number in state["percent"] or len(state["percent"]) == 5:
            with self.operation(name, None):
                budgets.delete_budget(**one)
        else:
            percent = sorted([*state["percent"], number])
            somebody = {"SubscriptionType": "EMAIL", "Address": "a@example.com"}
            with self.operation(name, state | {"percent": percent}):
                budgets.create_notification(
                    **one,
                    Notification={
                        "NotificationType": "ACTUAL",
                        "ComparisonOperator": "GREATER_THAN",
                        "Threshold": number,
                    },
                    Subscribers=[somebody],
                )


class LogLines(Actor):
    """Lines put into streams; each has to be there once and in order."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.number = 0

    def observe(self, name: str) -> Any:
        logs = self.clients("logs")
        lines: list[str] = []
        token: dict[str, str] = {}
        while True:
            try:
                page = logs.get_log_events(
                    logGroupName=GROUP,
                    logStreamName=name,
                    startFromHead=True,
                    **token,
                )
            except ClientError as error:
                if code_of(error) == "ResourceNotFoundException":
                    return None
                raise
            if not page["events"]:
                return lines
            lines += [event["message"] for event in page["events"]]
            token = {"nextToken": page["nextForwardToken"]}

    def step(self) -> None:
        name = f"{self.label}/stream-{self.number // 40}"
        self.number += 1
        logs = self.clients("logs")
        where = {"logGroupName": GROUP, "logStreamName": name}
        before = self.expected.get(name)
        if before is None:
            with self.operation(name, []):
                logs.create_log_stream(**where)
            return
        start = len(before)
        new = [f"{name} line {start + i}" for i in range(self.rng.randint(1, 20))]
        events = [{"timestamp": now_ms(), "message": line} for line in new]
        with self.operation(name, before + new):
            logs.put_log_events(**where, logEvents=events)


class Metrics(Actor):
    """Values of metrics."""

    def observe(self, name: str) -> Any:
        now = datetime.now(UTC)
        points = self.clients("cloudwatch").get_metric_statistics(
            Namespace="Crash",
            MetricName=name,
            StartTime=now - timedelta(days=1),
            EndTime=now + timedelta(hours=1),
            Period=86400,
            Statistics=["Sum", "SampleCount"],
        )["Datapoints"]
        count = sum(point["SampleCount"] for point in points)
        return [count, sum(point["Sum"] for point in points)] if count else None

    def step(self) -> None:
        name = f"{self.label}-{self.rng.randrange(3)}"
        values = [float(self.rng.randrange(10)) for _ in range(3)]
        count, total = self.expected.get(name) or [0, 0]
        with self.operation(name, [count + len(values), total + sum(values)]):
            self.clients("cloudwatch").put_metric_data(
                Namespace="Crash",
                MetricData=[{"MetricName": name, "Value": value} for value in values],
            )


class Models(Actor):
    """SageMaker models and notebook instances, with tags."""

    def _arn(self, name: str) -> str:
        kind = "model" if "-model-" in name else "notebook-instance"
        return f"arn:aws:sagemaker:us-east-1:{ACCOUNT_ID}:{kind}/{name}"

    def observe(self, name: str) -> Any:
        sagemaker = self.clients("sagemaker")
        try:
            if "-model-" in name:
                found = sagemaker.describe_model(ModelName=name)
                what = found["PrimaryContainer"]["Environment"]
            else:
                found = sagemaker.describe_notebook_instance(NotebookInstanceName=name)
                what = found["InstanceType"]
        except ClientError as error:
            if code_of(error) == "ValidationException":
                return None
            raise
        tags = sagemaker.list_tags(ResourceArn=self._arn(name))["Tags"]
        return {
            "what": what,
            "created": found["CreationTime"],
            "tags": {tag["Key"]: tag["Value"] for tag in tags},
        }

    def step(self) -> None:
        sagemaker = self.clients("sagemaker")
        kind = self.rng.choice(["model", "model", "model", "notebook"])
        name = f"{self.label}-{kind}-{self.rng.randrange(4)}"
        state = self.expected.get(name)
        text = str(self.rng.randrange(1000))
        tags = [{"Key": "tag", "Value": text}]
        if state is None:
            after = {"created": ANYTHING, "tags": {"tag": text}}
            if kind == "model":
                container = {
                    "Image": IMAGE,
                    "ModelDataUrl": f"s3://{BUCKET}/model/model.tar.gz",
                    "Environment": {"NUMBER": text},
                }
                with self.operation(name, after | {"what": {"NUMBER": text}}):
                    sagemaker.create_model(
                        ModelName=name,
                        ExecutionRoleArn=ROLE_ARN,
                        PrimaryContainer=container,
                        Tags=tags,
                    )
            else:
                with self.operation(name, after | {"what": "ml.t3.medium"}):
                    sagemaker.create_notebook_instance(
                        NotebookInstanceName=name,
                        InstanceType="ml.t3.medium",
                        RoleArn=ROLE_ARN,
                        Tags=tags,
                    )
        elif kind == "model" and self.rng.random() < 0.4:
            with self.operation(name, None):
                sagemaker.delete_model(ModelName=name)
        elif state["tags"] and self.rng.random() < 0.3:
            with self.operation(name, state | {"tags": {}}):
                sagemaker.delete_tags(ResourceArn=self._arn(name), TagKeys=["tag"])
        else:
            with self.operation(name, state | {"tags": {"tag": text}}):
                sagemaker.add_tags(ResourceArn=self._arn(name), Tags=tags)


class Jobs(Actor):
    """Training jobs: a job that was seen to end stays so, none runs for ever."""

    ENDED = ("Completed", "Failed", "Stopped")
    # What a job that ran is after a kill.
    CUT_OFF = ENDED

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.number = 0

    def observe(self, name: str) -> Any:
        try:
            found = self.clients("sagemaker").describe_training_job(
                TrainingJobName=name
            )
        except ClientError as error:
            if code_of(error) == "ValidationException":
                return None
            raise
        return {
            "status": found["TrainingJobStatus"],
            "reason": found.get("FailureReason"),
            "created": found["CreationTime"],
            "artifact": found.get("ModelArtifacts"),
            "end": found.get("TrainingEndTime"),
        }

    def check(self) -> list[str]:
        problems = []
        for name in set(self.expected) | set(self.in_flight):
            actual = self.observe(name)
            before = self.expected.get(name)
            if before is None:
                good = actual is None or name in self.in_flight
            elif before["status"] in self.ENDED:
                good = actual == before
            else:
                good = (
                    actual is not None
                    and actual["created"] == before["created"]
                    and actual["status"] in self.CUT_OFF
                )
            if good and actual and actual["status"] == "Completed":
                key = actual["artifact"]["S3ModelArtifacts"].split("/", 3)[3]
                self.clients("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
            if not good:
                problems.append(f"{name} is {actual}, was {before}")
            self.expected[name] = actual
        self.in_flight.clear()
        return problems

    def create(self, name: str) -> None:
        """Start one."""
        create_job(self.clients("sagemaker"), name)

    def step(self) -> None:
        running = [
            name
            for name, state in self.expected.items()
            if state is not None and state["status"] not in self.ENDED
        ]
        if running:
            for name in running:
                with connected():
                    self.expected[name] = self.observe(name)
            return
        self.number += 1
        name = f"{self.label}-job-{self.number}"
        self.in_flight[name] = [ANYTHING]
        with connected():
            self.create(name)
            state = self.observe(name)
        del self.in_flight[name]
        self.expected[name] = state
        self.done += 1


class SpotJobs(Jobs):
    """Training jobs on spot capacity: one that was cut off goes on."""

    CUT_OFF = ("InProgress", "Completed")

    def create(self, name: str) -> None:
        """Start one that takes a while, with checkpoints."""
        limits = {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 600}
        self.clients("sagemaker").create_training_job(
            TrainingJobName=name,
            HyperParameters={"num_round": "200"},
            EnableManagedSpotTraining=True,
            CheckpointConfig={"S3Uri": f"s3://{BUCKET}/checkpoints/{name}"},
            **{**definition("train"), "StoppingCondition": limits},
        )


class TuningJobs(Jobs):
    """Tuning jobs: one that was seen to end stays so, any other goes on; what a
    training job of one has reached is not lost.
    """

    SIZE = 4

    def observe(self, name: str) -> Any:
        sagemaker = self.clients("sagemaker")
        job = {"HyperParameterTuningJobName": name}
        try:
            found = sagemaker.describe_hyper_parameter_tuning_job(**job)
            children = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
                **job, MaxResults=100
            )
        except ClientError as error:
            if code_of(error) == "ResourceNotFound":
                return None
            raise
        reached = {
            one["TrainingJobName"]: one
            for one in children["TrainingJobSummaries"]
            if one["TrainingJobStatus"] in self.ENDED
        }
        return {
            "status": found["HyperParameterTuningJobStatus"],
            "created": found["CreationTime"],
            "counters": found["TrainingJobStatusCounters"],
            "best": found.get("BestTrainingJob"),
            "reached": reached,
        }

    def check(self) -> list[str]:
        problems = []
        for name in set(self.expected) | set(self.in_flight):
            actual = self.observe(name)
            before = self.expected.get(name)
            if before is None:
                good = actual is None or name in self.in_flight
            elif before["status"] in self.ENDED:
                good = actual == before
            else:
                good = (
                    actual is not None
                    and actual["created"] == before["created"]
                    and actual["status"] in ("InProgress", "Completed")
                    and before["reached"].items() <= actual["reached"].items()
                )
            if good and actual and actual["status"] in self.ENDED:
                good = self._is_whole(actual)
            if not good:
                problems.append(f"{name} is {actual}, was {before}")
            self.expected[name] = actual
        self.in_flight.clear()
        return problems

    def _is_whole(self, actual: Any) -> bool:
        """Whether each number was trained to its end, once."""
        numbers = [
            int(name.split("-")[-2])
            for name, one in actual["reached"].items()
            if one["TrainingJobStatus"] == "Completed"
        ]
        return (
            sorted(numbers) == list(range(1, self.SIZE + 1))
            and actual["counters"]["InProgress"] == 0
            and sum(actual["counters"].values()) == len(actual["reached"])
            and actual["best"] in actual["reached"].values()
        )

    def create(self, name: str) -> None:
        """Start one."""
        create_tuning_job(self.clients("sagemaker"), name, self.SIZE)


class Endpoints(Actor):
    """An endpoint: acknowledged, it comes back and serves; deleted, it goes."""

    ROW = b"3,9\n"
    SECONDS = 120

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.number = 0

    def observe(self, name: str) -> Any:
        try:
            found = self.clients("sagemaker").describe_endpoint(EndpointName=name)
        except ClientError as error:
            if code_of(error) == "ValidationException":
                return None
            raise
        return {
            "status": found["EndpointStatus"],
            "configuration": found["EndpointConfigName"],
            "created": found["CreationTime"],
        }

    def _invoke(self, name: str) -> None:
        response = self.clients("sagemaker-runtime").invoke_endpoint(
            EndpointName=name, Body=self.ROW, ContentType="text/csv"
        )
        assert float(response["Body"].read()) >= 0

    def _settled(self, name: str) -> Any:
        deadline = time.monotonic() + self.SECONDS
        while True:
            actual = self.observe(name)
            if actual is None or actual["status"] in ("InService", "Failed"):
                return actual
            assert time.monotonic() < deadline, f"{name} stays {actual['status']}"
            time.sleep(0.05)

    def check(self) -> list[str]:
        problems = []
        for name in set(self.expected) | set(self.in_flight):
            before, actual = self.expected.get(name), self._settled(name)
            if before is None:
                good = actual is None or name in self.in_flight
            elif before["status"] == "Deleting":
                good = actual is None
            elif actual is None:
                good = (
                    name in self.in_flight
                )  # its deletion may have been taken note of
            else:
                good = actual["created"] == before["created"]
            if good and actual is not None:
                good = actual["status"] == "InService"
                self._invoke(name)
            if not good:
                problems.append(f"{name} is {actual}, was {before}")
            self.expected[name] = actual
        self.in_flight.clear()
        return problems

    def step(self) -> None:
        there = [name for name, state in self.expected.items() if state is not None]
        if not there:
            self._create()
            return
        (name,) = there
        with connected():
            state = self.expected[name] = self.observe(name)
        if state is None or state["status"] != "InService":
            return
        with connected():
            self._invoke(name)
        self.done += 1
        chance = self.rng.random()
        if chance < 0.03:
            self._change(name, "delete_endpoint", {})
        elif chance < 0.1:
            other = {"crash-a": "crash-b", "crash-b": "crash-a"}
            configuration = other[state["configuration"]]
            request = {"EndpointConfigName": configuration}
            self._change(name, "update_endpoint", request)

    def _create(self) -> None:
        self.number += 1
        name = f"{self.label}-endpoint-{self.number}"
        self._change(name, "create_endpoint", {"EndpointConfigName": "crash-a"})

    def _change(self, name: str, operation: str, request: dict) -> None:
        self.in_flight[name] = [ANYTHING]
        with connected():
            getattr(self.clients("sagemaker"), operation)(EndpointName=name, **request)
            state = self.observe(name)
        del self.in_flight[name]
        self.expected[name] = state
        self.done += 1


class Functions(Actor):
    """Lambda functions: their code, variable and permissions; each of them runs."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.numbers: dict[str, str] = {}  # by code

    def observe(self, name: str) -> Any:
        client = self.clients("lambda")
        try:
            found = client.get_function_configuration(FunctionName=name)
            number = found["Environment"]["Variables"]["NUMBER"]
            statements: list[str] = []
            with suppress(client.exceptions.ResourceNotFoundException):
                policy = json.loads(client.get_policy(FunctionName=name)["Policy"])
                statements = [one["Sid"] for one in policy["Statement"]]
        except client.exceptions.ResourceNotFoundException:
            return None
        code = found["CodeSha256"]
        return {"code": code, "number": number, "statements": statements}

    def check(self) -> list[str]:
        problems = super().check()
        client = self.clients("lambda")
        for name, state in self.expected.items():
            if state is not None:
                client.get_waiter("function_active_v2").wait(FunctionName=name)
                response = client.invoke(FunctionName=name)
                said = json.loads(response["Payload"].read())
                if said != [state["number"], self.numbers[state["code"]]]:
                    problems.append(f"{name} says {said}, and is {state}")
        return problems

    def step(self) -> None:
        client = self.clients("lambda")
        name = f"{self.label}-{self.rng.randrange(3)}"
        state = self.expected.get(name)
        number = str(self.rng.randrange(1000))
        variables = {"Variables": {"NUMBER": number}}
        content, code = self._code(number)
        if state is None:
            after = {"code": code, "number": number, "statements": []}
            with self.operation(name, after):
                client.create_function(
                    FunctionName=name,
                    Runtime="python3.12",
                    Role=f"arn:aws:iam::{ACCOUNT_ID}:role/{LAMBDA_ROLE}",
                    Handler="code.handle",
                    Code={"ZipFile": content},
                    Environment=variables,
                )
            return
        with connected():
            client.get_waiter("function_active_v2").wait(FunctionName=name)
        match self.rng.randrange(4):
            case 0:
                with self.operation(name, None):
                    client.delete_function(FunctionName=name)
            case 1:
                with self.operation(name, state | {"code": code}):
                    client.update_function_code(FunctionName=name, ZipFile=content)
            case 2:
                with self.operation(name, state | {"number": number}):
                    client.update_function_configuration(
                        FunctionName=name, Environment=variables
                    )
            case 3 if number not in state["statements"]:
                after = state | {"statements": [*state["statements"], number]}
                with self.operation(name, after):
                    client.add_permission(
                        FunctionName=name,
                        StatementId=number,
                        Action="lambda:InvokeFunction",
                        Principal="apigateway.amazonaws.com",
                    )

    def _code(self, number: str) -> tuple[bytes, str]:
        """A zip, and its hash as Lambda shows it; the function says these numbers."""
        text = (
            "import os\n\n\ndef handle(event, context):\n"
            f"    return os.environ['NUMBER'], '{number}'\n"
        )
        content = zip_of({"code.py": text})
        code = base64.b64encode(hashlib.sha256(content).digest()).decode()
        self.numbers[code] = number
        return content, code


class HttpApis(Actor):
    """HTTP APIs: their routes, origins and deployments; each of them is served."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.ids: dict[str, str] = {}

    def _find(self, name: str) -> dict | None:
        """The API of this name; after a kill nobody else may know its id."""
        apis = self.clients("apigatewayv2").get_apis()["Items"]
        found = [api for api in apis if api["Name"] == name]
        assert len(found) < 2, found
        if found:
            self.ids[name] = found[0]["ApiId"]
        return found[0] if found else None

    def observe(self, name: str) -> Any:
        found = self._find(name)
        if found is None:
            return None
        client, api_id = self.clients("apigatewayv2"), found["ApiId"]
        routes = client.get_routes(ApiId=api_id)["Items"]
        deployments = client.get_deployments(ApiId=api_id)["Items"]
        return {
            "routes": sorted(route["RouteKey"] for route in routes),
            "origins": found.get("CorsConfiguration", {}).get("AllowOrigins"),
            "deployments": sorted(one["Description"] for one in deployments),
        }

    def check(self) -> list[str]:
        problems = super().check()
        for name, state in self.expected.items():
            if state is not None:
                address = f"{self._find(name)['ApiEndpoint']}/nowhere"
                try:
                    urllib.request.urlopen(address, timeout=30)
                except urllib.error.HTTPError as error:
                    if error.code == 404 and error.headers["apigw-requestid"]:
                        continue
                problems.append(f"{name} is not served")
        return problems

    def step(self) -> None:
        client = self.clients("apigatewayv2")
        name = f"{self.label}-{self.rng.randrange(3)}"
        state = self.expected.get(name)
        number = str(self.rng.randrange(1000))
        if state is None:
            after = {"routes": [], "origins": None, "deployments": []}
            with self.operation(name, after):
                made = client.create_api(Name=name, ProtocolType="HTTP")
                self.ids[name] = made["ApiId"]
            return
        api_id = self.ids[name]
        match self.rng.randrange(4):
            case 0:
                with self.operation(name, None):
                    client.delete_api(ApiId=api_id)
            case 1 if f"GET /{number}" not in state["routes"]:
                routes = sorted([*state["routes"], f"GET /{number}"])
                with self.operation(name, state | {"routes": routes}):
                    client.create_route(ApiId=api_id, RouteKey=f"GET /{number}")
            case 2:
                origins = [f"https://{number}.example"]
                with self.operation(name, state | {"origins": origins}):
                    client.update_api(
                        ApiId=api_id, CorsConfiguration={"AllowOrigins": origins}
                    )
            case 3 if state["routes"]:
                made = sorted([*state["deployments"], number])
                with self.operation(name, state | {"deployments": made}):
                    client.create_deployment(ApiId=api_id, Description=number)


ACTORS = (
    Objects,
    Versions,
    Uploads,
    Roles,
    LogLines,
    Metrics,
    Models,
    Budgets,
    Functions,
    HttpApis,
    Jobs,
    SpotJobs,
    TuningJobs,
    Endpoints,
)
