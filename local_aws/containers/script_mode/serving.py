"""`serve` in an image that runs a script of the user's.

It fetches the code, installs what the code requires, and starts the interpreter of the
model's own environment, which imports the script (`worker`).
"""

import logging
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from local_aws.containers import contract
from local_aws.containers.script_mode import processes, sources
from local_aws.containers.script_mode.settings import Settings, read_settings

log = logging.getLogger("sagemaker-containers")

_WORKER = Path(__file__).with_name("worker_main.py")


@dataclass(frozen=True)
class ScriptServer:
    """How an image finds the script.

    toolkit: the module whose `toolkit` makes a Toolkit of settings. code_in_model:
    whether the code stays in the model's folder code/.
    """

    toolkit: str
    code_in_model: bool = False

    def main(self) -> int:
        """Serve until SIGTERM; returns the exit code."""
        line_format = "%(asctime)s %(levelname)s - %(name)s - %(message)s"
        contract.configure_log(log, line_format)
        folder = contract.base_folder()
        settings = read_settings(os.environ)
        with sources.only_one_container(folder):
            code = self._code(folder, settings)
            sources.translate_own_script_of_the_sdk(code, folder)
            if not install(code, folder / "requirements.installed"):
                return 1
        os.environ["SM_MODEL_DIR"] = str(folder / "model")
        return processes.run([interpreter(), str(_WORKER), self.toolkit, str(code)])

    def _code(self, folder: Path, settings: Settings) -> Path:
        in_model = folder / "model" / "code"
        if self.code_in_model and (
            in_model.is_dir() or not (settings.sources or "").startswith("s3://")
        ):
            return in_model
        if settings.sources:
            sources.provide(folder, settings.sources)
        return folder / "code"


def interpreter() -> str:
    """The container's own Python."""
    return shutil.which("python3") or sys.executable


def install(code: Path, done: Path) -> bool:
    """Install what the code asks for; whether that worked, which the log says too.

    done: says that it has been done before.
    """
    if done.exists() or not (code / "requirements.txt").is_file():
        return True
    command = [interpreter(), "-m", "pip", "install", "-r", "requirements.txt"]
    log.info("Installing module with the following command:\n%s", " ".join(command))
    if subprocess.run(command, cwd=code, check=False).returncode:
        log.error('InstallModuleError:\nCommand "%s"', " ".join(command))
        return False
    done.touch()
    return True
