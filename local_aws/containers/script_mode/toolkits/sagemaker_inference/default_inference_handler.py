"""The handlers that a script's class may extend."""

from typing import Any

from sagemaker_inference import decoder, encoder

_DOCUMENTATION = "https://sagemaker.readthedocs.io/en/stable/"


class DefaultInferenceHandler:
    """Decodes and encodes; a model and how it predicts are the script's."""

    def default_model_fn(self, model_dir: str) -> Any:
        """Raises NotImplementedError."""
        raise NotImplementedError(
            "\nPlease provide a model_fn implementation.\n"
            f"See documentation for model_fn at {_DOCUMENTATION}\n"
        )

    def default_input_fn(self, input_data: str | bytes, content_type: str) -> Any:
        """The array of a body."""
        return decoder.decode(input_data, content_type)

    def default_predict_fn(self, data: Any, model: Any) -> Any:
        """Raises NotImplementedError."""
        raise NotImplementedError(
            "\nPlease provide a predict_fn implementation.\n"
            f"See documentation for predict_fn at {_DOCUMENTATION}\n"
        )

    def default_output_fn(self, prediction: Any, accept: str) -> Any:
        """The body of a prediction, and its media type."""
        return encoder.encode(prediction, accept), accept
