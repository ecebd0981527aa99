"""S3: what moto would misunderstand, and large objects taken ahead of it."""

from collections.abc import Callable
from typing import Any

from local_aws.errors import AwsError
from local_aws.messages import Request, Response
from local_aws.moto_services.service import MotoService
from local_aws.persistence.blobs import Content
from local_aws.persistence.database import StorageError

# Where an upload that was taken ahead waits in the WSGI environment.
UPLOAD = "local_aws.upload"
# What a signed POST can ask of S3 (query names: botocore s3 model).
POSTS = {"delete", "restore", "select", "uploadId", "uploads"}
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
    "session",
    "torrent",
}


class S3(MotoService):
    """moto's S3."""

    def make_app(self) -> Callable:
        app = super().make_app()
        app.request_class = _plain_body(app.request_class)
        return app

    def check(self, request: Request, operation: str) -> None:
        head = request.head
        names = {pair.partition("=")[0] for pair in head.query.split("&")}
        if absent := names & NOT_BUILT:
            raise self.not_built(f"{head.method} ?{min(absent)}")
        if head.method == "POST" and not names & POSTS:
            raise AwsError(
                "MethodNotAllowed",
                "The specified method is not allowed against this resource.",
                405,
            )

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
        if upload is not None:
            environ[UPLOAD] = upload
        return environ

    def is_unknown(self, response: Response) -> bool:
        return False  # an object can be such a page


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
