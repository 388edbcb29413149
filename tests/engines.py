"""Chromium, Firefox and WebKit behind one small interface, so that a test is written once for the three.

    with start("firefox", "dark", playwright) as window:
        window.open(address, width=360, height=740)
        window.press("Tab", "Enter")
        window.run("() => document.title")
        window.complaints

Input is real: the browser makes the events. Chromium is driven by Playwright, and so are Playwright's own Firefox and
WebKit where they are installed. Else an installed Firefox is driven by WebDriver BiDi, which it speaks itself, and
Debian's WebKitGTK by its WebKitWebDriver, in an X server of its own; that has no touch. `python -m book.tools.browser`
installs what is missing.
"""

from __future__ import annotations

import base64
import http.server
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import unquote, urlsplit

from book.tools.browser import find_firefox, find_minibrowser, launch

PATIENCE = 120  # seconds for a browser to start, or to answer, on a busy machine
KEYS = {  # WebDriver's, by the name that the DOM gives them
    "Tab": "\ue004",
    "Enter": "\ue006",
    "Escape": "\ue00c",
    "Home": "\ue011",
    "ArrowLeft": "\ue012",
    "ArrowUp": "\ue013",
    "ArrowRight": "\ue014",
    "ArrowDown": "\ue015",
}


class Unavailable(Exception):
    """Why an engine cannot be had."""


class Silent(Exception):
    """A browser no longer answers: no fault of the page. It is started anew when a page is next opened."""


class Window:
    """The only window of a browser.

    `complaints` holds what the page last opened complained of, `elsewhere` what it asked of other machines.
    """

    has_touch = True

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def run(self, function, *arguments):
        """The value of a JavaScript function, which may be asynchronous, of these arguments."""
        raise NotImplementedError

    def wait(self, condition, *arguments, seconds=30):
        """Wait until a JavaScript function of these arguments is true, on this page or on the one that follows it."""
        end, error = time.monotonic() + seconds, None
        while time.monotonic() < end:
            try:
                if self.run(condition, *arguments):
                    return
            except Exception as why:  # a page that is just being left answers each driver with an error of its own
                error = why
            time.sleep(0.05)
        raise TimeoutError(f"in {seconds} s never true: {condition} of {arguments}") from error

    def place(self, selector, index=0):
        """The middle of an element that matches, brought into view: x and y in the window. A negative index counts
        from the last; what is not to be seen does not count."""
        found = self.run(
            """async (selector, index) => {
              const seen = [...document.querySelectorAll(selector)].filter((at) => at.getClientRects().length
                && getComputedStyle(at).visibility === "visible");
              const at = seen.at(index);
              if (!at) return null;
              const inside = (box) => box.top >= 0 && box.bottom <= innerHeight && box.left >= 0;
              if (!inside(at.getBoundingClientRect())) at.scrollIntoView({ block: "center", behavior: "instant" });
              await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
              const { x, y, width, height } = at.getBoundingClientRect();
              return [x + width / 2, y + height / 2];
            }""",
            selector,
            index,
        )
        assert found, f"nothing to be seen matches {selector}"
        return found

    def click(self, selector, index=0):
        self.point("mouse", self.place(selector, index))

    def tap(self, selector, index=0):
        self.point("touch", self.place(selector, index))


