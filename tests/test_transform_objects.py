"""How a transform job calls its container: again after a fault of its own."""

import io

import pytest
from botocore.exceptions import ClientError

from local_aws.access.policy_evaluation import Policy
from local_aws.access.roles import Role
from local_aws.jobs.batches import FileFailed, cut
from local_aws.jobs.job import Job, JobStopped
from local_aws.jobs.kinds import KINDS
from local_aws.jobs.transform_objects import NO_PROCESSING, ObjectTransformer
from local_aws.runtime.container_client import ConnectionLost, NotReached, Response

TRANSFORM = KINDS["transform-job"]
LIMITS = {
    "MaxConcurrentTransforms": 1,
    "BatchStrategy": "MultiRecord",
    "MaxPayloadInMB": 6,
}


class FakeS3:
    """One object to read; what is written is remembered."""

    def __init__(self):
        self.written = {}

    def get_object(self, Bucket, Key):
        return {"Body": io.BytesIO(b"1,2\n3,4\n")}

    def upload_file(self, file, bucket, key, Config):
        with open(file, "rb") as content:
            self.written[f"{bucket}/{key}"] = content.read()


class FakeClients:
    def __init__(self, *actions):
        self._s3 = FakeS3()
        allowed = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        self._role = Role({}, [Policy("s3", {"Statement": allowed})])

    def s3(self, region):
        return self._s3

    def find_role(self, arn):
        return self._role


class FakeServer:
    """A container that responds with these, one after the other."""

    def __init__(self, *responses):
        self._responses = list(responses)
        self.bodies = []

    def invoke(self, body, headers, timeout):
        self.bodies.append(body)
        response = self._responses[len(self.bodies) - 1]
        if callable(response):
            response = response()
        if isinstance(response, Exception):
            raise response
        return response


def make_job(tmp_path, *actions):
    clients = FakeClients(*(actions or ["s3:*"]))
    return Job(TRANSFORM, "us-east-1", "a-job", None, clients, tmp_path, None)


def transform(job, server, **changes):
    record = {
        "TransformInput": {"SplitType": "Line", "CompressionType": "None"},
        "TransformOutput": {"S3OutputPath": "s3://b/out", "AssembleWith": "None"},
        "DataProcessing": NO_PROCESSING,
        "_model": {"role": "arn:aws:iam::123456789012:role/r"},
        **changes,
    }
    ObjectTransformer(job, record, LIMITS).transform(server, "b", "in/a.csv", "a.csv")
    return job.clients.s3("us-east-1").written


DONE = Response(200, {}, b"0.5\n0.6\n")
FAULT = Response(503, {}, b"busy")


@pytest.mark.parametrize(
    "fault", [FAULT, NotReached("gone"), ConnectionLost("closed"), TimeoutError()]
)
def test_a_fault_of_the_container_is_tried_again(tmp_path, fault):
    server = FakeServer(fault, fault, fault, DONE)
    assert transform(make_job(tmp_path), server) == {"b/out/a.csv.out": b"0.5\n0.6\n"}
    assert server.bodies == [b"1,2\n3,4\n"] * 4
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("limit", "bodies"),
    [(9, [b"1\n2\n3"]), (5, [b"1\n2\n", b"3"]), (3, [b"1\n", b"2\n", b"3"])],
    ids=str,
)
def test_a_last_record_without_a_line_end_travels_with_the_others(limit, bodies):
    assert [*cut(io.BytesIO(b"1\n2\n3"), "Line", "MultiRecord", limit)] == bodies


def test_so_often_as_the_request_allows(tmp_path):
    server = FakeServer(FAULT, FAULT, DONE)
    with pytest.raises(FileFailed) as caught:
        transform(
            make_job(tmp_path), server, ModelClientConfig={"InvocationsMaxRetries": 1}
        )
    assert caught.value.fault == "AlgorithmError"
    assert caught.value.lines == ["Bad HTTP status received from algorithm: 503"]
    assert len(server.bodies) == 2


def test_what_the_container_refuses_is_not_tried_again(tmp_path):
    server = FakeServer(Response(415, {}, b"no such type\nat all"), DONE)
    with pytest.raises(FileFailed) as caught:
        transform(make_job(tmp_path), server)
    assert caught.value.fault == "ClientError"
    assert caught.value.lines == [
        "ClientError: 415",
        "",
        "Message:",
        "no such type",
        "at all",
    ]
    assert len(server.bodies) == 1


def test_an_object_that_has_been_deleted_fails_alone(tmp_path, monkeypatch):
    def deleted(self, Bucket, Key):
        raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")

    monkeypatch.setattr(FakeS3, "get_object", deleted)
    with pytest.raises(FileFailed) as caught:
        transform(make_job(tmp_path), FakeServer(DONE))
    assert caught.value.fault == "ClientError"
    assert "NoSuchKey" in caught.value.lines[0]
    assert list(tmp_path.iterdir()) == []


def test_a_job_that_is_to_stop_tries_nothing_again(tmp_path):
    job = make_job(tmp_path)

    def killed():
        job.end_by(JobStopped)
        return ConnectionLost("closed")

    server = FakeServer(killed, DONE)
    with pytest.raises(JobStopped):
        transform(job, server)
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    ("allowed", "denied"),
    [("s3:GetObject", "s3:PutObject"), ("s3:PutObject", "s3:GetObject")],
)
def test_the_role_is_asked_for_each_object(tmp_path, allowed, denied):
    with pytest.raises(FileFailed) as caught:
        transform(make_job(tmp_path, allowed), FakeServer(DONE))
    assert f"perform: {denied} on" in caught.value.lines[0]
