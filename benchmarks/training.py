"""(1) A small job, (2) a large one, (3) ten at once, against bare training."""

import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np

from benchmarks import bare_training
from benchmarks.figures import Figure
from benchmarks.measuring import Run, in_turns, seconds
from benchmarks.stand_in import (
    BOSTON,
    BUCKET,
    StandIn,
    boston,
    csv,
    running,
    temporary_folder,
    train,
)

TARGET_SMALL = 0.7
TARGET_LARGE = 1.15
JOBS = 10
CORES = os.cpu_count() or 1

LARGE = {
    "objective": "reg:squarederror",
    "num_round": "100",
    "max_depth": "6",
    "eta": "0.3",
}


def measure_small(run: Run) -> list[Figure]:
    """A Boston job, with the status asked for every 2 ms, and a fresh process."""
    with boston_files() as (files, stand_in, channels):
        medians = in_turns(
            run.size(7, 1),
            {
                "ours": lambda: seconds(
                    lambda: train(stand_in, channels, BOSTON, 2e-3)
                ),
                "floor": lambda: seconds(lambda: bare_process(settings_file(files))),
                "with": lambda: seconds(
                    lambda: bare_process(settings_file(files, scikit_learn=True))
                ),
            },
        )
    return [
        Figure(
            1,
            "Boston job, create to Completed",
            1000 * medians["ours"],
            1000 * medians[name],
            f"a fresh process, scikit-learn {words}",
            "ms",
            target,
        )
        for name, words, target in (
            ("floor", "kept out", TARGET_SMALL),
            ("with", "imported", None),
        )
    ]


def measure_large(run: Run) -> list[Figure]:
    """100,000 x 50 rows, 100 rounds, and the same in a process that is warm."""
    rows, columns = run.size(100_000, 500), 50
    hyperparameters = LARGE | {"num_round": str(run.size(100, 5))}
    with running() as stand_in, temporary_folder() as folder:
        file = folder / "train.csv"
        file.write_bytes(csv(_table(rows, columns)))
        stand_in.client("s3").upload_file(str(file), BUCKET, "large/train.csv")
        settings = {
            "channels": {"train": str(file)},
            "hyperparameters": hyperparameters,
            "threads": CORES,
            "model": str(folder / "model.ubj"),
        }
        # Not in this process: libraries that are imported here have threads of
        # their own.
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn, initializer=_xgboost) as pool:
            pool.submit(_warm_training, settings).result()
            medians = in_turns(
                run.size(5, 1),
                {
                    "ours": lambda: seconds(
                        lambda: train(
                            stand_in, {"train": "large"}, hyperparameters, 0.05
                        )
                    ),
                    "floor": lambda: seconds(
                        lambda: pool.submit(_warm_training, settings).result()
                    ),
                },
            )
    return [
        Figure(
            2,
            f"job on {rows:,} x {columns} rows, {hyperparameters['num_round']} rounds",
            medians["ours"],
            medians["floor"],
            f"a warm process, {CORES} threads",
            "s",
            TARGET_LARGE,
        )
    ]


def measure_many(run: Run) -> list[Figure]:
    """Ten Boston jobs at once, and ten bare processes, one for each core at a time."""
    jobs = run.size(JOBS, 2)
    with boston_files() as (files, stand_in, channels):

        def bare() -> None:
            with ThreadPoolExecutor(CORES) as pool:
                list(
                    pool.map(
                        lambda number: bare_process(settings_file(files, number)),
                        range(jobs),
                    )
                )

        medians = in_turns(
            run.size(5, 1),
            {
                "ours": lambda: seconds(
                    lambda: train(stand_in, channels, BOSTON, 0.01, jobs)
                ),
                "floor": lambda: seconds(bare),
            },
        )
    return [
        Figure(
            3,
            f"{jobs} Boston jobs at once",
            1000 * medians["ours"],
            1000 * medians["floor"],
            f"{jobs} fresh processes, {CORES} at a time",
            "ms",
        )
    ]


@contextmanager
def boston_files() -> Iterator[tuple[Path, StandIn, dict[str, str]]]:
    """A folder with train.csv and validation.csv, a stand-in that has them in S3."""
    train_rows, validation_rows, _ = boston()
    parts = {"train": train_rows, "validation": validation_rows}
    with running() as stand_in, temporary_folder() as folder:
        s3 = stand_in.client("s3")
        for name, rows in parts.items():
            (folder / f"{name}.csv").write_bytes(csv(rows))
            s3.upload_file(str(folder / f"{name}.csv"), BUCKET, f"{name}/{name}.csv")
        yield folder, stand_in, {name: name for name in parts}


def settings_file(
    folder: Path,
    number: int = 0,
    scikit_learn: bool = False,
    hyperparameters: dict[str, str] = BOSTON,
) -> Path:
    """A settings file of bare_training for the Boston files in `folder`.

    One thread: with so few rows more of them only wait for each other.
    """
    settings = {
        "channels": {
            name: str(folder / f"{name}.csv") for name in ("train", "validation")
        },
        "hyperparameters": hyperparameters,
        "threads": 1,
        "model": str(folder / f"model-{number}.ubj"),
        "scikit_learn": scikit_learn,
    }
    file = folder / f"settings-{number}.json"
    file.write_text(json.dumps(settings))
    return file


def bare_process(settings: Path, threads: int = 1) -> None:
    """Train in a fresh Python; raises CalledProcessError."""
    subprocess.run(
        [sys.executable, bare_training.__file__, str(settings)],
        check=True,
        capture_output=True,
        timeout=300,
        # As in a job's process: threads that wait let others work.
        env={
            **os.environ,
            "OMP_NUM_THREADS": str(threads),
            "OMP_WAIT_POLICY": "passive",
        },
    )


def _table(rows: int, columns: int) -> np.ndarray:
    """(rows, 1 + columns): a target that depends on the columns, and they."""
    generator = np.random.default_rng(0)
    features = generator.normal(size=(rows, columns)).astype(np.float32)
    weights = generator.normal(size=columns)
    target = features @ weights + generator.normal(size=rows)
    return np.column_stack([target, features])


def _xgboost() -> ModuleType:
    # As in a job's process: threads that wait let others work. Read by OpenMP once.
    os.environ["OMP_WAIT_POLICY"] = "passive"
    return bare_training.import_xgboost(scikit_learn=False)


def _warm_training(settings: dict) -> None:
    bare_training.train(settings, _xgboost())
