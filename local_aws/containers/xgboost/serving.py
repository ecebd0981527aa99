"""The image's `serve` program: /ping, /invocations and /execution-parameters."""

import json
import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from local_aws.containers import asgi
from local_aws.containers.asgi import Answer
from local_aws.containers.xgboost import (
    content_types,
    decoder,
    encoder,
    library,
    log,
    versions,
)
from local_aws.containers.xgboost.encoder import NotAcceptable, NotEncodable
from local_aws.containers.xgboost.errors import UserError
from local_aws.containers.xgboost.versions import Version

xgboost = library.load()


class ModelNotLoaded(Exception):
    """There is no model that xgboost can read."""


@dataclass(frozen=True)
class Settings:
    """What the environment says. Sizes in bytes."""

    max_content_length: int = asgi.DEFAULT_MAX_CONTENT_LENGTH
    batch: bool = False
    default_accept: str | None = None
    selected_keys: list[str] = field(default_factory=list)
    ensemble: bool = True
    version: Version = versions.NEWEST


def read_settings(environment: dict[str, str]) -> Settings:
    """The settings of an environment, each with the image's default."""
    keys = environment.get("SAGEMAKER_INFERENCE_OUTPUT", "")
    return Settings(
        max_content_length=int(
            environment.get("MAX_CONTENT_LENGTH", asgi.DEFAULT_MAX_CONTENT_LENGTH)
        ),
        batch=bool(environment.get("SAGEMAKER_BATCH")),
        default_accept=environment.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT"),
        selected_keys=keys.replace(" ", "").lower().split(",") if keys else [],
        ensemble=environment.get("SAGEMAKER_INFERENCE_ENSEMBLE") != "false",
        version=versions.of_tag(environment.get("SAGEMAKER_IMAGE_TAG")),
    )


@dataclass(frozen=True)
class Model:
    """The boosters of a model folder (several after a k-fold training)."""

    boosters: list[Any]
    objective: str
    classes: int
    features: int
    linear: bool

    def predict(self, features: decoder.Features) -> np.ndarray:
        """(rows,) or (rows, classes) float32; the mean, or the vote, of all boosters.

        Raises XGBoostError when the number of columns does not fit the model.
        """
        all_predictions = [self._predict_one(b, features) for b in self.boosters]
        if len(all_predictions) == 1:
            return all_predictions[0]
        if self.objective in ("multi:softmax", "binary:hinge"):
            return np.apply_along_axis(_most_frequent, 0, np.stack(all_predictions))
        return np.mean(all_predictions, axis=0)

    def _predict_one(self, booster: Any, features: decoder.Features) -> np.ndarray:
        if isinstance(features, np.ndarray):
            # A linear booster has no way in but a DMatrix. Fewer columns than the model
            # has are accepted in a DMatrix, and are missing; more are refused.
            if features.shape[1] == self.features and not self.linear:
                return booster.inplace_predict(features, validate_features=False)
            features = xgboost.DMatrix(features)
        return booster.predict(features, validate_features=False)


def _most_frequent(votes: np.ndarray) -> Any:
    values, counts = np.unique(votes, return_counts=True)
    return values[np.argmax(counts)]


def load_model(folder: Path, ensemble: bool = True) -> Model:
    """The model of a folder; files whose names begin with a dot are no models.

    ModelNotLoaded with the reason. A pickled model (images before 1.3-1) is refused:
    to unpickle a file is to run what it says.
    """
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    files = [file for file in files if file.is_file() and file.name[0] != "."]
    if not files:
        raise ModelNotLoaded(f"There is no model file in {folder}")
    boosters = []
    for file in files if ensemble else files[:1]:
        log.get().info(f"Loading the model from {file}")
        booster = xgboost.Booster()
        try:
            booster.load_model(bytearray(file.read_bytes()))
        except (xgboost.core.XGBoostError, OSError) as error:
            raise ModelNotLoaded(
                f"Model at {file} cannot be loaded:\n{library.plain_message(error)}"
            ) from error
        booster.set_param({"nthread": 1})
        boosters.append(booster)
    learner = json.loads(boosters[0].save_config())["learner"]
    objective = learner["objective"]["name"]
    log.get().info(f"Model objective : {objective}")
    return Model(
        boosters,
        objective,
        int(learner["learner_model_param"].get("num_class", 0)),
        boosters[0].num_features(),
        learner["gradient_booster"]["name"] == "gblinear",
    )


