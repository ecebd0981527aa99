"""How AWS's image of scikit-learn uses a script's functions, and its defaults for them.

Sources: aws/sagemaker-scikit-learn-container and aws/sagemaker-containers on GitHub. A
script's error reaches the client as a page that says nothing of it; the log has its
traceback. Unlike there, an array in the NPY format may hold no pickled objects.
"""

import importlib
import json
import logging
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from sagemaker_containers.beta.framework import content_types, encoders, worker
from werkzeug.wrappers import Response as WerkzeugResponse

from local_aws.containers.asgi import INTERNAL_ERROR, Response
from local_aws.containers.script_mode.script import (
    TEXT_TYPES,
    Request,
    find_functions,
)
from local_aws.containers.script_mode.settings import Settings
from local_aws.containers.script_mode.traces import trace

_NOT_VALID = (
    "The view function did not return a valid response. The return type must be a "
    "string, dict, list, tuple with headers or status, Response instance, or WSGI "
    "callable, but it was a {}."
)
_NOTHING = (
    "The view function for 'invocations' did not return a valid response. The function "
    "either returned None or ended without a return statement."
)


def default_model_fn(model_dir: str) -> Any:
    """Raises NotImplementedError: only the script knows what its model is."""
    raise NotImplementedError(
        "\nPlease provide a model_fn implementation.\nSee documentation for model_fn "
        "at https://github.com/aws/sagemaker-python-sdk\n"
    )


def default_input_fn(input_data: str | bytes, content_type: str) -> np.ndarray:
    """The array of a body in csv, JSON (both float32) or NPY."""
    array = encoders.decode(input_data, content_type)
    return array.astype(np.float32) if content_type in TEXT_TYPES else array


def default_predict_fn(input_data: Any, model: Any) -> Any:
    """The model's own predict."""
    return model.predict(input_data)


def default_output_fn(prediction: Any, accept: str) -> worker.Response:
    """The prediction in csv, JSON or NPY."""
    return worker.Response(encoders.encode(prediction, accept), mimetype=accept)


def toolkit(settings: Settings) -> "SklearnToolkit":
    """The toolkit over the script; raises what its import raises."""
    return SklearnToolkit(settings)


class SklearnToolkit:
    """A script's functions behind a Flask application."""

    longest_body = math.inf

    def __init__(self, settings: Settings) -> None:
        if settings.module is None:
            raise ValueError(
                "The environment has no SAGEMAKER_PROGRAM, which names the script."
            )
        self._log = logging.getLogger(settings.module)
        self._script = importlib.import_module(settings.module)
        self._functions = find_functions(
            self._script, importlib.import_module(__name__)
        )
        self._model: Any = None

    def load(self, model_folder: str) -> None:
        """Load the model by model_fn; raises what it raises."""
        self._model = self._functions.model_fn(model_folder)

    def respond(self, request: Request) -> Response:
        """Decode, predict and encode."""
        try:
            return _response(self._result(request))
        except Exception as error:  # noqa: BLE001  the server goes on
            self._log.error("Exception on /invocations [POST]\n%s", trace(error))
            return INTERNAL_ERROR

    def _result(self, request: Request) -> Any:
        content_type = request.content_type or content_types.JSON
        content: str | bytes = request.body
        if content_type in TEXT_TYPES:
            content = request.body.decode("utf-8", errors="replace")
        functions = self._functions
        if functions.transform_fn:
            result = functions.transform_fn(
                self._model, content, content_type, request.accept
            )
        else:
            data = functions.input_fn(content, content_type)
            prediction = functions.predict_fn(data, self._model)
            result = functions.output_fn(prediction, request.accept)
        if isinstance(result, tuple):
            return worker.Response(result[0], mimetype=result[1])
        return result

    def execution_parameters(self) -> Response:
        """What the script's execution_parameters_fn returns, if it has one."""
        function = getattr(self._script, "execution_parameters_fn", None)
        if function is None:
            return Response(404, "Not Found")
        try:
            return _response(function())
        except Exception as error:  # noqa: BLE001  the server goes on
            self._log.error(
                "Exception on /execution-parameters [GET]\n%s", trace(error)
            )
            return INTERNAL_ERROR


def _response(result: Any) -> Response:
    """What Flask makes of what a view has returned; raises TypeError."""
    if isinstance(result, WerkzeugResponse):
        headers = {
            name: value
            for name, value in result.headers.items()
            if name.lower() not in ("content-type", "content-length")
        }
        content_type = result.headers.get("Content-Type", "")
        return Response(result.status_code, result.get_data(), content_type, headers)
    if isinstance(result, (str, bytes, bytearray)):
        return Response(200, result if isinstance(result, str) else bytes(result))
    if isinstance(result, (dict, list)):
        text = json.dumps(result, separators=(",", ":")) + "\n"
        return Response(200, text, "application/json")
    if isinstance(result, Iterator):
        parts = (p.encode() if isinstance(p, str) else p for p in result)
        return Response(200, b"".join(parts))
    if result is None:
        raise TypeError(_NOTHING)
    raise TypeError(_NOT_VALID.format(type(result).__name__))
