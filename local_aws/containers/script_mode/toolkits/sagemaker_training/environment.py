"""What AWS's training toolkit tells a script: its arguments and the SM_ variables.

Source: the toolkit's public source (github.com/aws/sagemaker-training-toolkit).
"""

import json
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

# Hyperparameters that are the toolkit's own, besides all with the prefix.
_PREFIX = "sagemaker_"
_OWN = (
    "sagemaker_program",
    "sagemaker_submit_directory",
    "sagemaker_enable_cloudwatch_metrics",
    "sagemaker_region",
    "sagemaker_container_log_level",
    "sagemaker_job_name",
    "sagemaker_s3_output",
    "default_user_module_name",
    "_tuning_objective_metric",
)

INFO = 20


class Environment:
    """All that is known of one training, from the files in input/config.

    What is `described` can be asked for as an attribute too.
    """

    def __init__(self, framework_module: str | None = None) -> None:
        """framework_module: of AWS's image; by default it is in the environment."""
        self.folder = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
        self.framework_module = framework_module or os.environ.get(
            "SM_FRAMEWORK_MODULE"
        )

    def __getattr__(self, name: str) -> Any:
        try:
            return self.described[name]
        except KeyError:
            raise AttributeError(name) from None

    def _read(self, name: str) -> dict[str, Any]:
        path = self.folder / "input/config" / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8"))

    @cached_property
    def _all_hyperparameters(self) -> dict[str, Any]:
        written = self._read("hyperparameters")
        return {name: _parsed(value) for name, value in written.items()}

    @cached_property
    def hyperparameters(self) -> dict[str, Any]:
        """The script's own."""
        return {
            name: value
            for name, value in self._all_hyperparameters.items()
            if not name.startswith(_PREFIX) and name not in _OWN
        }

    def _own(self, name: str, default: Any = None) -> Any:
        """A setting of the toolkit: a hyperparameter, or a variable in capitals."""
        found = self._all_hyperparameters.get(name)
        return os.environ.get(name.upper(), default) if found is None else found

    @property
    def program(self) -> str | None:
        """The script's name in the code."""
        found = self._own("sagemaker_program")
        return None if found is None else str(found)

    @property
    def submit_directory(self) -> str | None:
        """Where the code is: an archive in S3, or a folder."""
        return self._own("sagemaker_submit_directory")

    @property
    def log_level(self) -> int:
        """As Python's logging has it."""
        return int(self._own("sagemaker_container_log_level", INFO))

    @property
    def code_folder(self) -> Path:
        """Where the script runs."""
        return self.folder / "code"

    @cached_property
    def arguments(self) -> list[str]:
        """What the script is called with."""
        found = []
        for name, value in sorted(self.hyperparameters.items()):
            dashes = "--" if len(name) > 1 else "-"
            found += [f"{dashes}{name}", _argument(value)]
        return found

    @cached_property
    def described(self) -> dict[str, Any]:
        """What the log says of it, and SM_TRAINING_ENV."""
        resources, channels = (
            self._read("resourceconfig"),
            self._read("inputdataconfig"),
        )
        group = resources["current_group_name"]
        groups = {
            one["instance_group_name"]: one for one in resources["instance_groups"]
        }
        own = {
            name: value
            for name, value in self._all_hyperparameters.items()
            if name.startswith(_PREFIX) and name not in _OWN
        }
        program = self.program or os.environ.get("SM_ENTRY_SCRIPT", "")
        return {
            "additional_framework_parameters": own,
            "channel_input_dirs": {
                name: str(self.folder / "input/data" / name) for name in channels
            },
            "current_host": resources["current_host"],
            "current_instance_group": group,
            "current_instance_group_hosts": groups[group]["hosts"],
            "current_instance_type": resources["current_instance_type"],
            "distribution_hosts": [],
            "distribution_instance_groups": [],
            "framework_module": self.framework_module,
            "hosts": resources["hosts"],
            "hyperparameters": self.hyperparameters,
            "input_config_dir": str(self.folder / "input/config"),
            "input_data_config": channels,
            "input_dir": str(self.folder / "input"),
            "instance_groups": sorted(groups),
            "instance_groups_dict": groups,
            "is_hetero": False,
            "is_master": True,
            "job_name": self._own("sagemaker_job_name")
            or os.environ.get("TRAINING_JOB_NAME"),
            "log_level": self.log_level,
            "master_hostname": resources["hosts"][0],
            "model_dir": str(self.folder / "model"),
            "module_dir": self.submit_directory,
            "module_name": program.removesuffix(".py"),
            "network_interface_name": resources["network_interface_name"],
            "num_cpus": os.cpu_count(),
            "num_gpus": 0,
            "num_neurons": 0,
            "output_data_dir": str(self.folder / "output/data"),
            "output_dir": str(self.folder / "output"),
            "output_intermediate_dir": str(self.folder / "output/intermediate"),
            "resource_config": resources,
            "user_entry_point": program,
        }

    @cached_property
    def variables(self) -> dict[str, str]:
        """The SM_ variables."""
        described = self.described
        shown = {
            "hps": self.hyperparameters,
            "framework_params": described["additional_framework_parameters"],
            "channels": sorted(described["channel_input_dirs"]),
            "training_env": described,
            "user_args": self.arguments,
            **{name: described[name] for name in _SHOWN},
        }
        for name, path in described["channel_input_dirs"].items():
            shown[f"channel_{name}"] = path
        for name, value in self.hyperparameters.items():
            shown[f"hp_{name}"] = value
        return {f"SM_{name.upper()}": _variable(value) for name, value in shown.items()}


# Of what is described, those that have a variable of their own.
_SHOWN = (
    "hosts",
    "network_interface_name",
    "user_entry_point",
    "resource_config",
    "input_data_config",
    "output_data_dir",
    "current_host",
    "current_instance_type",
    "current_instance_group",
    "current_instance_group_hosts",
    "instance_groups",
    "instance_groups_dict",
    "distribution_instance_groups",
    "is_hetero",
    "module_name",
    "log_level",
    "framework_module",
    "input_dir",
    "input_config_dir",
    "output_dir",
    "num_cpus",
    "num_gpus",
    "num_neurons",
    "model_dir",
    "module_dir",
    "output_intermediate_dir",
)


def _parsed(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


def _variable(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _argument(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ",".join(f"{name}={one}" for name, one in sorted(value.items()))
    return str(value)
