"""Refusals in the words of the JSON schema checker that AWS's algorithms use."""

from collections.abc import Callable
from typing import Any

from local_aws.containers.linear_learner.errors import CustomerError

Formats = dict[str, Callable[[Any], bool]]


def refusal(
    schema: dict[str, Any],
    instance: dict[str, Any],
    formats: Formats | None = None,
    message: str | None = None,
) -> CustomerError:
    """The error for the first thing in which `instance` breaks `schema`.

    formats: what the schema's own values of "format" mean. message: what stands in
    front of the checker's message, which is then only the cause. ValueError if
    nothing is broken.
    """
    # Imported only to word a refusal: with the packages that it finds here for its
    # own formats it takes most of a second.
    import jsonschema

    checker = jsonschema.FormatChecker(formats=())
    for name, accepts in (formats or {}).items():
        checker.checks(name)(accepts)
    validator = jsonschema.Draft7Validator(schema, format_checker=checker)
    for error in validator.iter_errors(instance):
        return CustomerError(message, caused_by=error)
    raise ValueError("the instance fits the schema")
