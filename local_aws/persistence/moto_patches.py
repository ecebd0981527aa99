"""Where moto's private parts are replaced or used; for CloudWatch see metric_times.

moto can't be told where its bytes are to live, and does not tell what has changed. All
of this may have to be looked at again when moto, which is pinned, is updated.
"""

import re
from collections.abc import Callable
from typing import Any

import moto.logs.models as logs_models
from moto.s3 import models, responses
from moto.s3.models import FakeKey

from local_aws.installation import ACCOUNT_ID
from local_aws.persistence.blobs import BlobStore
from local_aws.persistence.logs_models import LazyLogStream
from local_aws.persistence.s3_models import (
    BlobKey,
    BlobMultipart,
    DirtyKeyStore,
    NewBucket,
    compute_checksum,
    encoded_checksum,
)

_moto_copy_object = models.S3Backend.copy_object
_moto_tagging_from_xml = responses.S3Response._tagging_from_xml


def patch_s3(blobs: BlobStore) -> None:
    """Let moto's S3 put its bytes into `blobs`; its operations stay what they are."""
    # Where those classes find it.
    models.s3_backends[ACCOUNT_ID]["aws"].blobs = blobs
    # moto has the bytes of all objects in memory or in temporary files.
    models.FakeKey = BlobKey
    # It makes buckets as S3 did until 2023.
    models.FakeBucket = NewBucket
    # It joins the parts of an upload in memory.
    models.FakeMultipart = BlobMultipart
    # It does not tell which objects a request changed.
    models._VersionedKeyStore = DirtyKeyStore
    # See the docstrings of these.
    models.S3Backend.copy_object = _copy_object
    responses.S3Response._tagging_from_xml = _tagging_from_xml
    # A copy's checksum is computed from the content, which is not bytes.
    responses.compute_checksum = compute_checksum


def patch_logs(next_event: int) -> None:
    """Let moto's log streams read their events late; number new ones from here."""
    logs_models.LogStream = LazyLogStream
    # The ids of events are counted in the class.
    logs_models.LogEvent._event_id = next_event


def patch_log_filter(matcher: Callable[[str], Callable[[str], bool]]) -> None:
    """Let `matcher` read filter patterns; moto takes those it does not know for all."""

    class EventMessageFilter:
        def __init__(self, pattern: str | None) -> None:
            self.matches = matcher(pattern or "")

    logs_models.EventMessageFilter = EventMessageFilter


def forget_log_events() -> None:
    """moto's models remember every instance; log events can be very many."""
    logs_models.LogEvent.instances_tracked.clear()


def _copy_object(
    self: models.S3Backend, src_key: FakeKey, bucket: str, key: str, **options: Any
) -> None:
    """A copy has its source's tags only, and a checksum of the whole.

    moto adds the tags to those of the object that is overwritten, and keeps the
    checksum of the source's parts.
    """
    tags = self.tagger.get_tag_dict_for_resource(src_key.arn)
    _moto_copy_object(self, src_key, bucket, key, **options)
    copied = self.get_bucket(bucket).keys[key]
    self.tagger.tags[copied.arn] = tags
    if src_key.checksum_type == "COMPOSITE" and copied.checksum_algorithm:
        copied.checksum_value = encoded_checksum(
            copied.content.pieces(), copied.checksum_algorithm
        )
        copied.checksum_type = "FULL_OBJECT"


def _tagging_from_xml(self: responses.S3Response) -> dict[str, str]:
    """No tags at all are none, which moto fails at."""
    body = self.body if isinstance(self.body, bytes) else self.body.encode()
    return _moto_tagging_from_xml(self) if re.search(rb"<Tag[\s>]", body) else {}
