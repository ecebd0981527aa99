"""Run by the interpreter of a model's own environment: `worker.main`.

That interpreter does not find this project; only this program makes it known, and takes
the way to it back, so that a script finds what is installed and nothing of ours.
"""

import sys
from pathlib import Path

_FOLDER = Path(__file__).resolve().parent


def main() -> int:
    """Serve; returns the exit code."""
    sys.path[0] = str(_FOLDER.parents[2])
    from local_aws.containers.script_mode import worker

    del sys.path[0]
    return worker.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
