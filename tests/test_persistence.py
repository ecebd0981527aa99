"""What was acknowledged is there after kill -9, as it was."""

import fcntl
import gc
import importlib.metadata
import io
import os
import pickle
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from conftest import StandIn, start_stand_in
from filling import (
    MEGABYTE,
    fill_budgets,
    fill_iam,
    fill_logs,
    fill_metrics,
    fill_s3,
    killed_and_started,
)
from observation import (
    observe_budgets,
    observe_iam,
    observe_logs,
    observe_metrics,
    observe_object,
    observe_s3,
    response_of,
)

from local_aws.errors import StorageError
from local_aws.installation import CHECKOUT, ROLE_NAME
from local_aws.persistence import MOTO_DATABASE, pickles
from local_aws.persistence.blobs import LARGEST_INLINE, Blob, BlobStore, Content
from local_aws.persistence.database import StateFileError
from local_aws.persistence.moto_database import open_moto_database
from local_aws.persistence.resources import Resources


@pytest.fixture
def own(home) -> StandIn:
    return start_stand_in(home)


def test_everything_is_as_it_was(own) -> None:
    since = datetime.now(UTC)
    fill_s3(own.client("s3"))
    fill_iam(own.client("iam"))
    fill_logs(own.client("logs"))
    fill_logs(own.client("logs", "eu-west-1"))
    fill_metrics(own.client("cloudwatch"))
    fill_budgets(own.client("budgets"))

    def observe(stand_in: StandIn) -> dict:
        return {
            "s3": observe_s3(stand_in.client("s3")),
            "iam": observe_iam(stand_in.client("iam")),
            "logs": observe_logs(stand_in.client("logs")),
            "logs west": observe_logs(stand_in.client("logs", "eu-west-1")),
            "metrics": observe_metrics(stand_in.client("cloudwatch"), since),
            "budgets": observe_budgets(stand_in.client("budgets")),
            "caller": response_of(stand_in.client("sts").get_caller_identity),
        }

    before = observe(own)
    for _ in range(2):
        own = killed_and_started(own)
        after = observe(own)
        for service, seen in before.items():
            for part in seen:
                assert after[service][part] == seen[part], (service, part)
            assert after[service].keys() == seen.keys()
    versions = after["s3"]["versioned-bucket"]["versions"]
    assert (len(versions["Versions"]), len(versions["DeleteMarkers"])) == (5, 3)
    role = after["iam"]["role", ROLE_NAME]["Role"]
    caller = after["caller"]["UserId"]
    assert caller.startswith(role["RoleId"])
    own.process.kill()


def test_what_is_rare_is_persisted_too(own) -> None:
    """Kinds of entities that have classes of their own in moto."""
    logs, iam = own.client("logs"), own.client("iam")
    cloudwatch = own.client("cloudwatch")
    role = "arn:aws:iam::123456789012:role/own"
    logs.put_destination(
        destinationName="own",
        targetArn="arn:aws:kinesis:us-east-1:123456789012:stream/own",
        roleArn=role,
    )
    logs.put_resource_policy(policyName="own", policyDocument="{}")
    iam.create_saml_provider(Name="own", SAMLMetadataDocument="a" * 1024)
    iam.update_account_password_policy(MinimumPasswordLength=8)
    iam.create_virtual_mfa_device(VirtualMFADeviceName="own")
    iam.upload_server_certificate(
        ServerCertificateName="own", CertificateBody="body", PrivateKey="key"
    )
    metric = {"Namespace": "Own", "MetricName": "rmse"}
    statistic = {"Metric": metric, "Period": 60, "Stat": "Sum"}
    cloudwatch.put_metric_alarm(
        AlarmName="own",
        ComparisonOperator="GreaterThanThreshold",
        EvaluationPeriods=1,
        Threshold=1,
        Metrics=[{"Id": "m", "MetricStat": statistic}],
    )
    rule = {"RuleName": "own", "RuleState": "ENABLED", "RuleDefinition": "{}"}
    cloudwatch.put_insight_rule(**rule)

    def observe(own: StandIn) -> list:
        logs, iam = own.client("logs"), own.client("iam")
        cloudwatch = own.client("cloudwatch")
        return [
            response_of(logs.describe_destinations),
            response_of(logs.describe_resource_policies),
            response_of(iam.list_saml_providers),
            response_of(iam.get_account_password_policy),
            response_of(iam.list_virtual_mfa_devices),
            response_of(iam.list_server_certificates),
            response_of(cloudwatch.describe_alarms),
            response_of(cloudwatch.describe_insight_rules),
        ]

    before = observe(own)
    assert all(isinstance(seen, dict) for seen in before)  # none is an error
    own = killed_and_started(own)
    assert observe(own) == before
    own.process.kill()


