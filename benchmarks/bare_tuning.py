"""A bare fork server: trains what it is told to, some at a time, and nothing else.

`python benchmarks/bare_tuning.py PARALLEL`, a file, not a module. It imports xgboost
once; then each line that it reads holds the settings files (bare_training.py says what
is in them) of trainings, which it forks off. It prints a line when they have ended.
"""

import json
import os
import sys
import traceback
from pathlib import Path

import bare_training


def train_all(files: list[str], parallel: int, xgboost: object) -> None:
    """Train each in a process of its own; raises RuntimeError if one fails."""
    waiting, running = list(files), 0
    while waiting or running:
        while waiting and running < parallel:
            fork(waiting.pop(0), xgboost)
            running += 1
        _, status = os.wait()
        running -= 1
        if status:
            raise RuntimeError(f"a training ended with {status}")


def fork(file: str, xgboost: object) -> None:
    """Start a copy of this process that trains and ends."""
    if os.fork():
        return
    status = 1
    try:
        bare_training.train(json.loads(Path(file).read_text()), xgboost)
        status = 0
    finally:
        if status:
            traceback.print_exc()
        os._exit(status)


if __name__ == "__main__":
    imported = bare_training.import_xgboost(scikit_learn=False)
    print("ready", flush=True)
    for line in sys.stdin:
        train_all(json.loads(line), int(sys.argv[1]), imported)
        print("trained", flush=True)
