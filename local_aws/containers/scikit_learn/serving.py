"""`serve`: the user's script behind a server."""

from local_aws.containers.script_mode.serving import ScriptServer


def main() -> int:
    """Serve until SIGTERM; returns the exit code."""
    return ScriptServer("local_aws.containers.scikit_learn.toolkit").main()
