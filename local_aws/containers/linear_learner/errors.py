"""The three kinds of failure that AWS's own algorithms tell apart.

Names, prefixes, exit codes and the form of the texts are those of the toolkit that AWS
builds its algorithms with; containers of AWS that are public have this part of it
(aws/sagemaker-xgboost-container has a later form, without prefixes and exit codes).
"""


class ToolkitError(Exception):
    """Base of the three; `str` is the message.

    message: what went wrong; without one it is that of `caused_by`. caused_by: the
    error behind it, named after the message.
    """

    prefix: str
    exit_code: int

    def __init__(
        self, message: str | None = None, caused_by: Exception | None = None
    ) -> None:
        if message is None:
            message = getattr(caused_by, "message", str(caused_by))
        if caused_by is not None:
            message += f" (caused by {type(caused_by).__name__})"
        super().__init__(message)
        self.caused_by = caused_by

    def text(self) -> str:
        """The message, then the whole text of the error behind it."""
        if self.caused_by is None:
            return str(self)
        return f"{self}\n\nCaused by: {self.caused_by}"


class AlgorithmError(ToolkitError):
    """The algorithm failed for a reason that it did not foresee."""

    prefix = "Algorithm Error"
    exit_code = 1


class CustomerError(ToolkitError):
    """The request or the data is wrong; its author can put it right."""

    prefix = "Customer Error"
    exit_code = 2


class PlatformError(ToolkitError):
    """Something that the platform promises is missing."""

    prefix = "Platform Error"
    exit_code = 3
