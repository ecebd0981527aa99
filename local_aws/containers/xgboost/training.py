"""The image's `train` program."""

import contextlib
import json
import os
import signal
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_aws.containers import contract
from local_aws.containers.xgboost import (
    channels,
    checkpoints,
    content_types,
    data,
    evaluation,
    hyperparameters,
    image,
    library,
    log,
)
from local_aws.containers.xgboost.errors import (
    AlgorithmError,
    PlatformError,
    UserError,
    describe_failure,
)
from local_aws.containers.xgboost.log import logger

if TYPE_CHECKING:
    from xgboost import Booster, DMatrix

xgboost = library.load()

MODEL_NAME = "xgboost-model"

# Complaints during training that are about the data or the request: those of the
# image's list that xgboost 3.2 (labels of a validation channel) and the image's own
# metrics still make.
_USER_ERRORS = (
    "label must be in [0, num_class)",
    "Target is multiclass but average='binary'",
)

# Warnings about how the image (and so this program) uses the library, not about the
# request.
_SILENT_WARNINGS = ("Text file input has been deprecated", "Saving model in the UBJSON")

# Hyperparameters that are the image's own, or that go to xgboost.train in another way.
_NOT_OF_THE_LIBRARY = frozenset(
    {
        "_tuning_objective_metric",
        "early_stopping_rounds",
        "eval_metric",
        "num_round",
        "save_model_on_termination",
        "use_dask_gpu_training",
    }
)


def main() -> int:
    """Train as the container contract says; returns the exit code.

    May be called in a process that has imported this module long before.
    """
    log.configure()
    with _library_warnings_in_log():
        return contract.train(train, describe_failure)


def train(root: Path) -> None:
    """Check the request, read the data, train and save model/xgboost-model.

    root: the folder that stands for /opt/ml. Raises UserError, AlgorithmError or
    PlatformError with the official texts.
    """
    given = contract.read_configuration(root, "hyperparameters")
    logger.info("Imported framework sagemaker_xgboost_container.training")
    _log_what_is_not_json(given)
    logger.info("No GPUs detected (normal if no gpus installed)")
    logger.info("Running XGBoost Sagemaker in algorithm mode")
    tag = os.environ.get("SAGEMAKER_IMAGE_TAG", image.BEST_TAG)
    if tag != image.BEST_TAG:
        logger.info(
            f"Image tag {tag}: this local container trains as {image.BEST_TAG}, "
            f"with xgboost {xgboost.__version__}."
        )
    if tag in image.IMAGE.former_tags:
        # Of theirs alone (aws/amazon-sagemaker-examples issue 1740), and nearly every
        # notebook of their time sets it; XGBoost has dropped it for `verbosity`.
        given.pop("silent", None)
    values = hyperparameters.validate(given)
    inputs = channels.validate(contract.read_configuration(root, "inputdataconfig"))
    form = content_types.data_format(inputs["train"]["ContentType"])
    folders = {
        name: root / "input" / "data" / name
        for name in ("train", "validation")
        if name in inputs
    }
    if "validation" in folders:
        data.warn_of_same_files(folders["train"], folders["validation"])
    logger.info("Determined 0 GPU(s) available on the instance.")
    _refuse_what_is_not_built(values, inputs["train"], form, root)
    matrices = _load(folders, form, values.get("csv_weights", 0), root / "tmp")
    logger.info("Single node training.")
    saved = contract.checkpoint_folder(root)
    booster = _fit(values, matrices, root / "model", saved)
    (root / "model").mkdir(parents=True, exist_ok=True)
    booster.save_model(root / "model" / MODEL_NAME)


def _log_what_is_not_json(given: dict[str, str]) -> None:
    for name, text in given.items():
        try:
            json.loads(text)
        except (ValueError, TypeError):
            logger.info(
                f"Failed to parse hyperparameter {name} value {text} to Json.\n"
                "Returning the value itself"
            )


def _refuse_what_is_not_built(
    values: dict[str, Any],
    train: dict[str, Any],
    form: str,
    root: Path,
) -> None:
    _, hosts = contract.read_hosts(root)
    if not hosts:
        raise PlatformError(
            "Number of hosts should be an int greater than or equal to 1"
        )
    if train.get("TrainingInputMode") == "Pipe":
        # The image's own words, for all formats that it would once read from a pipe.
        raise UserError(
            f"Pipe mode for {form.upper()} is no longer supported. "
            "Please use Fast File mode (default) instead."
        )
    refused = {
        "training on several instances (InstanceCount above 1)": len(hosts) > 1,
        "k-fold cross validation (_kfold)": "_kfold" in values,
        "GPU training (tree_method gpu_hist)": values.get("tree_method") == "gpu_hist",
        "Dask GPU training (use_dask_gpu_training)": (
            values.get("use_dask_gpu_training") == "true"
        ),
    }
    for what, asked in refused.items():
        if asked:
            raise UserError(f"This local XGBoost container does not support {what}.")


def _load(
    folders: dict[str, Path], form: str, csv_weights: int, scratch: Path
) -> dict[str, "DMatrix"]:
    """The matrix of each channel, by name; UserError when a channel has no data."""
    sizes = {name: data.size(folder) for name, folder in folders.items()}
    for name, folder in folders.items():
        if sizes[name]:
            data.check_first_lines(folder, form)
    matrices = {
        name: data.load(folder, form, csv_weights, scratch, _threads())
        for name, folder in folders.items()
        if sizes[name]
    }
    words = {"train": "training", "validation": "validation"}
    for name, folder in folders.items():
        if name not in matrices:
            raise UserError(f"No data in {words[name]} channel path {folder}")
    return matrices