def test_life_goes_on_after_a_restart(own) -> None:
    """Uploads, versions, tags and streams that began before end after it."""
    s3 = own.client("s3")
    s3.create_bucket(Bucket="bucket")
    enabled = {"Status": "Enabled"}
    s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration=enabled)
    first = s3.put_object(Bucket="bucket", Key="key", Body=b"1")["VersionId"]
    upload = s3.create_multipart_upload(
        Bucket="bucket", Key="parts", Metadata={"a": "b"}, Tagging="t=1"
    )["UploadId"]
    where = {"Bucket": "bucket", "Key": "parts", "UploadId": upload}
    bodies = [os.urandom(5 * MEGABYTE), os.urandom(5 * MEGABYTE), b"end"]
    old = s3.upload_part(**where, PartNumber=1, Body=b"replaced")
    parts = []
    logs = own.client("logs")
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    now = int(time.time() * 1000)
    for number, body in enumerate(bodies, 1):
        tag = s3.upload_part(**where, PartNumber=number, Body=body)["ETag"]
        parts.append({"PartNumber": number, "ETag": tag})
        events = [{"timestamp": now + number, "message": f"line {number}"}]
        logs.put_log_events(logGroupName="g", logStreamName="s", logEvents=events)
        if number < 3:
            own = killed_and_started(own)
            s3, logs = own.client("s3"), own.client("logs")
    assert old["ETag"] != parts[0]["ETag"]
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    second = s3.put_object(Bucket="bucket", Key="key", Body=b"2")["VersionId"]
    s3.delete_object(Bucket="bucket", Key="key", VersionId=first)
    marker = s3.delete_object(Bucket="bucket", Key="key")["VersionId"]
    own = killed_and_started(own)
    s3, logs = own.client("s3"), own.client("logs")
    found = s3.get_object(Bucket="bucket", Key="parts")
    assert found["Body"].read() == b"".join(bodies)
    assert found["ETag"].endswith('-3"')
    assert found["Metadata"] == {"a": "b"}
    assert found["TagCount"] == 1
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="bucket")
    s3.delete_object(Bucket="bucket", Key="key", VersionId=marker)
    assert s3.head_object(Bucket="bucket", Key="key")["VersionId"] == second
    listed = logs.get_log_events(
        logGroupName="g", logStreamName="s", startFromHead=True
    )["events"]
    assert [event["message"] for event in listed] == ["line 1", "line 2", "line 3"]
    # The same upload once more is no error (S3 User Guide: completing is idempotent).
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    files = set(os.listdir(own.home / "s3"))
    assert len(files) == 2  # the two large parts
    own.process.kill()


def test_files_without_an_object_are_swept(own) -> None:
    s3 = own.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="key", Body=os.urandom(200_000))
    folder = own.home / "s3"
    kept = set(os.listdir(folder))
    (folder / "orphan").write_bytes(b"x")
    own = killed_and_started(own)
    s3 = own.client("s3")
    assert len(s3.get_object(Bucket="bucket", Key="key")["Body"].read()) == 200_000
    assert set(os.listdir(folder)) == kept
    # A name tells nothing of the key, and nobody else may read it.
    [path] = folder.iterdir()
    assert "key" not in path.name
    assert path.stat().st_mode & 0o077 == 0
    s3.put_object(Bucket="bucket", Key="key", Body=os.urandom(200_000))
    assert set(os.listdir(folder)).isdisjoint(kept)
    s3.delete_object(Bucket="bucket", Key="key")
    assert os.listdir(folder) == []
    own.process.kill()


