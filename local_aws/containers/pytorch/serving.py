"""`serve`: the user's script, or a TorchScript model without one, behind a server."""

from local_aws.containers.script_mode.serving import ScriptServer


def main() -> int:
    """Serve until SIGTERM; returns the exit code."""
    module = "local_aws.containers.pytorch.toolkit"
    return ScriptServer(module, code_in_model=True).main()
