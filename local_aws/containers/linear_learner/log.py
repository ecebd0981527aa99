"""The container's log, in the form of AWS's own algorithms."""

import logging

from local_aws.containers import console_log

_NAME = "linear-learner"


def configure() -> logging.Logger:
    """The logger, writing `[05/13/2026 09:00:00 INFO <thread>] text` to sys.stdout."""
    return console_log.configure(
        _NAME,
        "[%(asctime)s %(levelname)s %(thread)d] %(message)s",
        "%m/%d/%Y %H:%M:%S",
    )


def get() -> logging.Logger:
    """The logger as it was configured last."""
    return logging.getLogger(_NAME)
