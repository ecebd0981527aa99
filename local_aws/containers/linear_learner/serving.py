"""The image's `serve` program: /ping, /invocations and /execution-parameters."""

import os

from local_aws.containers import contract
from local_aws.containers.asgi import Response
from local_aws.containers.linear_learner import decoder, encoder, log, model
from local_aws.containers.linear_learner.encoder import NotAcceptable
from local_aws.containers.linear_learner.model import LinearModel

# All that a client sees of why a payload is refused; the log has the reason.
_REFUSED = "unable to evaluate payload provided"


def invoke(
    loaded: LinearModel,
    batch: bool,
    body: bytes,
    content_type: str | None,
    accept: str | None,
) -> Response:
    """The response to one POST /invocations.

    batch: whether the server works for a transform job. content_type and accept: the
    request's headers, or None.
    """
    try:
        features = decoder.parse(body, content_type, len(loaded.weights))
        scores = loaded.scores(features)
    except decoder.UnsupportedContentType as error:
        return _refusal(415, _REFUSED, str(error))
    except (decoder.UnreadablePayload, ValueError) as error:
        return _refusal(400, _REFUSED, str(error))
    try:
        accepted = encoder.accept_type(accept, batch, loaded.predictor_type)
    except NotAcceptable as error:
        return _refusal(406, str(error), str(error))
    labels = loaded.predicted_labels(scores)
    return Response(200, encoder.encode(scores, labels, accepted), accepted)


def _refusal(status: int, text: str, reason: str) -> Response:
    log.logger.error(f"Customer Error: {reason}")
    return Response(status, text)


def main() -> int:
    """Serve until SIGTERM, as the container contract says; returns the exit code."""
    log.configure()
    batch = bool(os.environ.get("SAGEMAKER_BATCH"))
    return contract.serve(
        model.load, lambda loaded, *request: invoke(loaded, batch, *request), log.logger
    )
