"""`python -m local_aws exec -- COMMAND`, and the AWS CLI in it."""

import os
import subprocess
import sys

import pytest

from local_aws.__main__ import main
from local_aws.installation import CHECKOUT, HOME_VARIABLE, ROLE_NAME


def local_aws(stand_in, *arguments: str, **environment: str):
    """Run `python -m local_aws ARGUMENTS` against the running stand-in."""
    return subprocess.run(
        [sys.executable, "-m", "local_aws", *arguments],
        cwd=CHECKOUT,
        env=os.environ | {HOME_VARIABLE: str(stand_in.home)} | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("code", [0, 1, 3, 255])
def test_the_exit_code_is_the_commands(stand_in, code) -> None:
    assert local_aws(stand_in, "exec", "--", "sh", "-c", f"exit {code}").returncode == (
        code
    )


def test_a_signal_reaches_a_shell_as_128_plus_n(stand_in) -> None:
    command = "\"$0\" -m local_aws exec -- sh -c 'kill -TERM $$'; echo $?"
    result = subprocess.run(
        ["sh", "-c", command, sys.executable],
        cwd=CHECKOUT,
        env=os.environ | {HOME_VARIABLE: str(stand_in.home)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.stdout.strip() == "143"


def test_a_signal_to_exec_reaches_the_command(stand_in) -> None:
    script = "trap 'echo got it; exit 7' TERM; echo ready; while :; do sleep 0.1; done"
    process = subprocess.Popen(
        [sys.executable, "-m", "local_aws", "exec", "--", "sh", "-c", script],
        cwd=CHECKOUT,
        env=os.environ | {HOME_VARIABLE: str(stand_in.home)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    assert process.communicate(timeout=60)[0] == "got it\n"
    assert process.returncode == 7


def test_arguments_and_streams_are_untouched(stand_in) -> None:
    code = "import sys; print(sys.argv[1:]); print('err', file=sys.stderr)"
    words = ["-c", code, "--", "exec", "-x", "a b", "*", "$HOME", ""]
    result = local_aws(stand_in, "exec", "--", sys.executable, *words)
    assert result.stdout.strip() == repr(words[2:])
    assert result.stderr == "err\n"


def test_an_unknown_command_is_127(stand_in) -> None:
    result = local_aws(stand_in, "exec", "--", "no-such-command-here")
    assert result.returncode == 127
    assert result.stderr == "local_aws: no-such-command-here: command not found\n"


def test_a_file_that_is_no_program_is_126(stand_in) -> None:
    result = local_aws(stand_in, "exec", "--", str(CHECKOUT / "pyproject.toml"))
    assert result.returncode == 126
    assert "Permission denied" in result.stderr


def test_exec_without_a_command_explains_itself(stand_in) -> None:
    result = local_aws(stand_in, "exec")
    assert result.returncode == 2
    assert "exec -- COMMAND" in result.stderr


def test_a_folder_that_can_not_be_used_is_named(stand_in) -> None:
    path = str(CHECKOUT / "pyproject.toml")
    result = local_aws(stand_in, "exec", "--", "true", **{HOME_VARIABLE: path})
    assert result.returncode == 1
    assert path in result.stderr
    assert "Traceback" not in result.stderr


def test_windows_is_sent_to_wsl(monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.platform", "win32")
    assert main(["exec", "--", "true"]) == 1
    assert "WSL" in capsys.readouterr().err


def test_the_foreground_server_says_where_it_is(stand_in) -> None:
    printed = (stand_in.home / "printed").read_text().splitlines()
    assert stand_in.endpoint in printed[0]
    assert "python -m local_aws exec -- COMMAND" in printed[0]


def test_the_aws_cli_finds_its_way(stand_in, bucket, tmp_path) -> None:
    file = tmp_path / "data.csv"
    file.write_text("1,2\n3,4\n")
    script = f"""
        set -e
        aws sts get-caller-identity --query Arn --output text
        aws s3 cp {file} s3://{bucket}/in/data.csv --no-progress
        aws s3 ls s3://{bucket}/in/
        aws s3 cp s3://{bucket}/in/data.csv {tmp_path}/back.csv --no-progress
    """
    path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    result = local_aws(stand_in, "exec", "--", "sh", "-c", script, PATH=path)
    assert result.returncode == 0, result.stderr
    assert f"assumed-role/{ROLE_NAME}/" in result.stdout
    assert "8 data.csv" in result.stdout
    assert (tmp_path / "back.csv").read_text() == file.read_text()
