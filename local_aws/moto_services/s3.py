"""S3: what moto would misunderstand, and large objects taken ahead of it."""

import logging
import re
from collections.abc import Callable
from datetime import UTC
from email.utils import format_datetime, parsedate_to_datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote

from local_aws.errors import AwsError, StorageError
from local_aws.installation import ACCOUNT_ID
from local_aws.messages import Head, Request, Response
from local_aws.moto_services import buckets, s3_documents
from local_aws.moto_services.service import MotoService
from local_aws.persistence.blobs import Content
from local_aws.services import S3 as S3_SERVICE

log = logging.getLogger(__name__)

# Where an upload that was taken ahead waits in the WSGI environment.
UPLOAD = "local_aws.upload"
# What a signed POST can ask of S3 (query names: botocore s3 model).
POSTS = {"delete", "restore", "uploadId", "uploads"}
# Parts of S3 that moto does not know. It would take a request for one of them for a
# plain GET, PUT or DELETE of the bucket or object (query names: botocore s3 model).
NOT_BUILT = {
    "abac",
    "analytics",
    "annotation",
    "intelligent-tiering",
    "metadataAnnotationTable",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "metrics",
    "renameObject",
    "requestPayment",
    "select",
    "session",
    "torrent",
}

# What is asked of an object, or of one version, that there is.
OF_OBJECTS = {
    "acl",
    "attributes",
    "encryption",
    "legal-hold",
    "restore",
    "retention",
    "tagging",
}
ACL_HEADERS = ("x-amz-acl", "x-amz-grant-")
# Of buckets and of objects (S3 User Guide, "Canned ACL").
CANNED_ACLS = {"private", "public-read", "public-read-write", "authenticated-read"}
CANNED_ACLS |= {"aws-exec-read", "bucket-owner-read", "bucket-owner-full-control"}
CANNED_ACLS |= {"log-delivery-write"}
# What is no range of bytes is passed over (RFC 9110), moto takes it apart.
RANGE = re.compile(r"bytes=(?:[0-9]+-[0-9]*|-[0-9]+)(?:,.*)?")
# A bucket and a key; a bucket of before 2018 may have 255 characters, and any case.
COPY_SOURCE = re.compile(r"/?[\w.-]{3,255}/(?s:.)")
GRANTEES = re.compile(r'\s*\w+="[^"]*"(\s*,\s*\w+="[^"]*")*\s*')
LIMITS = {"max-buckets", "max-keys", "max-parts", "max-uploads", "part-number-marker"}
LARGEST_INTEGER = 2**31 - 1
CHECKSUM_HEADERS = ("x-amz-checksum-algorithm", "x-amz-sdk-checksum-algorithm")
TIME_HEADERS = (
    "HTTP_IF_MODIFIED_SINCE",
    "HTTP_IF_UNMODIFIED_SINCE",
    "HTTP_X_AMZ_COPY_SOURCE_IF_MODIFIED_SINCE",
    "HTTP_X_AMZ_COPY_SOURCE_IF_UNMODIFIED_SINCE",
)


class S3(MotoService):
    """moto's S3."""

    def make_app(self) -> Callable:
        app = super().make_app()
        app.request_class = _plain_body(app.request_class)
        _drop_bad_policies()
        return app

    def check(self, request: Request, operation: str) -> None:
        head = request.head
        names = {pair.partition("=")[0] for pair in head.query.split("&") if pair}
        if absent := names & NOT_BUILT:
            raise self.not_built(f"{head.method} ?{min(absent)}")
        is_upload = names & {"uploads", "uploadId"} and not _place(head)[1]
        if head.method == "POST" and (is_upload or not names & POSTS):
            raise AwsError(
                "MethodNotAllowed",
                "The specified method is not allowed against this resource.",
                405,
            )
        _check_query(head)
        _check_headers(head)
        if _is_create_bucket(head):
            buckets.check_new(request, _place(head)[0])
        self._check_document(request, names)
        self._check_bucket(request, names)

    def _check_document(self, request: Request, names: set[str]) -> None:
        """Raise AwsError for a body that is no such document as S3 wants here."""
        method, (bucket, key) = request.head.method, _place(request.head)
        is_policy = method == "PUT" and names == {"policy"} and not key
        document = s3_documents.document_of(method, bool(key), names)
        if not bucket or not (is_policy or document):
            return
        if request.body.size > s3_documents.LARGEST_DOCUMENT:
            text = "Your request was too big."
            raise AwsError("MaxMessageLengthExceeded", text)
        body = request.body.read()
        if is_policy:
            s3_documents.check_policy(body)
        elif body:
            s3_documents.check_xml(body, *document)
            if "cors" in names:
                s3_documents.check_cors(body)
            if "tagging" in names:
                s3_documents.check_tags(body)
        elif "acl" in names:
            if not any(
                name.startswith(ACL_HEADERS) for name, _ in request.head.headers
            ):
                text = "Your request was missing a required header"
                raise AwsError("MissingSecurityHeader", text)
        elif names:
            raise AwsError("MissingRequestBodyError", "Request Body is empty")

    def respond_itself(self, request: Request, operation: str) -> Response | None:
        """Nothing; but refuse what is asked of an object or an upload that is not."""
        bucket, key = _place(request.head)
        query = dict(parse_qsl(request.head.query, keep_blank_values=True))
        if key and query.get("versionId") == "":
            text = "Version id cannot be the empty string"
            raise AwsError("InvalidArgument", text)
        if bucket and not key and "continuation-token" in query:
            self._persistence.check_token(bucket, query["continuation-token"])
        if key and (query.keys() & OF_OBJECTS or "uploadId" in query):
            self._persistence.check_is_there(
                bucket, key, query.get("versionId"), query.get("uploadId")
            )

    def _check_bucket(self, request: Request, names: set[str]) -> None:
        """Raise AwsError for another's bucket, and for what this one does not allow.

        Before a large body is stored.
        """
        head, own = request.head, self._persistence.buckets()
        name, key = _place(head)
        buckets.check_owner(head, name, own, _is_create_bucket(head))
        bucket = own.get(name)
        if bucket is not None and not _is_create_bucket(head):
            buckets.check_access(request, names, bucket)
            if head.method == "DELETE" and not key and not names:
                buckets.check_may_go(bucket)

    def take_upload(self, request: Request) -> Content | None:
        body = request.body
        try:
            return self._persistence.take_upload(request.head, body.file, body.size)
        except StorageError as error:
            raise self.unusable(error) from error

    def environ(self, request: Request, upload: Content | None) -> dict[str, Any]:
        environ = super().environ(request, upload)
        # Flask chooses the view by this; S3's patterns fit undecoded keys better, since
        # a decoded one may hold line breaks.
        environ["PATH_INFO"] = request.head.raw_path
        if not RANGE.fullmatch(environ.get("HTTP_RANGE", "")):
            environ.pop("HTTP_RANGE", None)
        for name in TIME_HEADERS:
            if name in environ:
                environ[name] = _http_date(environ[name])
                if environ[name] is None:
                    del environ[name]
        if upload is not None:
            environ[UPLOAD] = upload
        return environ

    def is_unknown(self, response: Response) -> bool:
        return False  # an object can be such a page


