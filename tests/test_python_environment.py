"""The Python of a container that runs code of the user's own."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from local_aws.runtime import python_environment, short_names
from local_aws.runtime.python_environment import PythonEnvironment


@pytest.fixture
def environment(tmp_path):
    folder = tmp_path / 'Zoë\'s kurs ☁ "1"'
    folder.mkdir()
    made = PythonEnvironment(folder)
    yield made
    made.close()


@pytest.mark.parametrize(
    "text",
    [
        "/opt/ml",
        "/opt/ml/model",
        "cat /opt/ml/a && rm '/opt/ml/b'",
        "file:///opt/ml/model",
        "A=/opt/ml/input/data:/opt/ml/code",
    ],
)
def test_the_container_s_paths_are_translated_there_and_back(environment, text):
    inside = environment.inside(text)
    assert "/opt/ml" not in inside
    assert inside.count(str(environment.root)) == text.count("/opt/ml")
    assert " " not in str(environment.root)
    assert environment.outside(inside) == text


@pytest.mark.parametrize(
    "text", ["s3://bucket/opt/ml/model", "/opt/mlops", "/home/opt/ml", "/opt/ml-1/a"]
)
def test_other_paths_stay(environment, text):
    assert environment.inside(text) == text


def test_the_folder_is_not_seen_however_it_is_written(environment):
    code = (
        "import json, os, pathlib; here = os.getcwd(); "
        "print(here, json.dumps(here), repr(here), pathlib.Path(here).as_uri(), "
        "sep=chr(10))"
    )
    done = subprocess.run(
        [Path(environment.root, ".python/bin/python3"), "-c", code],
        cwd=environment.root,
        env=environment.variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert environment.outside(done.stdout).splitlines() == [
        "/opt/ml",
        '"/opt/ml"',
        "'/opt/ml'",
        "file:///opt/ml",
    ]


def test_it_sees_the_course_s_packages_and_is_not_the_course_s(environment):
    code = (
        "import sys, matplotlib, sysconfig; "
        "print(sys.prefix, sysconfig.get_path('purelib'), "
        "matplotlib.get_backend(auto_select=False))"
    )
    for name in ("python3", "python"):
        done = subprocess.run(
            ["/bin/bash", "-c", f'{name} -c "{code}"; type -p {name} pip pip3'],
            env=environment.variables,
            capture_output=True,
            text=True,
            check=True,
        )
        first, *commands = done.stdout.splitlines()
        prefix, library, drawn_by = first.split()
        assert drawn_by.lower() == "agg"  # and no window is ever looked for
        assert prefix == str(environment.root / ".python") != sys.prefix
        assert library.startswith(prefix)
        assert all(one.startswith(f"{prefix}/bin/") for one in commands)
        assert len(commands) == 3


def test_the_link_goes_and_the_folder_stays(environment):
    environment.close()
    assert not environment.root.parent.exists()


def test_one_that_can_t_be_made_leaves_no_link(tmp_path, monkeypatch):
    def fail(home):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(short_names, "PARENT", tmp_path)
    monkeypatch.setattr(python_environment, "_make", fail)
    with pytest.raises(OSError, match="No space left"):
        PythonEnvironment(tmp_path)
    assert not list(tmp_path.iterdir())
