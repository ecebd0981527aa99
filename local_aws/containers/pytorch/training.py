"""`train`: the user's script, as the hyperparameters name it."""

from local_aws.containers.script_mode import training


def main() -> int:
    """Run the script; returns the process's exit code."""
    return training.main("sagemaker_pytorch_container.training:main")
