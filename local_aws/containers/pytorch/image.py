"""What the platform has to know of the images. Imports nothing heavy.

AWS has one for training and one for inference, and of each one for machines with GPUs;
a script finds no GPU in it here.
"""

from collections.abc import Iterator

from local_aws.containers.image import Image

# By the version, the name of the Python in the tags. The last of the same minor version
# has a tag without its third number too.
_TRAINING = {
    "1.2.0": ("py2", "py3"),
    "1.3.1": ("py2", "py3"),
    "1.4.0": ("py2", "py3", "py36"),
    **dict.fromkeys(
        ("1.5.0", "1.6.0", "1.7.1", "1.8.0", "1.8.1"),
        ("py3", "py36"),
    ),
    **dict.fromkeys(
        ("1.9.0", "1.9.1", "1.10.0", "1.10.2", "1.11.0", "1.12.0", "1.12.1"),
        ("py38",),
    ),
    "1.13.1": ("py39",),
    **dict.fromkeys(("2.0.0", "2.0.1", "2.1.0", "2.2.0"), ("py310",)),
    **dict.fromkeys(("2.3.0", "2.4.0", "2.5.1"), ("py311",)),
    **dict.fromkeys(("2.6.0", "2.7.1", "2.8.0", "2.9.0"), ("py312",)),
    "2.10.0": ("py313",),
}
_NEWER_THAN_INFERENCE = ("2.7.1", "2.8.0", "2.9.0", "2.10.0")
_INFERENCE = {
    version: pythons
    for version, pythons in _TRAINING.items()
    if version not in _NEWER_THAN_INFERENCE
}
_PROCESSORS = ("cpu", "gpu")


def _versions(pythons: dict[str, tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    """(tag, version in the SDK's file)."""
    for version, names in pythons.items():
        for tagged in (version, version.rpartition(".")[0]):
            for processor in _PROCESSORS:
                for name in names:
                    yield f"{tagged}-{processor}-{name}", version


def _image(purpose: str, pythons: dict[str, tuple[str, ...]], best: str) -> Image:
    versions = dict(_versions(pythons))
    return Image(
        name=f"PyTorch ({purpose})",
        repository=f"pytorch-{purpose}",
        sdk_name="pytorch",
        tags=tuple(versions),
        tag=best,
        versions=versions,
        module="local_aws.containers.pytorch",
        package="torch",
        installed_by=".venv/bin/python -m pip install torch",
        runs_scripts=True,
        purpose=purpose,
        metric_definitions=[],
        preloaded=(),
    )


IMAGES = (
    _image("training", _TRAINING, "2.6.0-cpu-py312"),
    _image("inference", _INFERENCE, "2.6.0-cpu-py312"),
)
