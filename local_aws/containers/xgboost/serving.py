"""The image's `serve` program: /ping, /invocations and /execution-parameters."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from local_aws.containers import contract
from local_aws.containers.asgi import Response
from local_aws.containers.contract import ModelNotLoaded
from local_aws.containers.xgboost import decoder, encoder, image, library, log
from local_aws.containers.xgboost.encoder import NotAcceptable, NotEncodable
from local_aws.containers.xgboost.errors import UserError

xgboost = library.load()


@dataclass(frozen=True)
class Settings:
    """What the environment says.

    one_line: respond with commas between the rows and no line ends, whatever Accept is.
    """

    batch: bool = False
    default_accept: str | None = None
    selected_keys: list[str] = field(default_factory=list)
    one_line: bool = False


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings of an environment, each with the image's default."""
    keys = environment.get("SAGEMAKER_INFERENCE_OUTPUT", "")
    return Settings(
        batch=bool(environment.get("SAGEMAKER_BATCH")),
        default_accept=environment.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT"),
        selected_keys=keys.replace(" ", "").lower().split(",") if keys else [],
        one_line=environment.get("SAGEMAKER_IMAGE_TAG") in image.ONE_LINE_TAGS,
    )


@dataclass(frozen=True)
class Model:
    """A booster, and what its configuration says of it."""

    booster: Any
    objective: str
    classes: int
    features: int
    linear: bool

    def predict(self, features: decoder.Features) -> np.ndarray:
        """(rows,) or (rows, classes) float32.

        Raises XGBoostError when the number of columns does not fit the model.
        """
        if isinstance(features, np.ndarray):
            # A linear booster has no way in but a DMatrix. Fewer columns than the model
            # has are accepted in a DMatrix, and are missing; more are refused.
            if features.shape[1] == self.features and not self.linear:
                return self.booster.inplace_predict(features, validate_features=False)
            features = xgboost.DMatrix(features)
        return self.booster.predict(features, validate_features=False)


def load_model(folder: Path) -> Model:
    """The first model of a folder; files whose names begin with a dot are no models.

    ModelNotLoaded with the reason. A pickled model (images before 1.3-1) is refused:
    to unpickle a file is to run what it says.
    """
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    files = [file for file in files if file.is_file() and file.name[0] != "."]
    if not files:
        raise ModelNotLoaded(f"There is no model file in {folder}")
    log.logger.info(f"Loading the model from {files[0]}")
    booster = xgboost.Booster()
    try:
        booster.load_model(bytearray(files[0].read_bytes()))
    except (xgboost.core.XGBoostError, OSError) as error:
        raise ModelNotLoaded(
            f"Model at {files[0]} cannot be loaded:\n{library.plain_message(error)}"
        ) from error
    booster.set_param({"nthread": 1})
    learner = json.loads(booster.save_config())["learner"]
    objective = learner["objective"]["name"]
    log.logger.info(f"Model objective : {objective}")
    return Model(
        booster,
        objective,
        int(learner["learner_model_param"].get("num_class", 0)),
        booster.num_features(),
        learner["gradient_booster"]["name"] == "gblinear",
    )


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
    """
    if not body:
        return Response(204)
    try:
        features = decoder.parse(body, content_type)
    except (decoder.UnreadablePayload, UserError) as error:
        return _refusal(415, str(error))
    try:
        predictions = model.predict(features)
    except (xgboost.core.XGBoostError, ValueError) as error:
        reason = library.plain_message(error)
        return _refusal(400, f"Unable to evaluate payload provided: {reason}")
    try:
        if settings.one_line and not settings.selected_keys:
            accepted = "text/csv"
        else:
            accepted = encoder.accept_type(accept, settings.default_accept)
        text = _encode(model, settings, predictions, accepted)
    except NotAcceptable as error:
        return _refusal(406, str(error))
    except NotEncodable as error:
        return _refusal(500, str(error))
    charset = "; charset=utf-8" if accepted.startswith("text/") else ""
    return Response(200, text, accepted + charset)


def _encode(
    model: Model, settings: Settings, predictions: np.ndarray, accept: str
) -> str | bytes:
    keys = settings.selected_keys
    if keys:
        rows = encoder.select(predictions, keys, model.objective, model.classes)
        return encoder.encode_selected(rows, keys, accept, settings.batch)
    if settings.batch:
        return encoder.batch_text(predictions)
    if settings.one_line:
        return encoder.one_line(predictions)
    return encoder.encode(predictions, accept)


def _refusal(status: int, text: str) -> Response:
    log.logger.error(text)
    return Response(status, text)


def main() -> int:
    """Serve until SIGTERM, as the container contract says; returns 0."""
    log.configure()
    settings = read_settings(os.environ)
    return contract.serve(
        load_model,
        lambda model, *request: invoke(model, settings, *request),
        log.logger,
    )
