"""Firefox and WebKitGTK by WebDriver, as Playwright drives only builds of its own.

WebKitWebDriver serves the protocol over HTTP. Firefox has the same commands on a socket, called
Marionette, so no geckodriver is needed.
"""

import base64
import contextlib
import io
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

PATIENCE = 60  # s
PATHS = {
    "Back": "back",
    "ExecuteScript": "execute/sync",
    "Navigate": "url",
    "PerformActions": "actions",
    "SetWindowRect": "window/rect",
}
KEYS = {
    "Enter": "\ue007",
    "Escape": "\ue00c",
    "ArrowLeft": "\ue012",
    "ArrowUp": "\ue013",
    "ArrowRight": "\ue014",
    "ArrowDown": "\ue015",
}
PREFERENCES = {
    "app.normandy.enabled": "false",
    "datareporting.policy.dataSubmissionEnabled": "false",
    "marionette.port": "0",
    "network.captive-portal-service.enabled": "false",
    "network.connectivity-service.enabled": "false",
    "ui.prefersReducedMotion": "1",
}

Command = Callable[[str, dict[str, Any]], Any]


class Driver:
    """A browser with one page."""

    def __init__(self, command: Command, screenshot: Callable[[], str]) -> None:
        self.command, self._screenshot = command, screenshot
        self._wheels = itertools.count()

    def __call__(self, script: str, *arguments: Any) -> Any:
        """Value of an expression in the page, in which `v` is the viewer."""
        body = f"const v = window.jatlasViewer; return {script};"
        return self.command("ExecuteScript", {"script": body, "args": list(arguments)})

    def wait(self, condition: str, *arguments: Any) -> None:
        end = time.monotonic() + PATIENCE
        while not self(condition, *arguments):
            assert time.monotonic() < end, f"still not: {condition}"
            time.sleep(0.02)

    def go(self, url: str) -> None:
        self.command("Navigate", {"url": url})

    def resize(self, width: int, height: int) -> None:
        self.command("SetWindowRect", {"width": width, "height": height})

    def press(self, *keys: str) -> None:
        codes = [KEYS.get(key, key) for key in keys]
        steps = [{"type": kind, "value": code} for code in codes for kind in ("keyDown", "keyUp")]
        self._act({"type": "key", "id": "keyboard", "actions": steps})

    def point(self, x: float, y: float, *, click: bool = False) -> None:
        steps: list[dict[str, Any]] = [{"type": "pointerMove", "x": round(x), "y": round(y)}]
        if click:
            steps += [{"type": f"pointer{way}", "button": 0} for way in ("Down", "Up")]
        mouse = {"pointerType": "mouse"}
        self._act({"type": "pointer", "id": "mouse", "parameters": mouse, "actions": steps})

    def wheel(self, x: float, y: float, *, by: int) -> None:
        step = {"type": "scroll", "x": round(x), "y": round(y), "deltaX": 0, "deltaY": by}
        # WebKit takes a second turn of one wheel for what is to be turned in all.
        self._act({"type": "wheel", "id": f"wheel-{next(self._wheels)}", "actions": [step]})

    def click(self, selector: str) -> None:
        self.point(*self(CENTRE, selector), click=True)

    def sees(self, selector: str) -> bool:
        """Whether the centre of an element can be seen: not hidden, covered or outside."""
        if not self("document.querySelector(arguments[0])?.checkVisibility()", selector):
            return False
        top = f"document.elementFromPoint(...{CENTRE})"
        return self(f"document.querySelector(arguments[0]).contains({top})", selector)

    def picture(self) -> np.ndarray:
        """The page as it is on the screen, (height, width, 3) uint8."""
        with Image.open(io.BytesIO(base64.b64decode(self._screenshot()))) as image:
            return np.asarray(image.convert("RGB"))

    def _act(self, source: dict[str, Any]) -> None:
        self.command("PerformActions", {"actions": [source]})


CENTRE = """((box) => [box.x + box.width / 2, box.y + box.height / 2])(
  document.querySelector(arguments[0]).getBoundingClientRect())"""


