"""The container's log: lines on standard output, each flushed as it is written."""

import logging

from local_aws.containers import console_log

_NAME = "sagemaker-xgboost"


def configure() -> logging.Logger:
    """The logger, writing `[2026-05-13:09:00:00:INFO] text` to today's sys.stdout."""
    return console_log.configure(
        _NAME, "[%(asctime)s:%(levelname)s] %(message)s", "%Y-%m-%d:%H:%M:%S"
    )


def get() -> logging.Logger:
    """The logger as it was configured last."""
    return logging.getLogger(_NAME)
