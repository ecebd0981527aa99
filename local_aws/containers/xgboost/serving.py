"""The image's `serve` program: /ping, /invocations and /execution-parameters.

A plain ASGI application, since one prediction takes less than any framework's routing.
"""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from local_aws.containers.xgboost import (
    answer,
    content_types,
    library,
    log,
    payload,
    versions,
)
from local_aws.containers.xgboost.answer import NotAcceptable, NotEncodable
from local_aws.containers.xgboost.errors import UserError
from local_aws.containers.xgboost.versions import Version

xgboost = library.load()

# A body from which on the work is done beside the event loop, so that /ping is
# answered within its two seconds.
_LARGE_BODY = 64 * 1024

_TOO_LARGE = """<!doctype html>
<html lang=en>
<title>413 Request Entity Too Large</title>
<h1>Request Entity Too Large</h1>
<p>The data value transmitted exceeds the capacity limit.</p>
"""

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class ModelNotLoaded(Exception):
    """There is no model that xgboost can read."""


@dataclass(frozen=True)
class Settings:
    """What the environment says. Sizes in bytes."""

    max_content_length: int = 6 * 1024**2
    batch: bool = False
    default_accept: str | None = None
    selected_keys: list[str] = field(default_factory=list)
    ensemble: bool = True
    version: Version = versions.NEWEST


def read_settings(environment: dict[str, str]) -> Settings:
    """The settings of an environment, each with the image's default."""
    keys = environment.get("SAGEMAKER_INFERENCE_OUTPUT", "")
    return Settings(
        max_content_length=int(environment.get("MAX_CONTENT_LENGTH", 6 * 1024**2)),
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

    def predict(self, features: payload.Features) -> np.ndarray:
        """(rows,) or (rows, classes) float32; the mean, or the vote, of all boosters.

        Raises XGBoostError when the number of columns does not fit the model.
        """
        all_predictions = [self._predict_one(b, features) for b in self.boosters]
        if len(all_predictions) == 1:
            return all_predictions[0]
        if self.objective in ("multi:softmax", "binary:hinge"):
            return np.apply_along_axis(_most_frequent, 0, np.stack(all_predictions))
        return np.mean(all_predictions, axis=0)

    def _predict_one(self, booster: Any, features: payload.Features) -> np.ndarray:
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


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; text/html is what the image's errors are sent as."""

    status: int
    body: str | bytes = ""
    content_type: str = "text/html; charset=utf-8"


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
        features = payload.parse(body, content_type)
    except (payload.UnreadablePayload, UserError) as error:
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
            accepted = answer.accept_type(accept, settings.default_accept)
        text = _encode(model, settings, predictions, accepted)
    except NotAcceptable as error:
        return _refusal(406, str(error))
    except NotEncodable as error:
        return _refusal(500, str(error))
    charset = "; charset=utf-8" if accepted.startswith("text/") else ""
    return Answer(200, text, accepted + charset)


def _count_features(
    model: Model, features: payload.Features, content_type: str | None
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
        rows = answer.select(predictions, keys, model.objective, model.classes)
        return answer.encode_selected(rows, keys, accept, settings.batch)
    if settings.batch:
        return answer.batch_text(predictions)
    if settings.version.answers_on_one_line:
        return answer.one_line(predictions)
    return answer.encode(predictions, accept)


def _refusal(status: int, text: str) -> Answer:
    log.get().error(text)
    return Answer(status, text)


class Application:
    """The ASGI application around one model."""

    def __init__(self, model: Model | ModelNotLoaded, settings: Settings) -> None:
        self.model = model
        self.settings = settings
        # As many as can work at once: more would only hold more tables in memory.
        self._threads = ThreadPoolExecutor(os.cpu_count() or 1)
        self._routes = {
            "/ping": ("GET", self._ping),
            "/execution-parameters": ("GET", self._execution_parameters),
            "/invocations": ("POST", self._invocations),
        }

    async def __call__(
        self, scope: dict[str, Any], receive: Receive, send: Send
    ) -> None:
        """Answer one HTTP request."""
        method, handler = self._routes.get(scope["path"], (None, None))
        if handler is None:
            result = Answer(404, "Not Found")
        elif scope["method"] != method and (scope["method"], method) != ("HEAD", "GET"):
            result = Answer(405, "Method Not Allowed")
        else:
            result = await handler(scope, receive)
        body = result.body
        content = body if isinstance(body, bytes) else body.encode()
        headers = []
        if result.status != 204:
            headers = [
                (b"content-type", result.content_type.encode("latin-1")),
                (b"content-length", str(len(content)).encode()),
            ]
        start = {"status": result.status, "headers": headers}
        await send({"type": "http.response.start", **start})
        await send({"type": "http.response.body", "body": content})

    async def _ping(self, scope: dict[str, Any], receive: Receive) -> Answer:
        if isinstance(self.model, ModelNotLoaded):
            return Answer(500, f"Unable to load model: {self.model}")
        return Answer(200)

    async def _execution_parameters(
        self, scope: dict[str, Any], receive: Receive
    ) -> Answer:
        parameters = {
            "MaxConcurrentTransforms": os.cpu_count() or 1,
            "BatchStrategy": "MULTI_RECORD",
            "MaxPayloadInMB": self.settings.max_content_length // 1024**2,
        }
        return Answer(200, json.dumps(parameters), "application/json")

    async def _invocations(self, scope: dict[str, Any], receive: Receive) -> Answer:
        body = await _read_body(receive, self.settings.max_content_length)
        if body is None:
            return Answer(413, _TOO_LARGE)
        headers = {
            name: value.decode("latin-1")
            for name, value in scope["headers"]
            if name in (b"content-type", b"accept")
        }
        request = (
            self.model,
            self.settings,
            body,
            headers.get(b"content-type"),
            headers.get(b"accept"),
        )
        if len(body) < _LARGE_BODY:
            return invoke(*request)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, invoke, *request)


async def _read_body(receive: Receive, limit: int) -> bytes | None:
    """The body, or None when it is longer than `limit` bytes.

    A body that is too long is read to its end all the same and thrown away: a client
    that is still sending would see a broken connection and not the answer.
    """
    chunks: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        chunk = message.get("body", b"")
        length += len(chunk)
        if length <= limit:
            chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks) if length <= limit else None


def main() -> int:
    """Serve the model of SAGEMAKER_BASE_DIR/model until SIGTERM; returns 0.

    Listens on the Unix socket SAGEMAKER_BIND_TO_UNIX_SOCKET (readable by this user
    only) if that is set, else on 127.0.0.1:SAGEMAKER_BIND_TO_PORT (8080).
    """
    import uvicorn

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
    config = uvicorn.Config(
        Application(model, settings),
        http="httptools",
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=10,
    )
    # uvicorn ends its work at SIGTERM and then raises the signal again.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with _listening_socket(dict(os.environ)) as listener:
        uvicorn.Server(config).run(sockets=[listener])
    return 0


def _listening_socket(environment: dict[str, str]) -> socket.socket:
    path = environment.get("SAGEMAKER_BIND_TO_UNIX_SOCKET")
    if not path:
        port = int(environment.get("SAGEMAKER_BIND_TO_PORT", "8080"))
        return socket.create_server(("127.0.0.1", port))
    Path(path).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(mask)
    listener.listen(1024)
    return listener