def test_an_object_that_is_overwritten_while_it_is_read(stand_in, bucket) -> None:
    s3 = stand_in.client("s3")
    body = os.urandom(32 * MEGABYTE)
    s3.put_object(Bucket=bucket, Key="key", Body=body)
    reading = s3.get_object(Bucket=bucket, Key="key")["Body"]
    begin = reading.read(1000)
    s3.put_object(Bucket=bucket, Key="key", Body=b"new")
    s3.delete_object(Bucket=bucket, Key="key")
    assert begin + reading.read() == body


def test_copies_share_bytes_and_outlive_each_other(stand_in, bucket) -> None:
    s3 = stand_in.client("s3")
    folder = stand_in.home / "s3"
    before = set(os.listdir(folder))
    body = os.urandom(200_000)
    s3.put_object(Bucket=bucket, Key="0", Body=body)
    for number in range(3):
        source = {"Bucket": bucket, "Key": str(number)}
        s3.copy_object(Bucket=bucket, Key=str(number + 1), CopySource=source)
        assert len(set(os.listdir(folder)) - before) == 1
        s3.delete_object(**source)
    assert s3.get_object(Bucket=bucket, Key="3")["Body"].read() == body
    # A copy onto itself, and a range of it as a part.
    where = {"Bucket": bucket, "Key": "3"}
    s3.copy_object(**where, CopySource=where, MetadataDirective="REPLACE")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="p")["UploadId"]
    target = {"Bucket": bucket, "Key": "p", "UploadId": upload}
    tag = s3.upload_part_copy(
        **target, PartNumber=1, CopySource=where, CopySourceRange="bytes=100-150099"
    )["CopyPartResult"]["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": tag}]}
    s3.complete_multipart_upload(**target, MultipartUpload=parts)
    assert s3.get_object(Bucket=bucket, Key="p")["Body"].read() == body[100:150100]
    s3.delete_object(**where)
    s3.delete_object(Bucket=bucket, Key="p")
    assert set(os.listdir(folder)) == before


def test_a_refused_request_changes_nothing(stand_in, bucket) -> None:
    """moto stores an object before it finds its tags wrong."""
    s3 = stand_in.client("s3")
    s3.put_object(Bucket=bucket, Key="key", Body=b"old")
    files = set(os.listdir(stand_in.home / "s3"))
    before = observe_object(s3, bucket, "key")
    for size in (10, 200_000):
        with pytest.raises(ClientError, match="InvalidTag"):
            s3.put_object(
                Bucket=bucket, Key="key", Body=os.urandom(size), Tagging="aws:x=1"
            )
    with pytest.raises(ClientError, match="NoSuchBucket"):
        s3.put_object(Bucket="no-such", Key="key", Body=os.urandom(200_000))
    assert observe_object(s3, bucket, "key") == before
    assert set(os.listdir(stand_in.home / "s3")) == files


def test_ranges_of_parts(stand_in, bucket) -> None:
    s3 = stand_in.client("s3")
    body = os.urandom(18 * MEGABYTE)
    s3.upload_fileobj(io.BytesIO(body), bucket, "parts")
    size = len(body)
    for start, stop in ((0, 1), (8 * MEGABYTE - 1, 8 * MEGABYTE + 1), (5, size)):
        wanted = f"bytes={start}-{stop - 1}"
        found = s3.get_object(Bucket=bucket, Key="parts", Range=wanted)
        assert found["Body"].read() == body[start:stop]
    found = s3.get_object(Bucket=bucket, Key="parts", Range="bytes=-7")
    assert found["Body"].read() == body[-7:]


# Waiting for the disk


@pytest.mark.parametrize("open_file", [Resources, open_moto_database])
def test_commits_reach_the_medium(tmp_path, monkeypatch, open_file) -> None:
    """fullfsync is for macOS only, where fsync leaves data in the drive's cache."""
    connections = []
    connect = sqlite3.connect

    def remember(*arguments, **options):
        connections.append(connect(*arguments, **options))
        return connections[-1]

    monkeypatch.setattr(sqlite3, "connect", remember)
    file = open_file(tmp_path / "file.sqlite")
    (connection,) = connections
    full = 2
    for pragma, wanted in (("synchronous", full), ("fullfsync", 1)):
        assert connection.execute(f"PRAGMA {pragma}").fetchone() == (wanted,)
    file.close()


