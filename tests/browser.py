"""A headless Chromium, driven through its DevTools protocol."""

import base64
import json
import shutil
import subprocess
import time
import urllib.request
from contextlib import contextmanager

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
FLAGS += ("--remote-debugging-port=0", "--remote-allow-origins=*", "--window-size=1400,1000")


class Tab:
    """A page of the browser."""

    def __init__(self, address):
        import websocket  # comes with jupyter_server

        self.socket = websocket.create_connection(address, timeout=60)
        self.count = 0

    def send(self, method, **parameters):
        """A command of the protocol; its answer."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        self.socket.send(json.dumps(message))
        while (answer := json.loads(self.socket.recv())).get("id") != self.count:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def value(self, script):
        """Of an expression in JavaScript; None where it fails, as while a page is being loaded."""
        found = self.send("Runtime.evaluate", expression=script, returnByValue=True)
        return found["result"].get("value") if "exceptionDetails" not in found else None

    def wait(self, script, seconds=30):
        """Until an expression is true."""
        end = time.monotonic() + seconds
        while not self.value(f"Boolean({script})"):
            assert time.monotonic() < end, f"not in {seconds} s: {script}"
            time.sleep(0.2)

    def key(self, name):
        """Press and release a key."""
        for kind in ("rawKeyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=name, code=name)

    def picture(self, path):
        """Save what is seen."""
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot")["data"]))


@contextmanager
def browser(folder, url):
    """A tab at this address; its profile is kept in `folder`."""
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={folder}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        port, *_ = until(lambda: read(folder / "DevToolsActivePort")).split()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=10) as answer:
            tabs = json.load(answer)
        tab = Tab(next(one for one in tabs if one["type"] == "page")["webSocketDebuggerUrl"])
        tab.send("Page.navigate", url=url)
        yield tab
        tab.socket.close()
    finally:
        process.terminate()
        process.wait(20)


def read(path):
    """A file's text, '' while it is not there."""
    return path.read_text() if path.exists() else ""


def until(found, seconds=30):
    """What a function gives, once it is not empty."""
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end, f"nothing in {seconds} s"
        time.sleep(0.1)
    return value
