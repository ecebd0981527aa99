"""A command in the place of an image's own program, as ContainerEntrypoint says it."""

import sys

from local_aws.containers.script_mode import processes


def main(arguments: list[str]) -> int:
    """Run the command; returns the process's exit code."""
    try:
        return processes.run(arguments)
    except OSError as error:
        print(f"{arguments[0]}: {error.strerror}", file=sys.stderr, flush=True)
        return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
