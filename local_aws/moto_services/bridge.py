"""A request as a WSGI application gets it (PEP 3333), and its response."""

import contextlib
import sys
from collections.abc import Callable
from typing import IO, Any
from urllib.parse import unquote_to_bytes, urlencode

from local_aws.installation import HOST
from local_aws.messages import Request, Response
from local_aws.signature import ALGORITHM


def call(app: Callable, environ: dict[str, Any]) -> Response:
    """What a WSGI application responds with. Raises what it raises."""
    started: list[Any] = []

    def start_response(status: str, headers: list, _: object = None) -> None:
        started[:] = [int(status.split(" ", 1)[0]), headers]

    with contextlib.closing(app(environ, start_response)) as parts:
        chunks = [chunk for chunk in parts if chunk]
    return Response(*started, chunks)


def environ_of(request: Request) -> dict[str, Any]:
    """The WSGI environment of a request, as moto wants it.

    RAW_URI carries the path undecoded: moto tells keys apart by it. A header name with
    an underscore is kept apart from its twin with a dash (S3 metadata).
    """
    from moto.core.request import PRESERVED_HEADER_NAMES_ENVIRON_KEY

    head, claim = request.head, request.claim
    environ: dict[str, Any] = {
        "REQUEST_METHOD": head.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(head.raw_path).decode("latin-1"),
        "QUERY_STRING": head.query,
        "RAW_URI": head.raw_path + (f"?{head.query}" if head.query else ""),
        "SERVER_NAME": HOST,
        "SERVER_PORT": (head.header("host") or "").rpartition(":")[2] or "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": HOST,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": _ReadOnly(request.body.file),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if operation := head.target[1]:
        # Else moto looks for an Action in the body, and a line of a log may have one.
        environ["QUERY_STRING"] = urlencode({"Action": operation})
    dashed = {name for name, _ in head.headers if "_" not in name}
    originals: dict[str, str] = {}
    for name, value in head.headers:
        if name in ("user-agent", "x-moto-account-id", "transfer-encoding"):
            continue  # moto reads Region and account from the first two
        if "_" in name:
            if not name.startswith("x-amz-meta-") or name.replace("_", "-") in dashed:
                continue
            originals[_wsgi_name(name)] = name
        key = _wsgi_name(name)
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    # moto takes the Region from here, for presigned requests too.
    environ["HTTP_AUTHORIZATION"] = (
        f"{ALGORITHM} Credential={claim.access_key_id}/{claim.date}/{claim.region}/"
        f"{claim.service}/{claim.terminator}, SignedHeaders=host, Signature=checked"
    )
    environ["CONTENT_LENGTH"] = str(request.body.size)
    environ[PRESERVED_HEADER_NAMES_ENVIRON_KEY] = originals
    return environ


class _ReadOnly:
    """A spooled file that says it is for reading.

    gzip looks at `mode` (botocore compresses a large PutMetricData), and a spooled
    file's is w+b.
    """

    mode = "rb"

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _wsgi_name(header: str) -> str:
    name = header.upper().replace("-", "_")
    return name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"
