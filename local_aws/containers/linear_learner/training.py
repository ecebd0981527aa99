"""The image's `train` program."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from local_aws.containers import contract
from local_aws.containers.linear_learner import (
    channels,
    data,
    epochs,
    hyperparameters,
    log,
    model,
    regressor,
    scaling,
    solver,
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
    loss = regressor.choose_loss(values)
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
    fitted = _fit(values, loss, records, report, started)
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
    loss: regressor.Loss,
    records: dict[str, Records],
    report: Report,
    started: float,
) -> model.LinearModel:
    """Train all models and return the best one; reports every epoch and the end."""
    scales = scaling.measure(values, records["train"])
    report.info(
        "Scaling model computed with parameters:\n"
        f"    {{'stdev_weight': {scales.deviations}, 'mean_weight': {scales.means}, "
        f"'stdev_label': {scales.label_deviation}, 'mean_label': {scales.label_mean}}}"
    )
    scaled = {name: scales.apply(channel) for name, channel in records.items()}
    learners = {
        number: solver.Learner(candidate, loss, values["use_bias"], scaled["train"])
        for number, candidate in enumerate(solver.candidates(values))
    }
    initialized = time.time()
    best, epoch_times = epochs.train(values, loss, scaled, scales, learners, report)
    finalizing = time.time()
    watched = "validation" if "validation" in records else "train"
    weights, bias = scales.undo(*best.solution)
    fitted = model.LinearModel("regressor", weights[:, None], np.array([bias]))
    _report_final(watched, fitted, loss, scales, records, report)
    report.info(
        f"Best model found for hyperparameters: "
        f"{json.dumps(best.candidate.description())}"
    )
    if "test" in records:
        _report_final("test", fitted, loss, scales, records, report)
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


def _report_final(
    name: str,
    fitted: model.LinearModel,
    loss: regressor.Loss,
    scales: scaling.Scaling,
    records: dict[str, Records],
    report: Report,
) -> None:
    channel = records[name]
    residuals = fitted.scores(channel.features)[:, 0] - channel.labels
    unit = scales.label_deviation
    report.final_scores(name, regressor.final_metrics(loss, residuals, unit))
