"""The image's `serve` program: /ping, /invocations and /execution-parameters."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from local_aws.containers import contract, tracebacks
from local_aws.containers.asgi import Response
from local_aws.containers.contract import ModelNotLoaded
from local_aws.containers.xgboost import decoder, encoder, image, library, log
from local_aws.containers.xgboost.encoder import NotAcceptable, NotEncodable
from local_aws.containers.xgboost.errors import UserError

xgboost = library.load()


@dataclass(frozen=True)
class Settings:
    """What the environment says.

    ensemble: serve all models of the folder, and not only the first. one_line: respond
    with commas between the rows and no line ends, whatever Accept is.
    """

    batch: bool = False
    ensemble: bool = True
    default_accept: str | None = None
    selected_keys: list[str] = field(default_factory=list)
    one_line: bool = False


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings of an environment, each with the image's default."""
    keys = environment.get("SAGEMAKER_INFERENCE_OUTPUT")
    return Settings(
        batch=bool(environment.get("SAGEMAKER_BATCH")),
        ensemble=environment.get("SAGEMAKER_INFERENCE_ENSEMBLE", "true") == "true",
        default_accept=environment.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT"),
        selected_keys=[] if keys is None else keys.replace(" ", "").lower().split(","),
        one_line=environment.get("SAGEMAKER_IMAGE_TAG") in image.ONE_LINE_TAGS,
    )


@dataclass(frozen=True)
class Model:
    """The boosters, and what the configuration of the first says of them."""

    boosters: list[Any]
    objective: str
    classes: int
    features: int
    takes_arrays: bool

    def predict(self, features: decoder.Features) -> np.ndarray:
        """(rows,) or (rows, classes) float32: of several boosters the mean.

        Raises XGBoostError when the number of columns does not fit the model.
        """
        if isinstance(features, np.ndarray):
            # Fewer columns than the model has are accepted in a DMatrix, and are
            # missing; more are refused.
            if self.takes_arrays and features.shape[1] == self.features:
                return self.boosters[0].inplace_predict(
                    features, validate_features=False
                )
            features = xgboost.DMatrix(features)
        predictions = [
            booster.predict(features, validate_features=False)
            for booster in self.boosters
        ]
        return predictions[0] if len(predictions) == 1 else np.mean(predictions, axis=0)


# Above this MAX_CONTENT_LENGTH is without effect.
_LONGEST_BODY = 20 * 1024**2

# Objectives whose predictions are labels, of which there is no mean.
_LABELLING = ("multi:softmax", "binary:hinge")

# How a pickle begins that Python 3 has written.
_PICKLE = b"\x80"

_NO_PICKLES = (
    "It is a Python pickle. To read one is to run what is in it, so that is not done "
    "here. Load it with the version of XGBoost that wrote it (images before 1.3-1 "
    "pickled their models), and save it with "
    "Booster.save_model('xgboost-model.json'): XGBoost 1.0 and later can."
)


def load_model(folder: Path, ensemble: bool = True) -> Model:
    """The models of a folder, or the first, as SAGEMAKER_INFERENCE_ENSEMBLE has it.

    Files whose names begin with a dot are no models; all others have to be, as in the
    image. ModelNotLoaded with the reason.
    """
    files = _model_files(folder)
    if not files:
        raise ModelNotLoaded(f"There is no model file in {folder}")
    boosters = [_load_booster(file) for file in files[: None if ensemble else 1]]
    learner = json.loads(boosters[0].save_config())["learner"]
    objective = learner["objective"]["name"]
    log.logger.info(f"Model objective : {objective}")
    if len(boosters) > 1 and objective in _LABELLING:
        raise ModelNotLoaded(
            f"The {len(boosters)} models in {folder} predict labels ({objective}), and "
            "only one such model can be served."
        )
    return Model(
        boosters,
        objective,
        int(learner["learner_model_param"].get("num_class", 0)),
        boosters[0].num_features(),
        # A linear booster has no way in but a DMatrix; that of dart differs from it in
        # the last digits.
        learner["gradient_booster"]["name"] == "gbtree" and len(boosters) == 1,
    )


