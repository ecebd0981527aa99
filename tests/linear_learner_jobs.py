"""What the tests of the Linear Learner container share."""

import struct
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import regex
from xgboost_jobs import as_recordio, csv_text, environment, write_job

from local_aws.containers.linear_learner import metrics, model, training
from local_aws.containers.record_message import record_class

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


class Runner:
    """Runs jobs in this process; made of the three fixtures of pytest."""

    def __init__(self, tmp_path, monkeypatch, capsys):
        self._folder, self._monkeypatch, self._capsys = tmp_path, monkeypatch, capsys

    def __call__(self, given, job_files, name="job", **settings):
        """Folder of the job, exit code, output and failure text."""
        root = write_job(self._folder / name, given, job_files, **settings)
        self._monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(root))
        code = training.main()
        failure = root / "output" / "failure"
        return SimpleNamespace(
            root=root,
            code=code,
            output=self._capsys.readouterr().out,
            failure=failure.read_text() if failure.exists() else None,
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


def classes_table(rows, shares, columns=5, seed=0):
    """Label first; features that tell the classes apart, but not always.

    shares: how frequent each class is, next to the others.
    """
    generator = np.random.default_rng(seed)
    shares = np.array(shares) / sum(shares)
    labels = generator.choice(len(shares), size=rows, p=shares)
    centres = generator.normal(scale=0.8, size=(len(shares), columns))
    features = centres[labels] + generator.normal(size=(rows, columns))
    # With no more digits than csv_text writes.
    return np.column_stack([labels.astype(float), features.round(3)])


def files(**tables):
    """train=table, validation=table: the files of a job, as write_job has them."""
    return {f"{name}/{name}.csv": csv_text(table) for name, table in tables.items()}


def recordio_files(**tables):
    """The same as RecordIO, without a file's ending, as the SDK named them."""
    return {f"{name}/{name}": as_recordio(table) for name, table in tables.items()}


def records(body):
    """The messages in a RecordIO body: its frames as AWS's page describes them."""
    found = []
    while body:
        magic, length = struct.unpack("<II", body[:8])
        assert magic == 0xCED7230A
        found.append(record_class().FromString(body[8 : 8 + length]))
        body = body[8 + (length + 3) // 4 * 4 :]
    return found


def numbers_of(record, name):
    """A float32 label of a record."""
    return list(record.label[name].float32_tensor.values)


def fitted(done):
    assert done.code == 0, done.output
    return model.load(done.root / "model")


def measured(output):
    """What the platform finds in a log: metric name to all its values."""
    found = {}
    for line in output.splitlines():
        for definition in metrics.metric_definitions():
            match = regex.search(definition["Regex"], line)
            if match:
                found.setdefault(definition["Name"], []).append(float(match[1]))
    return found
