"""What a container or a script raises."""

from sagemaker_containers.beta.framework.errors import UnsupportedFormatError

__all__ = [
    "BaseInferenceToolkitError",
    "GenericInferenceToolkitError",
    "UnsupportedFormatError",
]


class BaseInferenceToolkitError(Exception):
    """An error with the status and the message that the client gets."""

    def __init__(self, status_code: int, message: str, phrase: str) -> None:
        self.status_code = status_code
        self.message = message
        self.phrase = phrase
        super().__init__(status_code, message, phrase)


class GenericInferenceToolkitError(BaseInferenceToolkitError):
    """The same, whose phrase is the message if it has no other."""

    def __init__(
        self, status_code: int, message: str | None = None, phrase: str | None = None
    ) -> None:
        message = message or "Invalid Request"
        super().__init__(status_code, message, phrase or message)
