"""How AWS's image of PyTorch uses a script's functions, and its defaults for them.

Sources: aws/sagemaker-pytorch-inference-toolkit and aws/sagemaker-inference-toolkit on
GitHub. A script's error reaches the client with its traceback, which the log has too.
"""

import importlib
import importlib.util
import inspect
import json
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from sagemaker_inference import content_types, decoder, encoder, utils
from sagemaker_inference.errors import (
    BaseInferenceToolkitError,
    UnsupportedFormatError,
)

from local_aws.containers import contract
from local_aws.containers.asgi import Response
from local_aws.containers.script_mode.script import (
    TEXT_TYPES,
    Request,
    find_functions,
)
from local_aws.containers.script_mode.settings import Settings
from local_aws.containers.script_mode.traces import trace

DEFAULT_MODULE = "inference"
DEFAULT_MODEL = "model.pt"

# TorchServe's limit of a body; TS_MAX_REQUEST_SIZE is another.
LONGEST_BODY = 6_553_500


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def default_model_fn(model_dir: str) -> Any:
    """The TorchScript model in model.pt, or in the only .pt or .pth file."""
    path = Path(model_dir, DEFAULT_MODEL)
    if not path.exists():
        found = [
            file.name
            for file in Path(model_dir).iterdir()
            if file.is_file() and file.suffix in (".pt", ".pth")
        ]
        if len(found) != 1:
            raise ValueError(
                "Exactly one .pth or .pt file is required for PyTorch models: "
                f"{sorted(found)}"
            )
        path = Path(model_dir, found[0])
    try:
        return torch.jit.load(str(path), map_location=_device())
    except RuntimeError as error:
        raise RuntimeError(
            f"Failed to load {path}. Please ensure model is saved using torchscript."
        ) from error


def default_input_fn(input_data: str | bytes, content_type: str) -> torch.Tensor:
    """The tensor of a body in csv, JSON (both float32) or NPY."""
    array = decoder.decode(input_data, content_type)
    if content_type in TEXT_TYPES:
        return torch.tensor(array, dtype=torch.float32).to(_device())
    return torch.from_numpy(array).to(_device())


def default_predict_fn(data: torch.Tensor, model: Any) -> Any:
    """What the model makes of the tensor, without gradients."""
    with torch.no_grad():
        model = model.to(_device())
        model.eval()
        return model(data.to(_device()))


def default_output_fn(prediction: Any, accept: str) -> str | bytes:
    """The prediction in the first of the accepted types that has an encoder."""
    if isinstance(prediction, torch.Tensor):
        prediction = prediction.detach().cpu().numpy().tolist()
    for content_type in utils.parse_accept(accept):
        if content_type in encoder.SUPPORTED_CONTENT_TYPES:
            return encoder.encode(prediction, content_type)
    raise UnsupportedFormatError(accept)


def toolkit(settings: Settings) -> "PyTorchToolkit":
    """The toolkit over the script, if there is one; raises what its import raises."""
    return PyTorchToolkit(settings)


class Context:
    """What a function with one parameter more is given: the request, and the response.

    It has what scripts use of TorchServe's context.
    """

    def __init__(self, model_folder: str) -> None:
        self.system_properties = {"model_dir": model_folder, "gpu_id": None}
        self.manifest: dict[str, Any] = {}
        self.begin({})

    def begin(self, headers: Mapping[str, str]) -> None:
        """Forget the request before."""
        self._request_headers = headers
        self.status: int | None = None
        self.content_type: str | None = None
        self.headers: dict[str, str] = {}

    def get_request_header(self, idx: int, key: str) -> str | None:
        """A header of the request."""
        return self._request_headers.get(key.lower())

    def get_all_request_header(self, idx: int) -> dict[str, str]:
        """All headers of the request."""
        return dict(self._request_headers)

    def set_response_content_type(self, idx: int, value: str) -> None:
        """Say what the response is."""
        self.content_type = value

    def set_response_header(self, idx: int, key: str, value: str) -> None:
        """Give the response a header."""
        self.headers[key] = value

    def set_response_status(
        self, code: int = 200, phrase: str = "", idx: int = 0
    ) -> None:
        """Give the response another status."""
        self.status = code


class PyTorchToolkit:
    """A script's functions behind a handler of TorchServe's."""

    def __init__(self, settings: Settings) -> None:
        name = settings.module or DEFAULT_MODULE
        self._log = logging.getLogger(name)
        self.longest_body = float(os.environ.get("TS_MAX_REQUEST_SIZE", LONGEST_BODY))
        script = None
        if importlib.util.find_spec(name) is not None:
            script = importlib.import_module(name)
        self._functions = find_functions(script, importlib.import_module(__name__))
        self._model: Any = None
        self._context = Context("")

    def load(self, model_folder: str) -> None:
        """Load the model by model_fn; raises what it raises."""
        self._context = Context(model_folder)
        self._model = self._call(self._functions.model_fn, model_folder)

    def _call(self, function: Callable, *arguments: Any) -> Any:
        """Call a function of the script, with the context if it takes it."""
        wanted = len(inspect.signature(function).parameters)
        if wanted == len(arguments) + 1:
            return function(*arguments, self._context)
        if wanted != len(arguments):
            raise TypeError(
                f"{function.__name__} takes {wanted} arguments but {len(arguments)} "
                "were given."
            )
        return function(*arguments)

    def respond(self, request: Request) -> Response:
        """Decode, predict and encode."""
        context = self._context
        context.begin(request.headers)
        try:
            result = self._result(request)
        except Exception as error:  # noqa: BLE001  the server goes on
            return self._refusal(error)
        content_type = context.content_type or request.accept
        if isinstance(result, tuple):
            result, content_type = result[0], result[1] or request.accept
        if not isinstance(result, (str, bytes, bytearray)):
            try:
                result = json.dumps(result, indent=2)
            except TypeError:
                self._log.warning("Unable to serialize model output.", exc_info=True)
                text = "Unsupported model output data type."
                return Response(503, text, "text/plain")
        body = result if isinstance(result, str) else bytes(result)
        return Response(context.status or 200, body, content_type, context.headers)

    def _result(self, request: Request) -> Any:
        content_type, accept = request.content_type, request.accept
        content: str | bytes = request.body
        if content_type in content_types.UTF8_TYPES:
            content = request.body.decode("utf-8")
        functions, model = self._functions, self._model
        if functions.transform_fn:
            return self._call(
                functions.transform_fn, model, content, content_type, accept
            )
        data = self._call(functions.input_fn, content, content_type)
        prediction = self._call(functions.predict_fn, data, model)
        return self._call(functions.output_fn, prediction, accept)

    def _refusal(self, error: Exception) -> Response:
        text = trace(error)
        self._log.error("Transform failed for model: model\n%s", text)
        status, message = 500, str(error)
        if isinstance(error, BaseInferenceToolkitError):
            status, message = error.status_code, error.message
        # The client is no part of this machine.
        said = f"{message}\n{text}".replace(str(contract.base_folder()), "/opt/ml")
        return Response(status, said, "text/plain; charset=utf-8")

    def execution_parameters(self) -> Response:
        """What TorchServe says to a transform job."""
        parameters = {
            "MaxConcurrentTransforms": 1,
            "BatchStrategy": "MULTI_RECORD",
            "MaxPayloadInMB": int(self.longest_body // 1024**2),
        }
        return Response(200, json.dumps(parameters), "application/json")
