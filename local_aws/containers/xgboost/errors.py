"""The errors of the algorithm, and what a failed job leaves behind."""

from local_aws.containers import contract, tracebacks
from local_aws.containers.xgboost.log import logger

# The traceback in a failure file names a class with its module. Readers look for the
# name that the official image prints.
_MODULE = "sagemaker_algorithm_toolkit.exceptions"


class UserError(contract.ToolkitError):
    """The request or the data is wrong; its author can put it right."""

    __module__ = _MODULE


class AlgorithmError(contract.ToolkitError):
    """The algorithm failed for a reason that it did not foresee."""

    __module__ = _MODULE


class PlatformError(contract.ToolkitError):
    """Something that the platform promises is missing."""

    __module__ = _MODULE


# Of the 1024 characters of a FailureReason, what the platform adds and what stands
# before and after the traceback.
_OTHERS = len("AlgorithmError: framework error: \n\n, exit code: 255")


def describe_failure(error: Exception) -> contract.Failure:
    """The toolkit's form, a traceback and the message; the code is the error's errno
    if it has one.

    The traceback is short enough for a FailureReason to show the message at its end.
    """
    longest = 1024 - _OTHERS - len(str(error))
    text = f"framework error: \n{tracebacks.text(error, longest)}\n{error}"
    logger.error("Reporting training FAILURE")
    logger.error(text)
    number = getattr(error, "errno", None)
    return contract.Failure(text, number if isinstance(number, int) else 1)
