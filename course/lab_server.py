"""JupyterLab as `course lab` starts it: quiet, and saying how to reach and stop it."""

from __future__ import annotations

import os
import sys
import webbrowser

from jupyter_server.serverapp import ServerApp
from traitlets import Unicode, default

EXTENSIONS = ("jupyterlab", "jupyter_lsp", "jupyter_server_terminals")


def can_open_a_browser() -> bool:
    """Say whether there is a browser with a window, or one that the user has named.

    Without a screen, Python would open one that runs in the terminal and takes it over.
    """
    if sys.platform == "linux" and "BROWSER" not in os.environ:
        screens = ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME")
        if not any(os.environ.get(name) for name in screens):
            return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


class CourseServer(ServerApp):
    """A server that says in a few lines what a learner needs of it."""

    log_file = Unicode("", config=True, help="Where the server writes its log.")
    opened = False

    @default("open_browser")
    def _opens_one(self) -> bool:
        return True

    def initialize(self, argv: list[str] | None = None, **given: object) -> None:
        """Take JupyterLab and what it needs, and no other extension.

        One that is switched on somewhere for all of a user's servers is not in this
        Python, and each would be a traceback in the terminal.
        """
        self.jpserver_extensions = dict.fromkeys(EXTENSIONS, True)
        super().initialize(argv, **{**given, "find_extensions": False})
        if self.log_file:
            self.logging_config = {
                "handlers": {
                    "file": {
                        "class": "logging.FileHandler",
                        "filename": self.log_file,
                        "mode": "w",
                        "encoding": "utf-8",
                        "formatter": "console",
                        "level": "INFO",
                    }
                },
                "loggers": {type(self).__name__: {"handlers": ["console", "file"]}},
            }

    def launch_browser(self) -> None:
        """Open the browser if there is one."""
        if self.browser or can_open_a_browser():
            self.opened = True
            super().launch_browser()

    def start_app(self) -> None:
        """Start; say where JupyterLab is instead of what the server would say."""
        address = self.public_url
        self.identity_provider.token_generated = False  # so that it says nothing
        super().start_app()
        # After the server's own callback, which begins to listen at that address.
        self.io_loop.add_callback(self._say, address)

    def _say(self, address: str) -> None:
        print("\n".join(self._lines(address)), flush=True)

    def _lines(self, address: str) -> list[str]:
        if self.opened:
            first = "JupyterLab opens in your browser. If it does not, open this:"
        elif self.open_browser:
            first = "There is no browser here to open. In yours, open this address:"
        else:
            first = "JupyterLab is ready. Open this address in your browser:"
        lines = [first, f"    {address}"]
        if os.environ.get("SSH_CONNECTION") and not self.opened:
            lines.append(
                "From another computer, first: ssh -N -L "
                f"{self.port}:localhost:{self.port} YOU@THIS_MACHINE"
            )
        return [*lines, "To stop it, press Ctrl-C here twice."]


if __name__ == "__main__":
    CourseServer.launch_instance()