def _fit(
    values: dict[str, Any],
    matrices: dict[str, "DMatrix"],
    model_folder: Path,
    checkpoint_folder: Path | None,
) -> "Booster":
    """Train on the checked hyperparameters; one log line per round.

    It goes on from the last checkpoint, if there is one, with the random numbers of
    the first round: a sample of rows or columns is not what it would have been.
    """
    parameters, own_names, watched = _parameters(values)
    _log_sizes(matrices)
    checkpoint, done = checkpoints.find(checkpoint_folder)
    rounds_left = values["num_round"] - done
    callbacks = [PrintRounds(done)]
    if checkpoint_folder is not None:
        callbacks.append(checkpoints.SaveCheckpoints(checkpoint_folder, done))
    save_always = values.get("save_model_on_termination") == "true"
    callbacks += _saving(model_folder, save_always)
    stop_after = values.get("early_stopping_rounds")
    if stop_after and watched and "validation" in matrices and rounds_left > 0:
        callbacks.append(_early_stopping(stop_after, watched))
    # Without save_model_on_termination the image has no handler: SIGTERM kills.
    stop_with_model = _stop_with_model(model_folder)
    with stop_with_model if save_always else contextlib.nullcontext():
        try:
            return xgboost.train(
                parameters,
                matrices["train"],
                num_boost_round=rounds_left,
                xgb_model=checkpoint,
                evals=[(matrix, name) for name, matrix in matrices.items()],
                custom_metric=evaluation.own_metrics(own_names) if own_names else None,
                callbacks=callbacks,
                verbose_eval=False,
            )
        except Exception as error:
            raise _training_error(error) from error


def _parameters(values: dict[str, Any]) -> tuple[dict[str, Any], list[str], str | None]:
    """Parameters of xgboost.train, the image's own metrics, and the watched metric."""
    parameters = {k: v for k, v in values.items() if k not in _NOT_OF_THE_LIBRARY}
    names, own_names, watched = evaluation.choose(
        values.get("_tuning_objective_metric"), values.get("eval_metric")
    )
    if names:
        parameters["eval_metric"] = names
    if "updater" in parameters:
        parameters["updater"] = ",".join(parameters["updater"])
    if "nthread" not in parameters and _threads():
        parameters["nthread"] = _threads()
    return parameters, own_names, watched


def _log_sizes(matrices: dict[str, "DMatrix"]) -> None:
    train = matrices["train"]
    logger.info(
        f"Train matrix has {train.num_row()} rows and {train.num_col()} columns"
    )
    if "validation" in matrices:
        logger.info(f"Validation matrix has {matrices['validation'].num_row()} rows")


def _saving(model_folder: Path, save_always: bool) -> list["SaveEveryRound"]:
    """What saves the model after each round, if that is asked for."""
    setting = f"save_model_on_termination={'true' if save_always else 'false'}"
    logger.info(f"CALLBACK_SETUP_DEBUG: {setting}, is_master=True")
    if save_always:
        logger.info("CALLBACK_ADDING: Adding SaveIntermediateModelCallBack on master")
        return [SaveEveryRound(model_folder)]
    # The bracket has no other half in the image either.
    logger.info(f"CALLBACK_SKIPPING {setting}, is_master=True)")
    return []


def _early_stopping(rounds: int, metric: str) -> xgboost.callback.EarlyStopping:
    return xgboost.callback.EarlyStopping(
        rounds=rounds,
        data_name="validation",
        metric_name=metric,
        maximize=metric in hyperparameters.metrics.MAXIMIZE,
        save_best=True,
    )


def _training_error(error: Exception) -> UserError | AlgorithmError:
    text = library.plain_message(error)
    if any(known in str(error) for known in _USER_ERRORS):
        return UserError(text)
    return AlgorithmError(f"XGB train call failed with exception:\n {text}")


def _threads() -> int | None:
    """OMP_NUM_THREADS. A process that was forked from one with OpenMP running has its
    OpenMP settled by the parent's environment, so the number is handed to xgboost."""
    text = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(text) if text.isdecimal() and int(text) > 0 else None


def _print_line(line: str) -> None:
    print(line.strip(), flush=True)


class PrintRounds(xgboost.callback.EvaluationMonitor):
    """A line with each round's metrics; `first` is the number of the first round."""

    def __init__(self, first: int) -> None:
        super().__init__(logger=_print_line)
        self._first = first

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        return super().after_iteration(model, self._first + epoch, evals_log)


class SaveEveryRound(xgboost.callback.TrainingCallback):
    """Keeps model/xgboost-model up to date, so that a stopped job leaves a model."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Save beside the model and rename, so that the file is never half written."""
        number, name = tempfile.mkstemp(dir=self._folder)
        os.close(number)
        model.save_model(name)
        Path(name).replace(self._folder / MODEL_NAME)
        return False


@contextlib.contextmanager
def _stop_with_model(folder: Path) -> Iterator[None]:
    """While training: SIGTERM leaves the last whole model and exits with 0."""

    def stop(*_: object) -> None:
        for file in folder.iterdir():
            if file.is_file() and not file.name.startswith(MODEL_NAME):
                file.unlink()
        os._exit(0)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _library_warnings_in_log() -> Iterator[None]:
    """Write xgboost's warnings as log lines, in plain words."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        text = library.plain_message(str(message))
        if not any(silent in text for silent in _SILENT_WARNINGS):
            logger.warning(text)

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show
        yield
