"""(4) Batch transform of a million rows, and the memory that it takes."""

import multiprocessing
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil

from benchmarks import bare_transform
from benchmarks.figures import Figure
from benchmarks.measuring import Run, in_turns, seconds, wait_for
from benchmarks.stand_in import (
    BUCKET,
    ENDED,
    StandIn,
    artifact,
    boston,
    boston_model,
    csv,
    new_name,
    running,
    temporary_folder,
)

TARGET = 2.5
# What counts as flat: the peak at four million rows over the one at one million.
FLAT = 1.1
SAMPLE_S = 0.02
MEGABYTE = 2**20


def measure(run: Run) -> list[Figure]:
    """One object of 1, 2 and 4 million rows, 13 columns each."""
    million = run.size(1_000_000, 2_000)
    with running() as stand_in, temporary_folder() as folder:
        s3 = stand_in.client("s3")
        model = boston_model(stand_in)
        file = str(artifact(stand_in, model, folder))
        source = folder / "rows.csv"
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            peaks = []
            # What the first job leaves in memory (imports, connections) is no growth.
            write_rows(source, 1000)
            s3.upload_file(str(source), BUCKET, "rows-0/rows.csv")
            transform(stand_in, model, "rows-0", 1000)
            for millions in (1, 2, 4):
                write_rows(source, millions * million)
                s3.upload_file(str(source), BUCKET, f"rows-{millions}/rows.csv")
                with peak_memory(stand_in.process.pid) as peak:
                    transform(stand_in, model, f"rows-{millions}", millions * million)
                peaks.append(peak[0] / MEGABYTE)
                run.say(
                    f"(4) {millions * million:,} rows, "
                    f"{source.stat().st_size / 1e6:.0f} MB: peak {peaks[-1]:.0f} MB "
                    "of the stand-in with all its processes"
                )
            write_rows(source, million)
            work = (bare_transform.transform, file, source, folder / "out")
            pool.submit(*work).result()
            medians = in_turns(
                run.size(5, 1),
                {
                    "ours": lambda: seconds(
                        lambda: transform(stand_in, model, "rows-1", million)
                    ),
                    "floor": lambda: seconds(lambda: pool.submit(*work).result()),
                },
            )
    return [
        Figure(
            4,
            f"batch transform of {million:,} x 13 rows",
            medians["ours"],
            medians["floor"],
            f"one warm process, {bare_transform.reader()} in 16 MB pieces",
            "s",
            TARGET,
        ),
        Figure(
            4,
            f"peak memory at {4 * million:,} rows",
            peaks[2],
            peaks[0],
            f"at {million:,} rows",
            "MB",
            FLAT,
        ),
    ]


def write_rows(path: Path, rows: int) -> None:
    """Write csv of 13 columns that look like Boston's, about 83 bytes a row."""
    features = boston()[2][:, 1:]
    generator = np.random.default_rng(0)
    block = features[generator.integers(len(features), size=2000)]
    block = block * generator.normal(1, 0.01, size=block.shape)
    lines = csv(np.round(block, 4)).splitlines(keepends=True)
    whole, rest = divmod(rows, len(lines))
    with path.open("wb") as file:
        for _ in range(whole):
            file.writelines(lines)
        file.writelines(lines[:rest])


def transform(stand_in: StandIn, model: str, folder: str, rows: int) -> None:
    """Run one transform job over `folder` of BUCKET to its end.

    Raises RuntimeError if it fails or does not answer every row.
    """
    sagemaker = stand_in.client("sagemaker")
    name = new_name("transform")
    sagemaker.create_transform_job(
        TransformJobName=name,
        ModelName=model,
        TransformInput={
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": f"s3://{BUCKET}/{folder}/",
                }
            },
            "ContentType": "text/csv",
            "SplitType": "Line",
        },
        TransformOutput={
            "S3OutputPath": f"s3://{BUCKET}/{folder}-out",
            "AssembleWith": "Line",
        },
        TransformResources={"InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
        BatchStrategy="MultiRecord",
    )
    found: dict = {}

    def ended() -> bool:
        found.update(sagemaker.describe_transform_job(TransformJobName=name))
        return found["TransformJobStatus"] in ENDED

    wait_for(ended, 0.02, 300)
    if found["TransformJobStatus"] != "Completed":
        raise RuntimeError(found.get("FailureReason", "the job was stopped"))
    head = stand_in.client("s3").head_object(
        Bucket=BUCKET, Key=f"{folder}-out/rows.csv.out"
    )
    if head["ContentLength"] < 2 * rows:
        raise RuntimeError(f"only {head['ContentLength']} bytes for {rows} rows")


@contextmanager
def peak_memory(pid: int) -> Iterator[list[int]]:
    """Watch a process and all that come from it; the list's one item is the peak.

    Bytes of resident memory. What processes share is counted for each of them.
    """
    peak = [0]
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            peak[0] = max(peak[0], _resident(pid))
            done.wait(SAMPLE_S)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def _resident(pid: int) -> int:
    process = psutil.Process(pid)
    total = 0
    for each in [process, *process.children(recursive=True)]:
        try:
            total += each.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total
