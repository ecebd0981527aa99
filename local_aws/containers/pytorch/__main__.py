"""`python -m local_aws.containers.pytorch train` (or `serve`), as an image is run."""

import sys

from local_aws.containers import contract


def main(arguments: list[str]) -> int:
    """Run one of the two programs; returns the process's exit code."""
    return contract.run("local_aws.containers.pytorch", arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
