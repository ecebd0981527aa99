"""Metrics of the user's own: a name, and a regex with a group for the value.

How many there may be and how long they are is in the service model. AWS's texts for the
rest are not public.
"""

import regex

from local_aws.errors import validation_exception
from local_aws.sagemaker import preconditions


def check(algorithm: dict) -> None:
    """Raise for MetricDefinitions that can't find anything."""
    definitions = algorithm.get("MetricDefinitions", [])
    preconditions.check_unique(
        "The names of metric definitions", [one["Name"] for one in definitions]
    )
    for one in definitions:
        try:
            groups = regex.compile(one["Regex"]).groups
        except regex.error as error:
            raise validation_exception(
                f"The Regex of metric [{one['Name']}], [{one['Regex']}], isn't a "
                f"regular expression: {error}."
            ) from error
        if groups == 0:
            raise validation_exception(
                f"The Regex of metric [{one['Name']}], [{one['Regex']}], has no group. "
                "Put the part that is the metric's value in parentheses, as in "
                "accuracy=([0-9.]+)."
            )
