"""Where moto's private parts are replaced or used; for CloudWatch see metric_times.

moto can't be told where its bytes are to live, and does not tell what has changed. All
of this may have to be looked at again when moto, which is pinned, is updated.
"""

import csv
import io
import json
import logging
import re
import zlib
from collections.abc import Callable
from itertools import count
from typing import Any

import moto.logs.models as logs_models
import py_partiql_parser
from moto.s3 import models, responses
from moto.s3.models import FakeKey

from local_aws import errors
from local_aws.errors import AwsError, StorageError
from local_aws.installation import ACCOUNT_ID
from local_aws.persistence.blobs import BlobStore
from local_aws.persistence.logs_models import LazyLogStream
from local_aws.persistence.s3_models import (
    BlobKey,
    BlobMultipart,
    DirtyKeyStore,
    compute_checksum,
    encoded_checksum,
)

log = logging.getLogger(__name__)

_moto_copy_object = models.S3Backend.copy_object
_moto_select_object_content = models.S3Backend.select_object_content
_moto_tagging_from_xml = responses.S3Response._tagging_from_xml


def patch_s3(blobs: BlobStore) -> None:
    """Let moto's S3 put its bytes into `blobs`; its operations stay what they are."""
    # Where those classes find it.
    models.s3_backends[ACCOUNT_ID]["aws"].blobs = blobs
    # moto has the bytes of all objects in memory or in temporary files.
    models.FakeKey = BlobKey
    # It joins the parts of an upload in memory.
    models.FakeMultipart = BlobMultipart
    # It does not tell which objects a request changed.
    models._VersionedKeyStore = DirtyKeyStore
    # See the docstrings of these.
    models.S3Backend.copy_object = _copy_object
    models.S3Backend.select_object_content = _select_object_content
    py_partiql_parser.csv_to_json = _csv_to_json
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


def _select_object_content(
    self: models.S3Backend, bucket: str, key: str, *arguments: Any
) -> Any:
    """Select unpacks and decodes an object, and so needs real bytes.

    moto's parser fails with whatever Python raises, or finds nothing in what is no
    JSON. Codes: S3 API Reference, "List of SELECT Object Content Error Codes".
    """
    found = self.get_object(bucket, key)
    if found is None:
        return _moto_select_object_content(self, bucket, key, *arguments)
    found.reads_bytes = True
    try:
        results, scanned = _moto_select_object_content(self, bucket, key, *arguments)
    except StorageError:
        raise
    except UnicodeDecodeError:
        text = "Invalid encoding type. Only UTF-8 encoding is supported."
        raise AwsError("InvalidTextEncoding", text) from None
    except (OSError, EOFError, zlib.error):
        text = "The file is not in a supported compression format."
        raise AwsError("InvalidCompressionFormat", text) from None
    except Exception as error:  # noqa: BLE001 - it is told, and that it is moto's
        log.warning("s3: SelectObjectContent failed in moto: %r", error)
        raise errors.not_built("s3", "SelectObjectContent like this") from None
    finally:
        del found.reads_bytes
    if found.size and not scanned:
        raise errors.not_built("s3", "SelectObjectContent of such an object")
    return results, scanned


def _csv_to_json(text: str, has_header: bool = False) -> str:
    """CSV as lines of JSON; moto's own knows neither quotes nor the last line's end."""
    rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    names = rows.pop(0) if has_header and rows else None
    lines = (zip(names or map("_{}".format, count(1)), row) for row in rows)  # noqa: B905
    return "\n".join(json.dumps(dict(line)) for line in lines)
