"""The container's log, in the form of AWS's own algorithms."""

import logging

from local_aws.containers import contract

logger = logging.getLogger("linear-learner")


def configure() -> None:
    """Write `[05/13/2026 09:00:00 INFO <thread>] text` to today's sys.stdout."""
    contract.configure_log(
        logger,
        "[%(asctime)s %(levelname)s %(thread)d] %(message)s",
        "%m/%d/%Y %H:%M:%S",
    )
