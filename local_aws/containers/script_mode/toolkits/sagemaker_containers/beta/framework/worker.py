"""The response that an output_fn may return."""

from collections.abc import Mapping

from werkzeug.wrappers import Response as _Response


class Response(_Response):
    """A response of werkzeug's, as JSON if nothing else is said.

    accept is what older scripts say instead of mimetype; it has no effect.
    """

    default_mimetype = "application/json"

    def __init__(
        self,
        response: str | bytes | None = None,
        accept: str | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        mimetype: str | None = None,
        direct_passthrough: bool = False,
    ) -> None:
        super().__init__(response, status, headers, mimetype, None, direct_passthrough)
