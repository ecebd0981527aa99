"""A container's log: lines on standard output, each flushed as it is written."""

import logging
import sys
import time


def configure(name: str, line_format: str, time_format: str) -> logging.Logger:
    """The logger of that name, writing to today's sys.stdout and nowhere else.

    line_format: as logging.Formatter has it. Times are UTC, as in a container. A
    StreamHandler flushes after every record.
    """
    handler = logging.StreamHandler(sys.stdout)
    formatter = logging.Formatter(line_format, datefmt=time_format)
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logger = logging.getLogger(name)
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return logger
