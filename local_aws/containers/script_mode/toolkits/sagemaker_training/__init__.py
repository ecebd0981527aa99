"""What scripts import of the toolkit that starts them in AWS's images.

A script that names it is to run unchanged: here is what such scripts ask it. Imports
nothing of this project, since scripts import it too.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sagemaker_training.environment import Environment


def training_env() -> "Environment":
    """What is known of this training."""
    from sagemaker_training.environment import Environment

    return Environment()
