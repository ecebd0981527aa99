"""The image's `train` program."""

import json
import time
from pathlib import Path
from typing import Any

import threadpoolctl

from local_aws.containers import contract
from local_aws.containers.linear_learner import (
    channels,
    data,
    epochs,
    hyperparameters,
    log,
    model,
    predictor_types,
    scaling,
)
from local_aws.containers.linear_learner.data import Records
from local_aws.containers.linear_learner.errors import (
    CustomerError,
    PlatformError,
    describe_failure,
)
from local_aws.containers.linear_learner.report import Report

_DEFAULTS_FILE = (
    "/opt/amazon/lib/python3.8/site-packages/algorithm/resources/default-input.json"
)


def main() -> int:
    """Train as the container contract says; returns the exit code."""
    log.configure()
    return contract.train(train, describe_failure)


def train(root: Path) -> None:
    """Check the request, read the data, train and save model/model_algo-1.

    root: the folder that stands for /opt/ml. Raises CustomerError or PlatformError.
    """
    started = time.time()
    print("Docker entrypoint called with argument(s): train")
    print("Running default environment configuration script")
    given = _configuration(root, "hyperparameters")
    host = _only_host(root)
    report = Report(host)
    report.info(
        f"Reading default configuration from {_DEFAULTS_FILE}: "
        f"{hyperparameters.DEFAULTS}"
    )
    report.info(
        "Merging with provided configuration from "
        f"{root}/input/config/hyperparameters.json: {dict(sorted(given.items()))}"
    )
    report.info(f"Final configuration: {hyperparameters.merge(given)}")
    values = hyperparameters.validate(given)
    content_types = channels.validate(_configuration(root, "inputdataconfig"))
    report.info("Using default worker.")
    report.info("Checkpoint loading and saving are disabled.")
    _say_what_has_no_effect(given)
    records = {
        name: data.read(
            name,
            root / "input" / "data" / name,
            content_type,
            values["mini_batch_size"],
        )
        for name, content_type in content_types.items()
    }
    _check_sizes(values, records)
    report.info("Create Store: local")
    report.info("Number of GPUs being used: 0")
    # On one thread sums are made in one order, so that equal jobs give equal models.
    with threadpoolctl.threadpool_limits(1):
        fitted = _fit(values, records, report, started)
    model.save(fitted, root / "model")


def _configuration(root: Path, name: str) -> dict[str, Any]:
    try:
        return contract.read_configuration(root, name)
    except FileNotFoundError as error:
        raise PlatformError(f"There is no {error.filename}", caused_by=error) from error


def _only_host(root: Path) -> str:
    host, hosts = contract.read_hosts(root)
    if len(hosts) > 1:
        raise CustomerError(
            "This local Linear Learner container does not support training on several "
            "instances (InstanceCount above 1)."
        )
    return host


def _say_what_has_no_effect(given: dict[str, str]) -> None:
    ignored = hyperparameters.without_effect(given)
    if ignored:
        log.logger.warning(
            "This local Linear Learner container optimises by averaged stochastic "
            f"gradient descent; it takes no notice of: {', '.join(ignored)}."
        )


def _check_sizes(values: hyperparameters.Values, records: dict[str, Records]) -> None:
    """feature_dim and mini_batch_size against what is in the channels."""
    columns = values["feature_dim"]
    if columns == "auto":
        columns = records["train"].features.shape[1]
    for name, channel in records.items():
        found = channel.features.shape[1]
        if found != columns:
            raise CustomerError(
                f"Data channel '{name}' has {found} features, and {columns} were "
                "expected (feature_dim, or what data channel 'train' has)."
            )
    size, rows = values["mini_batch_size"], len(records["train"].labels)
    if size > rows:
        raise CustomerError(
            f"The mini_batch_size ({size}) is greater than the number of samples "
            f"({rows}) in data channel 'train'."
        )


def _fit(
    values: hyperparameters.Values,
    records: dict[str, Records],
    report: Report,
    started: float,
) -> model.LinearModel:
    """Train all models and return the best one; reports every epoch and the end."""
    train = records["train"]
    scales = scaling.measure(values, train)
    report.scaling(scales)
    kind = predictor_types.make(values, train, scales)
    for name, channel in records.items():
        kind.check_labels(name, channel.labels)
    initialized = time.time()
    best, epoch_times = epochs.train(values, kind, records, report)
    finalizing = time.time()
    watched = "validation" if "validation" in records else "train"
    fitted = kind.finish(best.solution, records[watched])
    report.final_scores(watched, kind.final_metrics(watched, fitted, records[watched]))
    report.info(
        f"Best model found for hyperparameters: "
        f"{json.dumps(best.candidate.description())}"
    )
    if "test" in records:
        report.final_scores("test", kind.final_metrics("test", fitted, records["test"]))
    else:
        report.info("Test data is not provided.")
    ended = time.time()
    report.metrics(
        {
            "initialize.time": [1000 * (initialized - started)],
            "epochs": [values["epochs"]],
            "update.time": epoch_times,
            "finalize.time": [1000 * (ended - finalizing)],
            "totaltime": [1000 * (ended - started)],
        },
        started,
    )
    return fitted