def test_files_of_objects_reach_the_medium_on_macos(tmp_path, monkeypatch) -> None:
    synced = []
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(
        fcntl,
        "fcntl",
        lambda descriptor, command: synced.append(
            (os.fstat(descriptor).st_ino, command)
        ),
    )
    database = open_moto_database(tmp_path / MOTO_DATABASE)
    blobs = BlobStore(tmp_path, database)
    size = LARGEST_INLINE + 1
    blob = blobs.make([bytes(size)], size)
    blobs.sync([blob])
    database.close()
    file, folder = tmp_path / blob.name, tmp_path
    assert synced == [(file.stat().st_ino, 51), (folder.stat().st_ino, 51)]


def test_an_object_of_which_a_part_is_gone_does_not_keep_its_files(tmp_path) -> None:
    database = open_moto_database(tmp_path / MOTO_DATABASE)
    blobs = BlobStore(tmp_path, database)
    size = LARGEST_INLINE + 1
    large, gone = blobs.make([bytes(size)], size), Blob("gone", 5, True, "")
    with pytest.raises(StorageError, match="0 are left"):
        list(Content(blobs, [large, gone]))
    gc.collect()  # what the error still refers to
    blobs.remove([large.name])
    assert not (tmp_path / large.name).exists()
    database.close()


# State files that can't be used


def spoil_header(path: Path) -> None:
    path.write_bytes(b"this is no database" * 1000)


def spoil_middle(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)


def make_newer(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")


def replace_by_a_foreign_one(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (name TEXT)")


def replace_by_a_foreign_one_with_a_version(path: Path) -> None:
    replace_by_a_foreign_one(path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=1")


def pretend_other_moto(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE about SET value='1.2.3' WHERE name='moto'")


SPOILED = [
    (spoil_header, "can't be read"),
    (spoil_middle, "can't be read"),
    (make_newer, "version 99"),
    (replace_by_a_foreign_one, "something else"),
    (replace_by_a_foreign_one_with_a_version, "something else"),
]


@pytest.mark.parametrize(
    ("open_file", "spoil", "reason"),
    [
        *((open_moto_database, *case) for case in SPOILED),
        *((Resources, *case) for case in SPOILED),
        (open_moto_database, pretend_other_moto, "moto==1.2.3"),
    ],
)
def test_a_file_that_can_not_be_used_stays_as_it_is(
    tmp_path, open_file, spoil, reason
) -> None:
    path = tmp_path / "file.sqlite"
    open_file(path).close()
    with sqlite3.connect(path) as connection:
        table = "blobs" if open_file is open_moto_database else "tags"
        connection.executemany(
            f"INSERT INTO {table} VALUES (?, 1, ?)",
            [(str(number), b"x" * 1000) for number in range(100)],
        )
    connection.close()
    spoil(path)
    before = path.read_bytes()
    with pytest.raises(StateFileError, match=reason) as caught:
        open_file(path)
    assert "`make reset`" in str(caught.value)
    assert path.read_bytes() == before


def test_the_version_of_moto_is_pinned() -> None:
    """Another one would refuse what this one has written."""
    lines = (CHECKOUT / "requirements.txt").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("moto["))
    assert line.partition("==")[2] == importlib.metadata.version("moto")


def test_pickles_hold_only_what_is_expected() -> None:
    with pytest.raises(StorageError):
        pickles.dump({"a": Path("x")})
    for value in (os.system, Path("x"), subprocess.Popen):
        with pytest.raises(StateFileError):
            pickles.load(pickle.dumps(value))
    with pytest.raises(StateFileError):
        pickles.load(b"")
    value = {"a": [datetime.now(UTC), {1, 2}, b"x", None]}
    assert pickles.load(pickles.dump(value)) == value


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("moto.s3.models", "os.system"),
        ("moto.s3.models", "threading.Thread"),
        ("moto.s3.models", "tempfile.SpooledTemporaryFile"),
        ("moto.s3.models", "BytesIO"),
        ("moto.server", "Thread"),
        ("local_aws.persistence.database", "Database"),
    ],
)
def test_pickles_can_not_reach_through_a_module(module, name) -> None:
    """A class that a module of moto merely imports is none of moto's."""
    record = b"\x80\x05"
    for text in (module, name):
        record += b"\x8c" + bytes([len(text)]) + text.encode()
    with pytest.raises(StateFileError, match="is not expected here"):
        pickles.load(record + b"\x93.")  # STACK_GLOBAL
