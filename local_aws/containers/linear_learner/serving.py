"""The image's `serve` program: /ping, /invocations and /execution-parameters."""

import os
from pathlib import Path

from local_aws.containers import asgi
from local_aws.containers.asgi import Answer
from local_aws.containers.linear_learner import decoder, encoder, log, model
from local_aws.containers.linear_learner.encoder import NotAcceptable
from local_aws.containers.linear_learner.model import LinearModel, ModelNotLoaded

# All that a client is told of a payload that is refused; the log has the reason.
_REFUSED = "unable to evaluate payload provided"


def invoke(
    loaded: LinearModel | ModelNotLoaded,
    batch: bool,
    body: bytes,
    content_type: str | None,
    accept: str | None,
) -> Answer:
    """The answer to one POST /invocations.

    batch: whether the server works for a transform job. content_type and accept: the
    request's headers, or None.
    """
    if isinstance(loaded, ModelNotLoaded):
        return _refusal(500, f"Unable to load model: {loaded}", str(loaded))
    try:
        features = decoder.parse(body, content_type, len(loaded.weights))
        scores = loaded.scores(features)
    except decoder.UnsupportedContentType as error:
        return _refusal(415, _REFUSED, str(error))
    except (decoder.UnreadablePayload, ValueError) as error:
        return _refusal(400, _REFUSED, str(error))
    try:
        accepted = encoder.accept_type(accept, batch)
    except NotAcceptable as error:
        return _refusal(406, str(error), str(error))
    return Answer(200, encoder.encode(scores, accepted), accepted)


def _refusal(status: int, text: str, reason: str) -> Answer:
    log.get().error(f"Customer Error: {reason}" if status < 500 else reason)
    return Answer(status, text)


def ping(loaded: LinearModel | ModelNotLoaded) -> Answer:
    """200 when there is a model, 500 and the reason when there is none."""
    if isinstance(loaded, ModelNotLoaded):
        return Answer(500, f"Unable to load model: {loaded}")
    return Answer(200)


def main() -> int:
    """Serve the model of SAGEMAKER_BASE_DIR/model until SIGTERM; returns 0."""
    logger = log.configure()
    root = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    batch = bool(os.environ.get("SAGEMAKER_BATCH"))
    limit = int(os.environ.get("MAX_CONTENT_LENGTH", asgi.DEFAULT_MAX_CONTENT_LENGTH))
    loaded: LinearModel | ModelNotLoaded
    try:
        logger.info(f"Loading the model from {root / 'model' / model.NAME}")
        loaded = model.load(root / "model")
    except ModelNotLoaded as error:
        # It stays up and says so to every request, as AWS's other images do.
        logger.error(f"Unable to load model: {error}")
        loaded = error
    application = asgi.Application(
        lambda: ping(loaded),
        lambda body, content_type, accept: invoke(
            loaded, batch, body, content_type, accept
        ),
        limit,
    )
    asgi.serve(application, os.environ)
    return 0
