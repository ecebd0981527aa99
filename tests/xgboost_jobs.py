"""What the tests of the XGBoost container share: job folders and ways to run them."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow
from pyarrow import parquet

from local_aws.containers import recordio

PROJECT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "local_aws.containers.xgboost"]


def table(rows=120, columns=4, seed=0, labels="number"):
    """Label first. labels: number, binary or classes (0, 1, 2)."""
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(rows, columns))
    score = 2 * features[:, 0] + features[:, 1] ** 2
    score += generator.normal(scale=0.5, size=rows)
    if labels == "binary":
        score = (score > 1).astype(float)
    if labels == "classes":
        score = np.digitize(score, [0, 2]).astype(float)
    return np.column_stack([score, features])


def csv_text(rows, delimiter=","):
    """Numbers as text, one row per line."""
    return "".join(delimiter.join(f"{x:.6g}" for x in row) + "\n" for row in rows)


def libsvm_text(rows):
    """The same as index:value after the label, the first feature being 0."""
    return "".join(
        " ".join([f"{row[0]:.6g}", *(f"{n}:{x:.6g}" for n, x in enumerate(row[1:]))])
        + "\n"
        for row in rows
    )


def parquet_bytes(columns, names=None, **options):
    """columns: arrays, or a table whose columns are taken."""
    if isinstance(columns, np.ndarray):
        columns = list(columns.T)
    names = names or [f"c{i}" for i in range(len(columns))]
    sink = io.BytesIO()
    parquet.write_table(pyarrow.table(columns, names=names), sink, **options)
    return sink.getvalue()


def recordio_bytes(features, labels=None):
    """One record per row."""
    stream = io.BytesIO()
    recordio.write(stream, features, labels)
    return stream.getvalue()


def as_recordio(rows, kind=np.asarray):
    """Records of 32 bit numbers; kind: of the features, dense or sparse."""
    features = kind(rows[:, 1:].astype(np.float32))
    return recordio_bytes(features, rows[:, 0].astype(np.float32))


def channel(content_type="text/csv", mode="File", distribution="FullyReplicated"):
    """One entry of inputdataconfig.json."""
    settings = {
        "ContentType": content_type,
        "TrainingInputMode": mode,
        "S3DistributionType": distribution,
        "RecordWrapperType": "None",
    }
    if content_type is None:
        del settings["ContentType"]
    return settings


def write_job(root, hyperparameters, files, channels=None, hosts=("algo-1",)):
    """Make the folder of a job. files: "train/a.csv" to text or bytes. Returns root."""
    config = root / "input" / "config"
    config.mkdir(parents=True)
    if channels is None:
        channels = {name.split("/")[0]: channel() for name in files}
    documents = {
        "hyperparameters": hyperparameters,
        "inputdataconfig": channels,
        "resourceconfig": {"current_host": hosts[0], "hosts": list(hosts)},
    }
    for name, document in documents.items():
        (config / f"{name}.json").write_text(json.dumps(document))
    for name in channels:
        (root / "input" / "data" / name).mkdir(parents=True)
    for name, text in files.items():
        path = root / "input" / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    return root


def environment(root, **more):
    """The environment of a job's process; the project is found wherever it starts."""
    return {
        **{
            name: value for name, value in os.environ.items() if "SAGEMAKER" not in name
        },
        "PYTHONPATH": str(PROJECT),
        "SAGEMAKER_BASE_DIR": str(root),
        "SAGEMAKER_IMAGE_TAG": "3.2-0",
        "OMP_NUM_THREADS": "1",
        **more,
    }


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
