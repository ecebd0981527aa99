"""Training by a script that the hyperparameters name, as AWS's toolkit does it.

`sagemaker_program` is the script and `sagemaker_submit_directory` the archive in S3, or
the folder, that it is in. It runs in /opt/ml/code, after what requirements.txt there
asks for has been installed.

Source: the toolkit's public source (github.com/aws/sagemaker-training-toolkit).
"""

import json
import logging
import os
import re
import shlex
import shutil
import tarfile
from pathlib import Path

from local_aws.containers import contract, tracebacks
from local_aws.containers.contract import Failure
from local_aws.containers.script_mode import processes, sources
from local_aws.containers.script_mode.toolkits.sagemaker_training.environment import (
    Environment,
)

logger = logging.getLogger("sagemaker-training-toolkit")

# How much of the output of a command that has failed is told.
LAST_LINES = 5

_INVOCATION = """Invoking user script

Training Env:

{described}

Environment variables:

{variables}

Invoking script with the following command:

{command}

"""


class _ClientError(Exception):
    """The user's code or settings are at fault; the text is the failure's."""


class _CommandFailed(_ClientError):
    """A command of the user's has ended with an error."""

    def __init__(self, kind: str, code: int, command: str, message: str) -> None:
        super().__init__(
            f'{kind}:\nExitCode {code}\nErrorMessage "{message}"\nCommand "{command}"'
        )


def main(framework_module: str) -> int:
    """Run the script; returns the process's exit code.

    framework_module: what AWS's image tells the script of its own program.
    """

    def program(folder: Path) -> None:
        environment = Environment(framework_module)
        line_format = "%(asctime)s %(name)-12s %(levelname)-8s %(message)s"
        contract.configure_log(logger, line_format)
        logger.setLevel(environment.log_level)
        logger.info("Imported framework %s", framework_module.partition(":")[0])
        _run(environment)
        logger.info("Reporting training SUCCESS")
        (folder / "output/success").touch()

    return contract.train(program, _describe)


def _describe(error: Exception) -> Failure:
    logger.error("Reporting training FAILURE")
    if isinstance(error, _ClientError):
        logger.error("%s", error)
        return Failure(str(error), 1)
    text = f"Framework Error: \n{tracebacks.text(error)}\n{error}"
    logger.error("%s", text)
    return Failure(text, 1)


def _run(environment: Environment) -> None:
    folder = environment.code_folder
    _fetch_code(environment)
    script = folder / environment.program
    if not script.is_file() or not _is_in(folder, script):
        raise _ClientError(
            f"The entry point {environment.program} (hyperparameter sagemaker_program) "
            f"is not in the code: {environment.submit_directory} holds "
            f"{', '.join(sorted(os.listdir(folder))) or 'nothing'}."
        )
    _install(folder)
    os.environ.update(environment.variables)
    command = _command(folder, environment)
    logger.info(
        "%s",
        _INVOCATION.format(
            described=json.dumps(environment.described, indent=4),
            variables="\n".join(f"{k}={v}" for k, v in environment.variables.items()),
            command=shlex.join(command),
        ),
    )
    _check("ExecuteUserScriptError", command, folder)


def _is_in(folder: Path, script: Path) -> bool:
    """Whether the script is in the folder: a file of this machine is nobody's code."""
    return script.resolve().is_relative_to(folder.resolve())


def _fetch_code(environment: Environment) -> None:
    source = environment.submit_directory
    if environment.program is None or source is None:
        missing = "sagemaker_submit_directory"
        if environment.program is None:
            missing = "sagemaker_program"
        raise _ClientError(
            f"This image runs a script of yours, and the hyperparameter {missing} that "
            "says which is missing. The SageMaker Python SDK sends it, or a command "
            "of its own, if it is given the script: source_code=SourceCode(source_dir="
            "..., entry_script=...) of ModelTrainer."
        )
    try:
        sources.provide(environment.folder, source, "sagemaker_submit_directory")
    except (FileNotFoundError, tarfile.TarError) as error:
        raise _ClientError(f"The code can't be fetched: {error}") from error


def _install(folder: Path) -> None:
    """Have pip install what the code needs, and the code if it is a package."""
    wanted = []
    if (folder / "setup.py").is_file():
        wanted.append(".")
    if (folder / "requirements.txt").is_file():
        wanted += ["-r", "requirements.txt"]
    if wanted:
        command = [_python(), "-m", "pip", "install", *wanted]
        logger.info("Installing dependencies with: %s", shlex.join(command))
        _check("InstallRequirementsError", command, folder)


def _command(folder: Path, environment: Environment) -> list[str]:
    program, arguments = environment.program, environment.arguments
    if (folder / "setup.py").is_file():
        module = program.removesuffix(".py").replace("/", ".")
        return [_python(), "-m", module, *arguments]
    if program.endswith(".py"):
        return [_python(), program, *arguments]
    _refuse_opt_ml(folder / program)
    (folder / program).chmod(0o700)
    return ["/bin/sh", "-c", shlex.join([f"./{program}", *arguments])]


def _refuse_opt_ml(script: Path) -> None:
    """Raise for a shell script that names the folder for which there is another."""
    code = script.read_text(encoding="utf-8", errors="replace")
    if contract.base_folder() != Path("/opt/ml") and re.search(r"/opt/ml\b", code):
        raise _ClientError(
            f"The script {script.name} names /opt/ml itself, and this local stand-in "
            "has another folder in its place. Use $SM_MODEL_DIR, $SM_CHANNEL_TRAIN and "
            "the other SM_ variables, which are right on AWS too."
        )


def _python() -> str:
    """The container's own, not the one that runs this."""
    return shutil.which("python3")


def _check(kind: str, command: list[str], folder: Path) -> None:
    code, last_lines = processes.run_and_remember(command, folder)
    if code != 0:
        raise _CommandFailed(kind, code, shlex.join(command), _message(last_lines))


def _message(text: str) -> str:
    """Python's last error in a text, without its traceback, or its last lines."""
    _, is_traceback, rest = text.rpartition("Traceback (most recent call last):")
    lines = (rest if is_traceback else text).strip("\n").splitlines()
    if is_traceback:
        frames = [n for n, line in enumerate(lines) if line.startswith("  ")]
        return "\n".join(lines[frames[-1] + 1 if frames else 0 :])
    return "\n".join(lines[-LAST_LINES:])
