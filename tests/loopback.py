"""An archive on loopback that misbehaves as told, and remembers what it was asked."""

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Loopback(ThreadingHTTPServer):
    """Serves ``bodies`` (path -> bytes), after the misbehaviours in ``script`` (path -> list)."""

    daemon_threads = True

    def __init__(self, answer=None):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies, self.script, self.asked, self.ranges = {}, {}, [], []
        self.answer = answer or self.bodies.get
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def close(self):
        self.shutdown()
        self.server_close()

    def handle_error(self, request, address):
        """Clients that hang up are part of the game."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.asked.append((self.path, time.monotonic()))
        server.ranges.append(self.headers.get("Range"))
        pending = server.script.get(self.path.split("?")[0], [])
        body = server.answer(self.path)
        if pending:
            return pending.pop(0)(self, body)
        return send(self, 404 if body is None else 200, body or b"not here")

    def log_message(self, *args):
        """Keep quiet."""


def send(handler, code, body=b"", length=None, **headers):
    handler.send_response(code)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def status(code, **headers):
    return lambda handler, body: send(handler, code, b"<html>busy</html>", **headers)


def truncated(share=0.5):
    def misbehave(handler, body):
        send(handler, 200, body[: int(share * len(body))], length=len(body))
        hang_up(handler, body)

    return misbehave


def instead(other):
    return lambda handler, body: send(handler, 200, other)


def hang_up(handler, body):
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def silent(seconds):
    def misbehave(handler, body):
        time.sleep(seconds)
        hang_up(handler, body)

    return misbehave


def trickle(pause):
    def misbehave(handler, body):
        send(handler, 200, b"", length=len(body))
        for k in range(len(body)):
            handler.wfile.write(body[k : k + 1])
            time.sleep(pause)

    return misbehave


def resuming(handler, body):
    start = int(handler.headers["Range"].removeprefix("bytes=").removesuffix("-"))
    send(handler, 206, body[start:], Content_Range=f"bytes {start}-{len(body) - 1}/{len(body)}")
