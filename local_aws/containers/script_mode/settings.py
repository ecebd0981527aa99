"""What the environment tells a server of the user's script.

Sources: the public toolkits in AWS's images (aws/sagemaker-containers and
aws/sagemaker-inference-toolkit on GitHub).
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

DEFAULT_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Settings:
    """program: the script's name, below the folder with the code. sources: where that
    folder comes from. default_accept: the media type of a response if the request names
    none. timeout_seconds: after that a call ends, and the server with it.
    """

    program: str | None
    sources: str | None
    default_accept: str
    timeout_seconds: float
    log_level: int

    @property
    def module(self) -> str | None:
        """The script as import names it."""
        return self.program.removesuffix(".py") if self.program else None


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings of an environment. Raises ValueError for what is no number."""
    return Settings(
        program=environment.get("SAGEMAKER_PROGRAM") or None,
        sources=environment.get("SAGEMAKER_SUBMIT_DIRECTORY") or None,
        default_accept=environment.get(
            "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "application/json"
        ),
        timeout_seconds=float(
            environment.get("SAGEMAKER_MODEL_SERVER_TIMEOUT", DEFAULT_TIMEOUT_SECONDS)
        ),
        log_level=int(environment.get("SAGEMAKER_CONTAINER_LOG_LEVEL", logging.INFO)),
    )
