"""A Python for one container that runs code of the user's own, and a name for its
folder that such code can use.

Scripts and commands of the SDK name /opt/ml. Here another folder stands for it, whose
name may hold spaces and any letters, which shell scripts would have to quote. So the
container gets a short link to it, by which all that is written for the container calls
it. What the container prints is translated back.
"""

import json
import re
import shutil
import sys
import sysconfig
import venv
from pathlib import Path
from urllib.parse import quote

from local_aws.containers import script_mode
from local_aws.runtime import opt_ml_notice, short_names

OPT_ML = "/opt/ml"

# Below the folder that stands for /opt/ml.
FOLDER = ".python"

# What scripts import of the toolkits in AWS's images.
TOOLKITS = str(Path(script_mode.__file__).parent / "toolkits")

# The path of a Docker image, apart from its own Python.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_LIBRARY = f"/usr/local/lib/python{sysconfig.get_python_version()}"

_OPT_ML = re.compile(rf"(?:(?<=file://)|(?<![\w./-])){OPT_ML}(?![\w.-])")

_PIP = """#!{python}
import runpy
runpy.run_module("pip", run_name="__main__")
"""


class PythonEnvironment:
    """`root` is the link that stands for /opt/ml; `variables` are for the container.

    It sees the course's packages. What pip installs in it stays in it.
    """

    def __init__(self, folder: Path) -> None:
        """`folder` is the one that the link leads to."""
        self._folder = folder
        self._link_folder = short_names.make_folder(folder)
        self.root = self._link_folder / short_names.OWNER
        self._home = self.root / FOLDER
        try:
            _make(self._home)
        except BaseException:
            self.close()
            raise
        self.variables = {
            "PATH": f"{self._home / 'bin'}:{PATH}",
            # As in an image, whatever the learner's own language is.
            "PYTHONUTF8": "1",
            # Nor has it a screen, where plt.show() would wait for somebody.
            "MPLBACKEND": "Agg",
            "PIP_NO_INPUT": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            # To look for conflicts among the course's packages takes longer than to
            # install one. The value is that of what is not to be done (pip's user
            # guide, "Environment Variables").
            "PIP_NO_WARN_CONFLICTS": "0",
        }
        self._names = self._translations()

    def inside(self, text: str) -> str:
        """The text with the link in the place of /opt/ml."""
        return _OPT_ML.sub(str(self.root), text)

    def outside(self, text: str) -> str:
        """The text as a container of AWS would have said it: without our folders."""
        for ours, theirs in self._names:
            text = text.replace(ours, theirs)
        return text

    def notice(self) -> str | None:
        """What a script was told that has named /opt/ml itself; None if none has."""
        try:
            return (self._folder / FOLDER / "opt_ml_notice.txt").read_text("utf-8")
        except FileNotFoundError:
            return None

    def close(self) -> None:
        """Remove the link."""
        short_names.remove(self._link_folder)

    def _translations(self) -> list[tuple[str, str]]:
        """(a name of ours, what stands for it in a container), in order."""
        folders = {str(self.root), str(self._folder), str(self._folder.resolve())}
        found = []
        for folder in folders:
            for written in _ways_to_write(folder):
                found += [(f"{written}/{FOLDER}", "/usr/local"), (written, OPT_ML)]
        packages = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
        packages.add(TOOLKITS)
        found += [(path, f"{_LIBRARY}/site-packages") for path in packages]
        if Path(sys.base_prefix).parts[1:2] != ("usr",):
            found.append((sys.base_prefix, "/usr/local"))
        return sorted(found, key=lambda pair: -len(pair[0]))


def _ways_to_write(path: str) -> set[str]:
    """As it is, in JSON, in Python and in a URL."""
    return {path, json.dumps(path)[1:-1], repr(path)[1:-1], quote(path)}


def _make(home: Path) -> None:
    venv.EnvBuilder(symlinks=True, with_pip=False).create(home)
    own = Path(sysconfig.get_path("purelib", "venv", {"base": str(home)}))
    packages = dict.fromkeys(
        sysconfig.get_path(name) for name in ("purelib", "platlib")
    )
    lines = "".join(f"{path}\n" for path in (*packages, TOOLKITS))
    (own / "course.pth").write_text(lines, encoding="utf-8")
    notice = Path(opt_ml_notice.__file__)
    shutil.copyfile(notice, own / "_opt_ml_notice.py")
    (own / "opt_ml_notice.pth").write_text("import _opt_ml_notice\n", encoding="utf-8")
    for name in ("pip", "pip3"):
        script = home / "bin" / name
        script.write_text(_PIP.format(python=home / "bin/python3"))
        script.chmod(0o700)