def missing(name: str) -> str | None:
    """What has to be installed for a browser, None if nothing is missing."""
    if name == "firefox":
        return None if _firefox() else "firefox-esr"
    have = shutil.which("WebKitWebDriver") and shutil.which("Xvfb") and _mini_browser()
    return None if have else "webkit2gtk-driver and xvfb"


@contextlib.contextmanager
def start(name: str, folder: Path) -> Iterator[Driver]:
    """Start "firefox" or "webkit", which keeps its files in a folder."""
    with (firefox if name == "firefox" else webkit)(folder) as driver:
        yield driver


def _firefox() -> str | None:
    return shutil.which("firefox-esr") or shutil.which("firefox")


def _mini_browser() -> Path | None:
    """The browser that WebKitWebDriver runs."""
    found = Path("/usr").glob("lib*/**/webkit2gtk-4*/MiniBrowser")
    return next(found, None)


@contextlib.contextmanager
def _process(command: list[str], **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends here, with those that it has started."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | variables,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _until(ready: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(OSError):
            if found := ready():
                return found
        assert time.monotonic() < end, "the browser does not start"
        time.sleep(0.05)


@contextlib.contextmanager
def firefox(folder: Path) -> Iterator[Driver]:
    lines = (f'user_pref("{name}", {value});\n' for name, value in PREFERENCES.items())
    (folder / "user.js").write_text("".join(lines))
    command = [str(_firefox()), "--headless", "--no-remote", "--marionette", "--profile"]
    with _process([*command, str(folder)], HOME=str(folder)):
        port = int(_until((folder / "MarionetteActivePort").read_text))
        with (
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection,
            connection.makefile("rwb") as stream,
        ):
            send = _marionette(stream)
            send("NewSession", {})
            shot = {"full": False, "hash": False}
            yield Driver(send, lambda: send("TakeScreenshot", shot)["value"])


def _marionette(stream: IO[bytes]) -> Command:
    """Messages are JSON, preceded by their length: 13:["an answer"]."""
    numbers = itertools.count(1)

    def read() -> Any:
        digits = b"".join(iter(lambda: stream.read(1), b":"))
        return json.loads(stream.read(int(digits)))

    def send(name: str, parameters: dict[str, Any]) -> Any:
        message = json.dumps([0, next(numbers), f"WebDriver:{name}", parameters]).encode()
        stream.write(b"%d:%s" % (len(message), message))
        stream.flush()
        _, _, error, result = read()
        assert not error, f"{name}: {error}"
        return result["value"] if name == "ExecuteScript" else result

    read()  # which browser it is
    return send


@contextlib.contextmanager
def webkit(folder: Path) -> Iterator[Driver]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    variables = {
        "HOME": str(folder),
        "XDG_CACHE_HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder),
        "XDG_DATA_HOME": str(folder),
        # Its sandbox needs namespaces, which root in a container does not get.
        "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1",
    }
    settings = folder / "gtk-3.0" / "settings.ini"
    settings.parent.mkdir()
    settings.write_text("[Settings]\ngtk-enable-animations = 0\n")  # reduced motion
    screen = ["-displayfd", "1", "-screen", "0", "1600x1000x24", "-nolisten", "tcp"]
    with _process(["Xvfb", *screen]) as display:
        assert display.stdout
        variables["DISPLAY"] = f":{int(display.stdout.readline())}"
        with _process(["WebKitWebDriver", "-p", str(port)], **variables):
            address = f"http://127.0.0.1:{port}"
            _until(lambda: _http("GET", f"{address}/status"))
            own = {"binary": str(_mini_browser()), "args": ["--automation"]}
            wanted = {"capabilities": {"alwaysMatch": {"webkitgtk:browserOptions": own}}}
            made = _http("POST", f"{address}/session", wanted)
            session = f"{address}/session/{made['sessionId']}"
            yield Driver(
                lambda name, body: _http("POST", f"{session}/{PATHS[name]}", body),
                lambda: _http("GET", f"{session}/screenshot"),
            )
            _http("DELETE", session)


def _http(method: str, url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        with error:
            raise AssertionError(f"{url}: {error.read().decode()}") from None
