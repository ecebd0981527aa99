"""The state folder of one installation: keys, client files, sealed environment.

Everything that a client needs to reach the stand-in is a file that AWS itself
documents (shared config, shared credentials, SDK configuration), so no client has to
be patched. The folder and its files can be read by their owner only.
"""

import configparser
import errno
import os
import secrets
import shlex
import string
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ACCOUNT_ID = "123456789012"
REGION = "us-east-1"
ROLE_NAME = "SageMakerCourse"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT_ID}:role/service-role/{ROLE_NAME}"
BUCKET = f"sagemaker-{REGION}-{ACCOUNT_ID}"

HOST = "127.0.0.1"
HOME_VARIABLE = "LOCAL_AWS_HOME"
CHECKOUT = Path(__file__).resolve().parent.parent

# Variables that would lead a client (or moto) somewhere else.
FOREIGN_PREFIXES = ("AWS_", "SAGEMAKER_", "MOTO_")


class InstallationError(RuntimeError):
    """The state folder can't be used; the text says why."""


@contextmanager
def plain_errors() -> Iterator[None]:
    """Say of a file that can't be used which one, why, and what helps.

    Raises InstallationError for an OSError with the name of a file.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise
        raise InstallationError(
            f"Can't use {error.filename}: {error.strerror}. "
            f"{what_helps(error.errno, Path(os.fsdecode(error.filename)).parent)}"
        ) from error


def what_helps(number: int | None, folder: Path) -> str:
    """What to do about a file in `folder` that the system refuses with this errno."""
    if number in (errno.EACCES, errno.EPERM):
        closed, owner = _closed(folder)
        if owner not in (None, os.getuid()):
            # In a folder of one's own it is what a command with sudo has left.
            if closed.parent.stat().st_uid != os.getuid():
                return "It belongs to another account: use a folder of your own."
            command = f'sudo chown -R "$(id -un)" {shlex.quote(str(closed))}'
            return f"It belongs to another account; make it yours: `{command}`."
        return f"Make it yours again: `chmod -R u+rwX {shlex.quote(str(folder))}`."
    if number == errno.EROFS:
        return f"Set {HOME_VARIABLE} to a folder that can be written to."
    if number in (errno.ENOSPC, errno.EDQUOT):
        return "Make room on the disk, then try again."
    if number == errno.ENOENT:
        return "Put it back, or start the stand-in anew."
    return "Move it away, then try again: what is missing there is made anew."


def _closed(folder: Path) -> tuple[Path, int | None]:
    """The folder, or the one above it that hides it, and the account that owns it."""
    try:
        return folder, folder.stat().st_uid
    except PermissionError:
        return _closed(folder.parent)
    except OSError:
        return folder, None


def _in_home(*parts: str) -> property:
    """The path of a file or folder in the state folder."""

    def path(installation: "Installation") -> Path:
        return installation.home.joinpath(*parts)

    return property(path)


@dataclass(frozen=True)
class Installation:
    """One state folder and the keys that open the stand-in which uses it."""

    home: Path
    access_key_id: str
    secret_access_key: str = field(repr=False)

    config_file = _in_home("aws", "config")
    credentials_file = _in_home("aws", "credentials")
    sdk_config_file = _in_home("sagemaker", "config.yaml")
    sdk_admin_config_file = _in_home("sagemaker", "admin.yaml")
    port_file = _in_home("port")
    log_file = _in_home("server.log")
    temporary_folder = _in_home("tmp")
    users_lock = _in_home("users.lock")
    start_lock = _in_home("start.lock")
    server_lock = _in_home("server.lock")

    @property
    def port(self) -> int | None:
        """The port that the stand-in used last, None if there is none to be read."""
        try:
            port = int(self.port_file.read_text())
        except (FileNotFoundError, ValueError):
            return None
        return port if 0 < port < 2**16 else None

    @property
    def endpoint(self) -> str | None:
        """`http://127.0.0.1:<port>`, None before the first start."""
        port = self.port
        return None if port is None else f"http://{HOST}:{port}"


def require_posix() -> None:
    """Refuse native Windows, which has no flock and no process groups.

    Raises InstallationError there.
    """
    if sys.platform == "win32":
        raise InstallationError(
            "local_aws runs on Linux and macOS. On Windows, use it inside WSL "
            "(Windows Subsystem for Linux)."
        )


@plain_errors()
def open_installation(home: Path | None = None) -> Installation:
    """The installation in `home`, made if it is not there.

    `home` defaults to $LOCAL_AWS_HOME, then to `.local_aws` in this checkout. The
    keys are generated once. Raises InstallationError when the folder is not ours.
    """
    require_posix()
    if home is None:
        home = Path(os.environ.get(HOME_VARIABLE) or CHECKOUT / ".local_aws")
    home = home.expanduser().absolute()
    private_folder(home)
    home = home.resolve()
    for name in ("aws", "sagemaker", "tmp"):
        private_folder(home / name)
    return Installation(home, *_keys(home / "aws" / "credentials"))


def private_folder(folder: Path) -> Path:
    """Make `folder` if need be and close it to everybody but its owner.

    Raises InstallationError when it belongs to somebody else, OSError when it is none.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_uid != os.getuid():
        raise InstallationError(
            f"The state folder {folder} belongs to another user. "
            f"Set {HOME_VARIABLE} to a folder of your own."
        )
    if status.st_mode & 0o077:
        folder.chmod(0o700)
    return folder