class Playwrights(Window):
    """A browser that Playwright drives."""

    def __init__(self, browser, scheme):
        self._browser = browser
        self._page = browser.new_context(color_scheme=scheme, has_touch=True).new_page()
        self.complaints, self.elsewhere = [], []
        hear, page = self.complaints.append, self._page
        page.on("console", lambda said: hear(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: hear(str(error)))
        page.on("requestfailed", lambda request: hear(f"failed: {request.url}"))
        page.on("response", lambda got: hear(f"{got.status}: {got.url}") if got.status >= 400 else None)
        page.on("request", lambda request: self.elsewhere.append(request.url) if is_elsewhere(request.url) else None)

    def close(self):
        self._browser.close()

    def open(self, url, width=1280, height=800):
        self._page.set_viewport_size({"width": width, "height": height})
        self._page.goto("about:blank")
        self.complaints.clear()
        self.elsewhere.clear()
        self._page.goto(url, wait_until="load")

    def run(self, function, *arguments):
        return self._page.evaluate(f"(given) => ({function})(...given)", arguments)

    def point(self, kind, at):
        if kind == "touch":
            self._page.touchscreen.tap(*at)
        else:
            self._page.mouse.click(*at)

    def drag(self, start, end):
        self._page.mouse.move(*start)
        self._page.mouse.down()
        self._page.mouse.move(*end, steps=6)
        self._page.mouse.up()

    def press(self, *keys):
        for key in keys:
            self._page.keyboard.press(key)

    def picture(self):
        return self._page.screenshot()


class WebDriver(Window):
    """A browser that takes WebDriver's actions."""

    def _act(self, source):
        raise NotImplementedError

    def _pointer(self, kind, *actions):
        self._act({"type": "pointer", "id": kind, "parameters": {"pointerType": kind}, "actions": list(actions)})

    def point(self, kind, at):
        self._pointer(kind, moved(at), {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0})

    def drag(self, start, end):
        way = [moved([a + i / 6 * (b - a) for a, b in zip(start, end, strict=True)]) for i in range(1, 7)]
        down, up = {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}
        self._pointer("mouse", moved(start), down, *way, up)

    def press(self, *keys):
        for key in keys:
            value = KEYS.get(key, key)
            actions = [{"type": "keyDown", "value": value}, {"type": "keyUp", "value": value}]
            self._act({"type": "key", "id": "keyboard", "actions": actions})


def moved(to):
    x, y = (round(z) for z in to)
    return {"type": "pointerMove", "x": x, "y": y, "duration": 0}


def is_elsewhere(url):
    return not url.startswith(("file:", "data:", "blob:", "about:", "http://127.0.0.1:"))


class Processes:
    """The processes of a browser, in a group each, and a folder of theirs."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="rlbook-"))
        self._started = []

    def start(self, *command, **options):
        process = subprocess.Popen(
            [str(part) for part in command],
            **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True, **options},
        )
        self._started.append(process)
        return process

    def end(self):
        for process in reversed(self._started):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def until(answer, what):
    """What `answer` returns, once it is something and no OSError."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            if found := answer():
                return found
        except OSError:
            pass
        time.sleep(0.05)
    raise Unavailable(f"{what} did not answer in {PATIENCE} s")


# Firefox --------------------------------------------------------------------------------------------------------

PREFERENCES = {
    "app.normandy.enabled": False,
    "app.update.auto": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.prefetch-next": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}


NETWORK = ("beforeRequestSent", "fetchError", "responseCompleted")


class Firefox(WebDriver):
    """An installed Firefox, by WebDriver BiDi: JSON messages over a web socket."""

    def __init__(self, program, scheme):
        self._program, self._scheme = program, scheme
        self.complaints, self.elsewhere = [], []
        self._begin()

    def _begin(self):
        import websocket

        self._processes = Processes()
        self._count, self._context = 0, None
        profile = self._processes.folder
        dark = {"layout.css.prefers-color-scheme.content-override": 0 if self._scheme == "dark" else 1}
        lines = [f"user_pref({json.dumps(key)}, {json.dumps(value)});" for key, value in (PREFERENCES | dark).items()]
        (profile / "user.js").write_text("\n".join(lines), encoding="utf-8")
        options = ("--headless", "--no-remote", "--remote-debugging-port=0", "--profile")
        try:
            self._processes.start(self._program, *options, profile)
            told = profile / "WebDriverBiDiServer.json"
            port = until(lambda: json.loads(told.read_text() or "{}").get("ws_port"), "Firefox")
            address = f"ws://127.0.0.1:{port}/session"
            self._socket = websocket.create_connection(address, timeout=PATIENCE, suppress_origin=True)
            self._ask("session.new", capabilities={})
            heard = [
                "log.entryAdded",
                *(f"network.{e}" for e in ("beforeRequestSent", "fetchError", "responseCompleted")),
            ]
            self._ask("session.subscribe", events=heard)
            # A tab of its own: in the one that Firefox opens with, the address has the focus, and not the page.
            self._context = self._ask("browsingContext.create", type="tab")["context"]
        except BaseException:
            self._processes.end()
            raise

    def close(self):
        self._socket.close()
        self.kill()

    def kill(self):
        self._processes.end()

    def _ask(self, method, **parameters):
        from websocket import WebSocketException

        self._count += 1
        try:
            self._socket.send(json.dumps({"id": self._count, "method": method, "params": parameters}))
            while (message := json.loads(self._socket.recv())).get("id") != self._count:
                self._hear(message["method"], message["params"])
        except (WebSocketException, OSError) as error:
            self._socket.close()
            raise Silent(f"{method}: Firefox is gone, or said nothing for {PATIENCE} s") from error
        if message["type"] == "error":
            raise RuntimeError(f"{method}: {message['error']}: {message['message']}")
        return message["result"]

    def _hear(self, event, told):
        if event == "log.entryAdded":
            # What Firefox says of a formula laid out before its rest has come; the tests count the parts themselves.
            half = told["text"].startswith("Invalid markup: Incorrect number of children")
            if told["level"] in ("error", "warn") and not half:
                self.complaints.append(told["text"])
            return
        if told["context"] != self._context:
            return  # the browser's own
        url = told["request"]["url"]
        if event == "network.beforeRequestSent" and is_elsewhere(url):
            self.elsewhere.append(url)
        elif event == "network.fetchError":
            self.complaints.append(f"failed: {url}")
        elif event == "network.responseCompleted" and told["response"]["status"] >= 400:
            self.complaints.append(f"{told['response']['status']}: {url}")

    def open(self, url, width=1280, height=800):
        if not self._socket.connected:  # Silent
            self.kill()
            self._begin()
        here = {"context": self._context}
        # On a page that fills the screen Firefox would wait for its new size for ever.
        self.run("() => document.fullscreenElement && document.exitFullscreen()")
        self._ask("browsingContext.setViewport", **here, viewport={"width": width, "height": height})
        self._ask("browsingContext.navigate", **here, url="about:blank", wait="complete")
        self.complaints.clear()
        self.elsewhere.clear()
        self._ask("browsingContext.navigate", **here, url=url, wait="complete")

    def run(self, function, *arguments):
        answer = self._ask(
            "script.callFunction",
            functionDeclaration=f"async (given) => JSON.stringify(await ({function})(...JSON.parse(given)))",
            arguments=[{"type": "string", "value": json.dumps(arguments)}],
            target={"context": self._context},
            awaitPromise=True,
        )
        if answer["type"] == "exception":
            raise RuntimeError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"].get("value", "null"))

    def _act(self, source):
        self._ask("input.performActions", context=self._context, actions=[source])

    def picture(self):
        return base64.b64decode(self._ask("browsingContext.captureScreenshot", context=self._context)["data"])


# WebKitGTK ------------------------------------------------------------------------------------------------------

# WebKitWebDriver does not tell what a page complains of, so each page gets this as its first script.
EAR = """<script>
  window.complained = [];
  addEventListener("error", ({ message, target }) =>
    complained.push(message ?? `failed: ${target.src ?? target.href}`), true);
  addEventListener("unhandledrejection", ({ reason }) => complained.push(String(reason)));
  for (const level of ["error", "warn"]) console[level] = (...said) => complained.push(said.join(" "));
</script>"""
# Its toolbar would keep the window from being as narrow as a telephone.
STYLE = "toolbar, headerbar, button, entry, box, notebook, tab { min-width: 0; padding: 0; margin: 0; }"


class Proxy(http.server.BaseHTTPRequestHandler):
    """What WebKit asks of any machine goes through here: only this one is asked, and the rest is noted."""

    def log_message(self, *args):
        pass

    def do_CONNECT(self):
        self.server.elsewhere.append(self.path)
        self.send_error(502)

    def do_GET(self):
        if is_elsewhere(self.path):
            self.server.elsewhere.append(self.path)
            return self.send_error(502)
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(self.path) as got:
                status, kind, body = got.status, got.headers["Content-Type"], got.read()
        except urllib.error.HTTPError as error:
            status, kind, body = error.code, "text/plain", b""
            self.server.complaints.append(f"{status}: {self.path}")
        if kind.startswith("text/html"):
            body = with_ear(body.decode()).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def with_ear(page, base=""):
    head = page.index("<head>") + len("<head>")
    return page[:head] + base + EAR + page[head:]


class WebKitGTK(WebDriver):
    """Debian's MiniBrowser, by WebDriver over http."""

    has_touch = False  # its driver takes a finger for a mouse

    def __init__(self, driver, program, scheme):
        self._programs, self._scheme = (driver, program), scheme
        self._begin()

    def _begin(self):
        driver, program = self._programs
        self._processes = Processes()
        self._session, self._gone = None, False
        self._proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
        self._proxy.complaints, self._proxy.elsewhere = [], []
        threading.Thread(target=self._proxy.serve_forever, daemon=True).start()
        settings = self._processes.folder / "gtk-3.0"
        settings.mkdir()
        (settings / "gtk.css").write_text(STYLE)
        try:
            own = {"XDG_CONFIG_HOME": str(self._processes.folder), "DISPLAY": self._display(), "NO_AT_BRIDGE": "1"}
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            self._address = f"http://127.0.0.1:{port}"
            self._processes.start(driver, f"--port={port}", env=os.environ | own)
            until(lambda: self._ask("GET", "/status"), "WebKitWebDriver")
            options = ["--automation", f"--proxy=http://127.0.0.1:{self._proxy.server_port}"]
            options += ["--dark-mode"] if self._scheme == "dark" else []
            wanted = {
                "browserName": "MiniBrowser",
                "webkitgtk:browserOptions": {"binary": str(program), "args": options},
            }
            begun = self._ask("POST", "/session", capabilities={"alwaysMatch": wanted})
            self._session = f"/session/{begun['sessionId']}"
        except BaseException:
            self.close()
            raise

    def _display(self):
        """The name of an X server that was started for this window."""
        told, tell = os.pipe()
        size = ("-screen", "0", "1600x1200x24", "-nolisten", "tcp")
        self._processes.start("Xvfb", "-displayfd", tell, *size, pass_fds=[tell])
        os.close(tell)
        with os.fdopen(told) as answer:
            return ":" + answer.readline().strip()

    def close(self):
        self.kill()
        self._proxy.shutdown()

    def kill(self):
        self._processes.end()

    def _ask(self, method, path, **parameters):
        data = json.dumps(parameters).encode() if method == "POST" else None
        request = urllib.request.Request(
            self._address + path, data, {"Content-Type": "application/json"}, method=method
        )
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(request, timeout=PATIENCE) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            said = error.read().decode()
            if not re.search("invalid session id|page crash|Could not parse script result", said):
                raise RuntimeError(f"{path}: {said}") from None
        except OSError as error:
            if not self._session:  # it has not begun yet
                raise
            said = str(error)
        self._gone = True
        raise Silent(f"{path}: WebKit is gone: {said}")

    @property
    def complaints(self):
        return self._proxy.complaints + self.run("() => window.complained ?? ['the page has no ear']")

    @property
    def elsewhere(self):
        return self._proxy.elsewhere

    def open(self, url, width=1280, height=800):
        if self._gone:  # Silent
            self.close()
            self._begin()
        self._ask("POST", f"{self._session}/url", url="about:blank")
        bars = self.run("() => outerHeight - innerHeight")
        self._ask("POST", f"{self._session}/window/rect", width=width, height=height + bars)
        self.wait("(width, height) => innerWidth === width && innerHeight === height", width, height)
        self._proxy.complaints.clear()
        self._proxy.elsewhere.clear()
        if url.startswith("file:"):
            # A copy that has an ear, and that finds everything where the original does.
            copy, place = self._processes.folder / "page.html", urlsplit(url)
            page = Path(unquote(place.path)).read_text(encoding="utf-8")
            copy.write_text(with_ear(page, f'<base href="{url}">'), encoding="utf-8")
            url = copy.as_uri() + (f"#{place.fragment}" if place.fragment else "")
        self._ask("POST", f"{self._session}/url", url=url)

    def run(self, function, *arguments):
        script = f"""const [given, done] = arguments;
          Promise.resolve().then(() => ({function})(...JSON.parse(given)))
            .then((value) => done([JSON.stringify(value) ?? "null"]), (error) => done([null, String(error)]));"""
        path = f"{self._session}/execute/async"
        value, *error = self._ask("POST", path, script=script, args=[json.dumps(arguments)])
        if error:
            raise RuntimeError(error[0])
        return json.loads(value)

    def _act(self, source):
        self._ask("POST", f"{self._session}/actions", actions=[source])

    def picture(self):
        return base64.b64decode(self._ask("GET", f"{self._session}/screenshot"))


# Any ------------------------------------------------------------------------------------------------------------


def start(name, scheme, playwright):
    """A window of "chromium", "firefox" or "webkit" for who prefers "light" or "dark"; `Unavailable` says why not."""
    if name == "chromium":
        return Playwrights(launch(playwright), scheme)
    if Path((own := getattr(playwright, name)).executable_path).exists():
        from playwright.sync_api import Error

        try:
            return Playwrights(own.launch(), scheme)
        except Error as error:
            raise Unavailable(f"Playwright's {name} does not start: {error.message.splitlines()[0]}") from error
    if name == "firefox" and (program := find_firefox()):
        return Firefox(program, scheme)
    if name == "webkit" and (programs := find_minibrowser()):
        return WebKitGTK(*programs, scheme)
    raise Unavailable(f"no {name} is installed: neither Playwright's own nor one that WebDriver can drive")
