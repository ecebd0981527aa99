"""The user's script: its functions, called as the toolkits call them.

Sources: aws/sagemaker-containers (scikit-learn's image) and
aws/sagemaker-inference-toolkit (PyTorch's) on GitHub, for names, signatures and what
follows from what.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

from local_aws.containers.asgi import Response

# Of these, a body reaches the script as text.
TEXT_TYPES = ("application/json", "text/csv")


@dataclass(frozen=True)
class Request:
    """One POST /invocations; the names of its headers are in small letters."""

    body: bytes
    headers: Mapping[str, str]
    default_accept: str

    @property
    def content_type(self) -> str | None:
        return self.headers.get("content-type")

    @property
    def accept(self) -> str:
        """The media type that the client wants, as the script is given it."""
        asked = self.headers.get("accept")
        return self.default_accept if asked in (None, "", "*/*") else asked


class Toolkit(Protocol):
    """How an image's toolkit uses the functions of a script."""

    longest_body: float

    def load(self, model_folder: str) -> None:
        """Load the model by model_fn; raises what it raises."""

    def respond(self, request: Request) -> Response:
        """Decode, predict and encode; raises nothing but SystemExit."""

    def execution_parameters(self) -> Response:
        """The response to GET /execution-parameters."""


@dataclass(frozen=True)
class Functions:
    """A script's functions, or the defaults of those that it does not have."""

    model_fn: Callable
    input_fn: Callable
    predict_fn: Callable
    output_fn: Callable
    transform_fn: Callable | None


def find_functions(module: ModuleType | None, defaults: Any) -> Functions:
    """The functions of a script. Raises ValueError for transform_fn beside what it
    stands for.

    defaults: has default_model_fn, and so on.
    """
    own = {
        name: getattr(module, name, None)
        for name in ("model_fn", "input_fn", "predict_fn", "output_fn", "transform_fn")
    }
    if own["transform_fn"] and any(
        own[name] for name in ("input_fn", "predict_fn", "output_fn")
    ):
        raise ValueError(
            "Cannot use transform_fn implementation with input_fn, predict_fn, and/or "
            "output_fn"
        )
    return Functions(
        **{
            name: function or getattr(defaults, f"default_{name}", None)
            for name, function in own.items()
        }
    )
