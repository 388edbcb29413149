"""Pages and widgets in a real browser: what the browser tests share."""

# The parts of a page that lean.js lays out when there is nothing else to do.
BLOCKS = "article > section section > :not(section, h2, h3)"
WIDTHS = {"phone": {"width": 360, "height": 740}, "desktop": {"width": 1280, "height": 900}}


class Visit:
    """A page opened in a browser, with what it asked for and what it complained of."""

    def __init__(self, browser, url, *, scroll=True, idle=True, **options):
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.requests, self.complaints = [], []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))
        self.page.on("response", lambda r: self.complaints.append(f"{r.status}: {r.url}") if r.status >= 400 else None)
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(url, wait_until="load")
        if scroll and options.get("java_script_enabled", True):
            self.wake_everything()
            if idle:
                self.page.wait_for_load_state("networkidle")

    def wake_everything(self):
        """Scroll to the end in steps, so that whatever loads when it comes near has loaded."""
        self.page.evaluate(
            """async () => {
              for (let y = 0; y < document.documentElement.scrollHeight; y += 400) {
                window.scrollTo(0, y);
                await new Promise((done) => requestAnimationFrame(done));  // what comes near is seen once a frame
              }
              window.scrollTo(0, 0);
            }"""
        )
        if self.page.locator(".rlbook-widget").count():
            self.page.wait_for_function(
                "() => [...document.querySelectorAll('.rlbook-widget')]"
                ".every((widget) => widget.querySelector('.rl[data-preset]'))"
            )

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.context.close()


def settled(page):
    """Wait until the next frame has been drawn; the widget draws once a frame."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def played_out(page):
    """Wait until what was pressed has played to its end; that it plays is said with the first frame."""
    settled(page)
    page.wait_for_function("() => document.querySelector('.rl').dataset.playing === ''", timeout=30_000)


def room_kept(page):
    """How high the place of a page's widget is until the widget is there."""
    return page.locator(".rlbook-widget").evaluate(
        """(place) => {
          place.classList.remove("is-live");
          return parseFloat(getComputedStyle(place, "::before").height);
        }"""
    )


def swipe(page, start, end, steps=10):
    """A finger goes from a point of the page to another."""
    send = page.context.new_cdp_session(page).send
    shares = [step / steps for step in range(steps + 1)]
    points = [{key: float((1 - s) * a + s * b) for key, a, b in zip("xy", start, end, strict=True)} for s in shares]
    send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points[:1]})
    for point in points[1:]:
        send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
    send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_timeout(120)


# Where a page's only widget has its parts, and how high it is.
PARTS = """() => ["rl-legend", "rl-leading", "rl-table", "rl-controls:not(.rl-leading)", "rl-foot"]
  .map((kind) => document.querySelector(`.${kind}`).getBoundingClientRect().top + window.scrollY)
  .concat([...document.querySelectorAll(".rl-panel")].map((at) => at.getBoundingClientRect().top + window.scrollY))
  .concat(document.querySelector(".rl").getBoundingClientRect().height)"""


def data(page):
    """What a page's only widget says of itself, once nothing is being played in it."""
    settled(page)
    page.wait_for_function("() => !document.querySelector('.rl').dataset.busy")
    return page.locator(".rl").evaluate("(root) => ({ ...root.dataset })")


def numbers(text):
    return [float(x) for x in text.split(",")]


def serious_faults(page, frontend, of="html"):
    """What axe-core finds in a part of the page that is serious or critical, a line each."""
    if not page.evaluate("'axe' in window"):
        page.add_script_tag(path=frontend / "node_modules" / "axe-core" / "axe.min.js")
    found = page.evaluate("async (of) => (await axe.run(of, { preload: false })).violations", of)
    return [
        f"{violation['id']}: {violation['help']}: {[node['target'] for node in violation['nodes']][:4]}"
        for violation in found
        if violation["impact"] in ("serious", "critical")
    ]


def tabbed(page):
    """The names of what Tab reaches in a page's only widget, from its first button to its last control."""
    page.locator(".rl button").first.focus()
    names = []
    while True:
        name = page.evaluate(
            """() => {
              const at = document.activeElement;
              if (!at.closest(".rl")) return null;
              return at.getAttribute("aria-label") ?? at.labels?.[0]?.textContent ?? at.textContent;
            }"""
        )
        if name is None:
            return names
        names.append(name)
        page.keyboard.press("Tab")
