"""Checkpoints: a model after each round, and training that goes on from the last one.

Source: the public source of AWS's container. Its files are called xgboost-checkpoint.N
after the round N that they were saved in, the first being 0; the last five that this
process has written are kept, and those that it found are left alone.
"""

import os
import re
import tempfile
from pathlib import Path
from typing import Any

from local_aws.containers.xgboost import library
from local_aws.containers.xgboost.log import logger

xgboost = library.load()

NAME = "xgboost-checkpoint"
KEPT = 5

# Of files that the platform does not copy.
_UNFINISHED = ".sagemaker-ignore"

# How many damaged checkpoints are passed over.
_TRIES = 5


def find(folder: Path | None) -> tuple[bytearray | None, int]:
    """(the last whole checkpoint, how many rounds it has); (None, 0) without one."""
    if folder is None or not folder.is_dir():
        return None, 0
    rounds = [
        int(match[1])
        for match in (
            re.fullmatch(rf"{NAME}\.([0-9]+)", name) for name in os.listdir(folder)
        )
        if match
    ]
    for last in sorted(rounds, reverse=True)[:_TRIES]:
        path = folder / f"{NAME}.{last}"
        model = bytearray(path.read_bytes())  # the name tells no format
        try:
            xgboost.Booster(model_file=model)
        except xgboost.core.XGBoostError:
            logger.debug(f"Wrong checkpoint model format {path}")
            continue
        logger.info(f"Checkpoint loaded from {path}")
        logger.info(f"Resuming from iteration {last + 1}")
        return model, last + 1
    return None, 0


class SaveCheckpoints(xgboost.callback.TrainingCallback):
    """Saves after each round; `first` is the number of the first one."""

    def __init__(self, folder: Path, first: int) -> None:
        super().__init__()
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._first = first
        self._found = set(os.listdir(folder))

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Save beside the checkpoint and rename: it is never half written."""
        number = self._first + epoch
        descriptor, name = tempfile.mkstemp(dir=self._folder, suffix=_UNFINISHED)
        os.close(descriptor)
        model.save_model(name)
        Path(name).replace(self._folder / f"{NAME}.{number}")
        old = f"{NAME}.{number - KEPT}"
        if old not in self._found:
            (self._folder / old).unlink(missing_ok=True)
        return False
