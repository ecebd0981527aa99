"""The three kinds of failure that AWS's own algorithms tell apart.

Names, prefixes, exit codes and the form of the texts are those of the toolkit that AWS
builds its algorithms with; containers of AWS that are public have this part of it
(aws/sagemaker-xgboost-container has a later form, without prefixes and exit codes).
"""

from local_aws.containers import contract, tracebacks
from local_aws.containers.linear_learner.log import logger


class ToolkitError(contract.ToolkitError):
    """Base of the three; `str` is the message."""

    prefix: str
    exit_code: int

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


def describe_failure(error: Exception) -> contract.Failure:
    """The text without the prefix that the log has, and the exit code of its kind."""
    if not isinstance(error, ToolkitError):
        logger.error(tracebacks.text(error))
        error = AlgorithmError(caused_by=error)
    logger.error(f"{error.prefix}: {error.text()}")
    return contract.Failure(error.text(), error.exit_code)