def _model_files(folder: Path) -> list[Path]:
    found = []
    for file in sorted(folder.iterdir()) if folder.is_dir() else []:
        if file.is_file() and file.name.startswith("."):
            log.logger.warning(
                f"Ignoring dotfile '{file}' found in model directory"
                " - please exclude dotfiles from model archives"
            )
        elif file.is_file():
            found.append(file)
    return found


def _load_booster(file: Path) -> Any:
    """ModelNotLoaded with the reason. A pickle is refused, which the image would load:
    to unpickle a file is to run what it says.
    """
    log.logger.info(f"Loading the model from {file}")
    with file.open("rb") as content:
        is_pickle = content.read(1) == _PICKLE
    if is_pickle:
        raise ModelNotLoaded(f"Model {file} cannot be loaded:\n{_NO_PICKLES}")
    booster = xgboost.Booster()
    try:
        booster.load_model(file)
    except (xgboost.core.XGBoostError, UnicodeDecodeError) as error:
        # The library can't decode a message of its own that quotes what is no text.
        undecoded = isinstance(error, UnicodeDecodeError)
        said = error.object.decode(errors="replace") if undecoded else str(error)
        raise ModelNotLoaded(
            f"Model {file} cannot be loaded:\n"
            f"XGB load model error={library.plain_message(said)}"
        ) from error
    booster.set_param({"nthread": 1})
    return booster


def invoke(
    model: Model,
    settings: Settings,
    body: bytes,
    content_type: str | None,
    accept: str | None,
) -> Response:
    """The response to one POST /invocations.

    content_type and accept: the request's headers, or None. Checks come in the
    image's order: body, content type and data, model, number of columns, Accept.
    NotEncodable for an accepted type that has no encoder: in the image, too, nobody
    catches it, and the client gets a page that says nothing.
    """
    if not body:
        return Response(204)
    try:
        features = decoder.parse(body, content_type)
    except (decoder.UnreadablePayload, UserError) as error:
        return _refusal(415, error)
    try:
        predictions = model.predict(features)
    except (xgboost.core.XGBoostError, ValueError) as error:
        return _refusal(400, error, "Unable to evaluate payload provided: ")
    try:
        if settings.one_line and not settings.selected_keys:
            accepted = "text/csv"
        else:
            accepted = encoder.accept_type(accept, settings.default_accept)
    except NotAcceptable as error:
        return _refusal(406, error)
    if settings.selected_keys:
        try:
            text = _encode_selected(model, settings, predictions, accepted)
        except NotEncodable as error:
            return _refusal(500, error)
    else:
        text = _encode(settings, predictions, accepted)
    charset = "; charset=utf-8" if accepted.startswith("text/") else ""
    return Response(200, text, accepted + charset)


def _encode_selected(
    model: Model, settings: Settings, predictions: np.ndarray, accept: str
) -> str | bytes:
    keys = settings.selected_keys
    rows = encoder.select(predictions, keys, model.objective, model.classes)
    return encoder.encode_selected(rows, keys, accept, settings.batch)


def _encode(settings: Settings, predictions: np.ndarray, accept: str) -> str:
    if settings.batch:
        return encoder.batch_text(predictions)
    if settings.one_line:
        return encoder.one_line(predictions)
    return encoder.encode(predictions, accept)


def _refusal(status: int, error: Exception, before: str = "") -> Response:
    """To the client the error's text, to the log also how it came about."""
    text = tracebacks.native(str(error))
    trace = tracebacks.native(tracebacks.with_causes(error)).rstrip()
    log.logger.error(f"{text}\n{trace}")
    return Response(status, before + text)


def main() -> int:
    """Serve until SIGTERM, as the container contract says; returns the exit code."""
    log.configure()
    settings = read_settings(os.environ)
    return contract.serve(
        lambda folder: load_model(folder, settings.ensemble),
        lambda model, *request: invoke(model, settings, *request),
        log.logger,
        _LONGEST_BODY,
    )
