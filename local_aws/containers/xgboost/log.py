"""The container's log: lines on standard output, each flushed as it is written."""

import logging

from local_aws.containers import contract

logger = logging.getLogger("sagemaker-xgboost")


def configure() -> None:
    """Write `[2026-05-13:09:00:00:INFO] text` to today's sys.stdout."""
    contract.configure_log(
        logger,
        "[%(asctime)s:%(levelname)s] %(message)s",
        "%Y-%m-%d:%H:%M:%S",
    )
