"""What the tests of the Linear Learner container share."""

import subprocess
import sys

import numpy as np
from xgboost_jobs import csv_text, environment

COMMAND = [sys.executable, "-m", "local_aws.containers.linear_learner"]
REGRESSOR = {"predictor_type": "regressor", "mini_batch_size": "50"}


def start(program, root, **more):
    """Start `train` or `serve` as a process of its own, in a folder far from here."""
    return subprocess.Popen(
        [*COMMAND, program],
        cwd=root,
        env=environment(root, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def linear_table(rows=400, columns=5, noise=1.0, seed=0):
    """Label first; correlated features of very different sizes."""
    generator = np.random.default_rng(seed)
    mixed = generator.normal(size=(rows, columns)) @ generator.normal(
        size=(columns, columns)
    )
    weights = generator.normal(size=columns)
    labels = 20 + 3 * (mixed @ weights) + noise * generator.normal(size=rows)
    sizes = 10.0 ** np.arange(-2, columns - 2)
    return np.column_stack([labels, mixed * sizes + sizes])


def files(**tables):
    """train=table, validation=table: the files of a job, as write_job has them."""
    return {f"{name}/{name}.csv": csv_text(table) for name, table in tables.items()}