def invoke(
    model: Model | ModelNotLoaded,
    settings: Settings,
    body: bytes,
    content_type: str | None,
    accept: str | None,
) -> Answer:
    """The answer to one POST /invocations.

    content_type and accept: the request's headers, or None. Checks come in the
    image's order: body, content type and data, model, number of columns, Accept.
    """
    if not body:
        return Answer(204)
    try:
        features = decoder.parse(body, content_type)
    except (decoder.UnreadablePayload, UserError) as error:
        return _refusal(415, str(error))
    if isinstance(model, ModelNotLoaded):
        return _refusal(500, f"Unable to load model: {model}")
    try:
        if settings.version.pickles_models:
            _count_features(model, features, content_type)
        predictions = model.predict(features)
    except (xgboost.core.XGBoostError, ValueError) as error:
        reason = library.plain_message(error)
        return _refusal(400, f"Unable to evaluate payload provided: {reason}")
    one_line = settings.version.answers_on_one_line and not settings.selected_keys
    try:
        accepted = "text/csv"
        if not one_line:
            accepted = encoder.accept_type(accept, settings.default_accept)
        text = _encode(model, settings, predictions, accepted)
    except NotAcceptable as error:
        return _refusal(406, str(error))
    except NotEncodable as error:
        return _refusal(500, str(error))
    charset = "; charset=utf-8" if accepted.startswith("text/") else ""
    return Answer(200, text, accepted + charset)


def _count_features(
    model: Model, features: decoder.Features, content_type: str | None
) -> None:
    """ValueError when a request does not fit a model that is a pickle in the image.

    One feature less than in training is let through: the count of those versions may
    hold the label.
    """
    is_array = isinstance(features, np.ndarray)
    given = features.shape[1] if is_array else features.num_col()
    form = content_types.data_format(content_type)
    if form == content_types.LIBSVM:
        if given > model.features + 1:
            raise ValueError(
                f"Feature size of libsvm inference data {given} is larger than "
                f"feature size of trained model {model.features}."
            )
    elif given not in (model.features, model.features - 1):
        raise ValueError(
            f"Feature size of {form} inference data {given} is not consistent "
            f"with feature size of trained model {model.features}."
        )


def _encode(
    model: Model, settings: Settings, predictions: np.ndarray, accept: str
) -> str | bytes:
    keys = settings.selected_keys
    if keys:
        rows = encoder.select(predictions, keys, model.objective, model.classes)
        return encoder.encode_selected(rows, keys, accept, settings.batch)
    if settings.batch:
        return encoder.batch_text(predictions)
    if settings.version.answers_on_one_line:
        return encoder.one_line(predictions)
    return encoder.encode(predictions, accept)


def _refusal(status: int, text: str) -> Answer:
    log.get().error(text)
    return Answer(status, text)


def ping(model: Model | ModelNotLoaded) -> Answer:
    """200 when there is a model, 500 and the reason when there is none."""
    if isinstance(model, ModelNotLoaded):
        return Answer(500, f"Unable to load model: {model}")
    return Answer(200)


def main() -> int:
    """Serve the model of SAGEMAKER_BASE_DIR/model until SIGTERM; returns 0."""
    logger = log.configure()
    root = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    settings = read_settings(dict(os.environ))
    model: Model | ModelNotLoaded
    try:
        model = load_model(root / "model", settings.ensemble)
    except ModelNotLoaded as error:
        # The image stays up and says so to every request.
        logger.error(f"Unable to load model: {error}")
        model = error
    application = asgi.Application(
        partial(ping, model),
        partial(invoke, model, settings),
        settings.max_content_length,
    )
    asgi.serve(application, os.environ)
    return 0
