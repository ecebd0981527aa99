"""S3 addresses as SageMaker takes them, and names in a channel."""

import io

import pytest

from local_aws.runtime.s3_objects import download, join_uri, split_uri


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("s3://bucket/a/b.csv", ("bucket", "a/b.csv")),
        ("s3://bucket", ("bucket", "")),
        ("s3://bucket/a?b#c", ("bucket", "a?b#c")),
        ("https://bucket.s3.amazonaws.com/a/b", ("bucket", "a/b")),
        ("https://bucket.s3.eu-west-1.amazonaws.com/a", ("bucket", "a")),
        ("https://bucket.s3-eu-west-1.amazonaws.com/a%20b", ("bucket", "a b")),
        (
            "https://my.bucket.s3.dualstack.us-east-1.amazonaws.com/a",
            ("my.bucket", "a"),
        ),
        ("https://s3.us-east-1.amazonaws.com/bucket/a/b", ("bucket", "a/b")),
        ("https://s3.amazonaws.com/bucket/a", ("bucket", "a")),
    ],
)
def test_bucket_and_key(uri, parts):
    assert split_uri(uri) == parts


@pytest.mark.parametrize(
    "uri",
    ["", "bucket/key", "s3://", "s3:///key", "https://example.com/b/k", "file:///etc"],
)
def test_what_is_no_address_in_s3(uri):
    with pytest.raises(ValueError, match="is not of the form s3://bucket/key"):
        split_uri(uri)


@pytest.mark.parametrize(
    ("folder", "key"),
    [("s3://b/out", "out/x"), ("s3://b/out/", "out/x"), ("s3://b", "x")],
)
def test_an_object_in_a_folder(folder, key):
    assert join_uri(folder, "x") == ("b", key)


class S3:
    """Objects that can be read."""

    def __init__(self, objects):
        self.objects = objects

    def get_object(self, Bucket, Key):
        return {"Body": io.BytesIO(self.objects[Key])}


@pytest.mark.parametrize("name", ["海" * 84, "海" * 85, "x" * 255, "empty"])
def test_a_name_as_long_as_a_file_can_have_is_downloaded(tmp_path, name):
    content = b"" if name == "empty" else b"1,2\n" * 300_000
    download(S3({f"a/{name}": content}), "b", [(f"a/{name}", f"c/{name}")], tmp_path)
    assert (tmp_path / "c" / name).read_bytes() == content


def test_a_longer_name_is_refused(tmp_path):
    with pytest.raises(ValueError, match="can't be a file name"):
        download(S3({}), "b", [("海" * 86, "海" * 86)], tmp_path)


@pytest.mark.parametrize("order", [["a/b", "a"], ["a", "a/b"]])
def test_a_name_that_is_a_file_and_a_folder(tmp_path, order):
    with pytest.raises(ValueError, match="both a file and a folder"):
        download(S3({"a": b"", "a/b": b""}), "b", [(k, k) for k in order], tmp_path)
