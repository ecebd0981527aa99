"""What a container raises."""


class ClientError(Exception):
    """An error in a script: what it raised is this error's cause."""


class UnsupportedFormatError(Exception):
    """A media type that no encoder or decoder knows."""

    def __init__(self, content_type: str | None) -> None:
        super().__init__(
            f"Content type {content_type} is not supported by this framework.\n\n"
            "Please implement input_fn to to deserialize the request data or an "
            "output_fn to serialize the response. For more information, see the "
            "SageMaker Python SDK README."
        )
