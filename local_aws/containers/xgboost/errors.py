"""The errors of the algorithm, and the text that a failed job leaves behind."""

from local_aws.containers import tracebacks


class ToolkitError(Exception):
    """Base of the three kinds of failure that the image tells apart.

    The message ends with "(caused by <class>)" when another error led to it.
    """

    # The traceback in a failure file names the class with its module. Readers look
    # for the name that the official image prints.
    __module__ = "sagemaker_algorithm_toolkit.exceptions"

    def __init__(self, message: str, caused_by: Exception | None = None) -> None:
        if caused_by is not None:
            message += f" (caused by {type(caused_by).__name__})"
        super().__init__(message)


class UserError(ToolkitError):
    """The request or the data is wrong; its author can put it right."""

    __module__ = ToolkitError.__module__


class AlgorithmError(ToolkitError):
    """The algorithm failed for a reason that it did not foresee."""

    __module__ = ToolkitError.__module__


class PlatformError(ToolkitError):
    """Something that the platform promises is missing."""

    __module__ = ToolkitError.__module__


def failure_text(error: Exception) -> str:
    """The text of output/failure: the toolkit's form, a traceback and the message.

    The platform shows the first 1024 characters.
    """
    return f"framework error: \n{tracebacks.text(error)}\n{error}"
