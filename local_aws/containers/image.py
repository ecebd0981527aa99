"""What the platform has to know of an image; each algorithm's package describes its own
in its module `image`.
"""

import importlib
import platform
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version

from local_aws.containers.tuning import Tuning


@dataclass(frozen=True)
class Image:
    """An image of one of AWS's algorithms, and the program that stands for it.

    name: what AWS calls the algorithm. repository: of an address. sdk_name: of the
    SageMaker SDK's file that says where AWS keeps the image. tags: that an address may
    have. tag: the one that an address has, or the best one. former_repository: that
    older addresses name. former_tags: that it has; the first is its version in the
    SDK's file, which has accounts of its own for it. module: what `python -m`
    starts, with the argument train or serve. metric_definitions: Name and Regex as
    CreateTrainingJob has them; they are for log lines in which a TAB is written as
    #011. faults: how a FailureReason begins, by the exit code, where it is not
    "AlgorithmError". preloaded: modules that a fork server imports once for all
    processes of the program. saves_checkpoints: and resumes from them. tag_suffix: of a
    tag, which the versions in the SDK's file do not have. runs_scripts: code of the
    user's own, with any hyperparameters and metrics. package: of those that are
    installed here, the one that the image is made for. versions: in the SDK's file, by
    tag, where a suffix does not tell. purpose: "training" or "inference" for half of a
    pair.
    installed_by: the command that installs its package, which the course does without.
    """

    name: str
    repository: str
    sdk_name: str
    tags: tuple[str, ...]
    tag: str
    module: str
    metric_definitions: list[dict[str, str]]
    preloaded: tuple[str, ...]
    faults: Mapping[int, str] = field(default_factory=dict)
    former_repository: str = ""
    former_tags: tuple[str, ...] = ()
    saves_checkpoints: bool = True
    tag_suffix: str = ""
    runs_scripts: bool = False
    package: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    purpose: str = ""
    installed_by: str = ""

    def hyperparameter_names(self) -> Collection[str]:
        """All names that a request's hyperparameters may have."""
        return importlib.import_module(f"{self.module}.hyperparameters").NAMES

    def tuning(self) -> Tuning:
        """What a tuning job may search, and by which metrics."""
        return importlib.import_module(f"{self.module}.tuning").TUNING

    def what_really_runs(self) -> str:
        """Of an image that a script may have been written for, by its tag."""
        return (
            f"This local stand-in runs {self.package} {version(self.package)} with "
            f"Python {platform.python_version()} in the place of the image {self.tag}."
        )