def write_private(path: Path, text: str) -> None:
    """Write `text` to `path` at one go (never half a file), mode 0600."""
    private_folder(path.parent)
    os.replace(_written(path, text), path)


def _written(path: Path, text: str) -> str:
    """A new file beside `path` with this text, mode 0600 as mkstemp makes it."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    return name


def _keys(path: Path) -> tuple[str, str]:
    """Access key id and secret from the credentials file, generated if missing."""
    if not path.exists():
        _generate_keys(path)
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text())
        section = parser["default"]
        keys = section["aws_access_key_id"], section["aws_secret_access_key"]
        if not all(keys):
            raise KeyError
    except (KeyError, ValueError, configparser.Error) as error:
        raise InstallationError(
            f"{path} holds no keys; delete it, and new ones are made."
        ) from error
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
    return keys


def _generate_keys(path: Path) -> None:
    """Write a fresh pair of keys, unless another process was quicker."""
    # 20 characters A-Z 0-9 with AKIA in front is the form of a long-term access key
    # (IAM User Guide, "IAM identifiers"); LOCAL tells a reader what this one opens.
    letters = string.ascii_uppercase + "234567"
    key_id = "AKIALOCAL" + "".join(secrets.choice(letters) for _ in range(11))
    text = (
        "# Keys of the local stand-in. They open nothing in AWS.\n"
        "[default]\n"
        f"aws_access_key_id = {key_id}\n"
        f"aws_secret_access_key = {secrets.token_urlsafe(30)}\n"
    )
    name = _written(path, text)
    try:
        os.link(name, path)  # fails if the file exists: the first writer wins
    except FileExistsError:
        pass
    finally:
        os.unlink(name)


def write_client_files(installation: Installation, port: int) -> None:
    """Write what clients read: port, AWS config, SDK configuration."""
    write_private(installation.config_file, _aws_config(port))
    write_private(installation.sdk_config_file, _SDK_CONFIG)
    write_private(installation.sdk_admin_config_file, _SDK_ADMIN_CONFIG)
    # Last, since its presence says that the others are there.
    write_private(installation.port_file, f"{port}\n")


def _aws_config(port: int) -> str:
    # No signature_version: botocore presigns in version 2 unless it is told otherwise,
    # which S3 refuses for buckets made since June 2020, and so does the stand-in.
    return f"""\
# Written by local_aws at each start.
[default]
region = {REGION}
endpoint_url = http://{HOST}:{port}
cli_pager =
retry_mode = standard
max_attempts = 3
s3 =
    addressing_style = path
"""


# It takes the place of one that the machine may have. The SDK checks what it reads, for
# 40 ms each time, unless that is nothing.
_SDK_ADMIN_CONFIG = "# Left empty by local_aws; config.yaml beside it counts.\n"
_SDK_CONFIG = f"""\
# Written by local_aws at each start. Configuration of the SageMaker Python SDK.
SchemaVersion: '1.0'
SageMaker:
  PythonSDK:
    Modules:
      TelemetryOptOut: true
      Session:
        DefaultS3Bucket: {BUCKET}
  TrainingJob:
    RoleArn: {ROLE_ARN}
  Model:
    ExecutionRoleArn: {ROLE_ARN}
"""


def client_environment(
    installation: Installation, inherited: Mapping[str, str]
) -> dict[str, str]:
    """The sealed environment: `inherited`, but every AWS client reaches only us.

    All AWS_*, SAGEMAKER_* and MOTO_* variables are dropped. The endpoint's address
    is in the configuration file alone, so that it stays right when the port changes.
    """
    environment = {
        name: value
        for name, value in inherited.items()
        if not name.upper().startswith(FOREIGN_PREFIXES)
    }
    no_proxy = _no_proxy(inherited)
    return environment | {
        HOME_VARIABLE: str(installation.home),
        "AWS_CONFIG_FILE": str(installation.config_file),
        "AWS_SHARED_CREDENTIALS_FILE": str(installation.credentials_file),
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(installation.sdk_config_file),
        "SAGEMAKER_ADMIN_CONFIG_OVERRIDE": str(installation.sdk_admin_config_file),
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
    }


def _no_proxy(inherited: Mapping[str, str]) -> str:
    """The inherited exceptions from proxying plus loopback."""
    hosts: list[str] = []
    for name in ("no_proxy", "NO_PROXY"):
        hosts += [host.strip() for host in inherited.get(name, "").split(",")]
    hosts += [HOST, "localhost"]
    return ",".join(dict.fromkeys(host for host in hosts if host))
