"""Media types by name."""

from sagemaker_containers.beta.framework.content_types import (
    ANY,
    CSV,
    JSON,
    NPY,
    OCTET_STREAM,
    UTF8_TYPES,
)

__all__ = ["ANY", "CSV", "JSON", "NPY", "OCTET_STREAM", "UTF8_TYPES"]
