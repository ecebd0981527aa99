"""S3 addresses as SageMaker takes them, and names in a channel."""

import pytest

from local_aws.runtime.s3_objects import join_uri, split_uri


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
