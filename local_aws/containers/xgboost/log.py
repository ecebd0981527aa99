"""The container's log: lines on standard output, each flushed as it is written."""

import logging
import sys
import time

_FORMAT = "[%(asctime)s:%(levelname)s] %(message)s"


def configure() -> logging.Logger:
    """The logger, writing `[2026-05-13:09:00:00:INFO] text` to today's sys.stdout.

    Times are UTC, as in a container. A StreamHandler flushes after every record.
    """
    handler = logging.StreamHandler(sys.stdout)
    formatter = logging.Formatter(_FORMAT, datefmt="%Y-%m-%d:%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logger = logging.getLogger("sagemaker-xgboost")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return logger


def get() -> logging.Logger:
    """The logger as it was configured last."""
    return logging.getLogger("sagemaker-xgboost")
