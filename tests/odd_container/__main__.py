"""A container of somebody else's, whose /ping responds as its environment says.

PING is "STATUS STATUS ...", one for each half second, or one for each request if there
is EACH_PING; the last one stays. It ends when it is sent "die",
and shows its "environment".
"""

import itertools
import os
import socketserver
import time
from http.server import BaseHTTPRequestHandler


class Handler(BaseHTTPRequestHandler):
    """HTTP/1.0: each response ends with its connection."""

    statuses = ()
    began = 0.0
    pings = itertools.count()

    def do_GET(self) -> None:
        number = int((time.monotonic() - self.began) / 0.5)
        if "EACH_PING" in os.environ:
            number = next(self.pings)
        self.send_response(self.statuses[min(number, len(self.statuses) - 1)])
        self.end_headers()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if body == b"die":
            os._exit(1)
        if body == b"environment":
            body = repr(dict(os.environ)).encode()[::-1]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body[::-1])

    def log_message(self, *_: object) -> None:
        return

    def address_string(self) -> str:
        return "stand-in"


def main(arguments: list[str]) -> int:
    """Serve until the end."""
    Handler.statuses = [int(status) for status in os.environ["PING"].split()]
    Handler.began = time.monotonic()
    path = os.environ["SAGEMAKER_BIND_TO_UNIX_SOCKET"]
    with socketserver.ThreadingUnixStreamServer(path, Handler) as server:
        server.serve_forever()
    return 0