def _drop_bad_policies() -> None:
    """Take away what is no policy; an earlier edition took anything for one."""
    from moto.s3.models import s3_backends

    for bucket in s3_backends[ACCOUNT_ID]["aws"].buckets.values():
        try:
            if bucket.policy is not None:
                s3_documents.check_policy(bucket.policy)
        except AwsError as error:
            log.error("The policy of bucket %s is dropped: %s", bucket.name, error)
            bucket.policy = None


def _place(head: Head) -> tuple[str, str]:
    """Bucket and key, both "" if the path has none."""
    bucket, _, key = head.raw_path.removeprefix("/").partition("/")
    return unquote(bucket), unquote(key)


def _is_create_bucket(head: Head) -> bool:
    bucket, key = _place(head)
    return head.method == "PUT" and bool(bucket) and not key and not head.query


def _check_query(head: Head) -> None:
    """Raise AwsError for a number in the query that is none, and so on."""
    for name, text in parse_qsl(head.query, keep_blank_values=True):
        if name.startswith("response-") and re.search(r"[\x00-\x1f\x7f]", text):
            raise AwsError("InvalidArgument", f"{name} has a control character.")
        if name == "partNumber":
            if not re.fullmatch("[0-9]{1,10}", text) or not 1 <= int(text) <= 10_000:
                sentence = (
                    "Part number must be an integer between 1 and 10000, inclusive"
                )
                raise AwsError("InvalidArgument", sentence)
        elif name in LIMITS:
            if not re.fullmatch("-?[0-9]{1,10}", text) or int(text) > LARGEST_INTEGER:
                sentence = f"Provided {name} not an integer or within integer range"
                raise AwsError("InvalidArgument", sentence)
            if int(text) < 0:
                sentence = f"Argument {name} must be an integer between 0 and"
                raise AwsError("InvalidArgument", f"{sentence} {LARGEST_INTEGER}")


def _check_headers(head: Head) -> None:
    """Raise AwsError for a header that moto would take apart without a look."""
    for name, text in head.headers:
        if name.startswith("x-amz-grant-") and not GRANTEES.fullmatch(text):
            raise AwsError("InvalidArgument", "Argument format not recognized")
        if name == "x-amz-acl" and text not in CANNED_ACLS:
            raise AwsError("InvalidArgument", "")
        if name in CHECKSUM_HEADERS and text not in _checksum_algorithms():
            sentence = (
                "Checksum algorithm provided is unsupported. Please try again with any "
                f"of the valid types: [{', '.join(_checksum_algorithms())}]"
            )
            raise AwsError("InvalidRequest", sentence)
        if name == "x-amz-copy-source" and not COPY_SOURCE.match(unquote(text)):
            sentence = "Copy Source must mention the source bucket and key:"
            raise AwsError("InvalidArgument", f"{sentence} sourcebucket/sourcekey")


@cache
def _checksum_algorithms() -> list[str]:
    return S3_SERVICE.model.shape_for("ChecksumAlgorithm").enum


def _http_date(text: str) -> str | None:
    """A date as moto reads it; None for what is none (RFC 9110: to be ignored)."""
    try:
        date = parsedate_to_datetime(text)
        date = date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return format_datetime(date, usegmt=True)


def _plain_body(request_class: type) -> type:
    """A request whose body is never read as a form, whatever its content type is.

    An object of type application/x-www-form-urlencoded, which is what curl sends by
    default, would arrive empty.
    """

    class PlainBodyRequest(request_class):
        want_form_data_parsed = False

        @property
        def data(self) -> bytes | Content:
            # A large object has been taken ahead, see S3Persistence.take_upload.
            upload = self.environ.get(UPLOAD)
            return self.get_data() if upload is None else upload

    return PlainBodyRequest
