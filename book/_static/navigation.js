// The buttons of the page's head. ☰ and the list of contents open a drawer where the page is narrow; where it is wide,
// ☰ folds the sidebar away. The theme would do so too, were the first of each such button on the page not a hidden twin,
// to which it listens instead. So the clicks are taken here, before the theme can see them.
{
  // What stands beside the text on a wide page, and in a drawer on a narrow one.
  const panels = [
    ["primary", "Site navigation"],
    ["secondary", "On this page"],
  ].map(([kind, name]) => ({
    name,
    button: document.querySelector(`.bd-header-article .${kind}-toggle`),
    sidebar: document.getElementById(`pst-${kind}-sidebar`),
    drawer: document.getElementById(`pst-${kind}-sidebar-modal`),
  })).filter(({ button, sidebar, drawer }) => button && sidebar && drawer);

  const isNarrow = ({ sidebar }) => getComputedStyle(sidebar).position === "fixed";

  // Say of a panel's button what it stands for, and whether that is to be seen.
  const tell = (panel) => {
    const { button, sidebar, drawer } = panel;
    const narrow = isNarrow(panel);
    button.setAttribute("aria-controls", narrow ? drawer.id : sidebar.id);
    button.setAttribute("aria-expanded", narrow ? drawer.open : !sidebar.classList.contains("is-folded"));
    button.toggleAttribute("aria-haspopup", narrow);
    if (narrow) button.setAttribute("aria-haspopup", "dialog");
  };

  const open = ({ sidebar, drawer, close }) => {
    drawer.className = sidebar.className; // which is how the theme's styles know it
    drawer.append(close, ...sidebar.childNodes);
    drawer.showModal();
  };

  for (const panel of panels) {
    const { name, button, sidebar, drawer } = panel;
    button.title = name;
    button.setAttribute("aria-label", name);
    button.removeAttribute("data-bs-toggle"); // the theme's own tooltip would lie over what the button opens
    drawer.setAttribute("aria-label", name);
    panel.close = document.createElement("button");
    Object.assign(panel.close, { type: "button", className: "btn drawer-close", textContent: "Close ✕" });

    let followed = false; // a link within the page, which then has the focus
    drawer.addEventListener("click", ({ target, clientX, clientY }) => {
      const { left, right, top, bottom } = drawer.getBoundingClientRect();
      const beside = target === drawer && (clientX < left || clientX > right || clientY < top || clientY > bottom);
      followed = target.closest("a") !== null;
      if (followed || beside || panel.close.contains(target)) drawer.close();
    });
    drawer.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation(); // Sphinx would take it
      event.preventDefault();
      drawer.close();
    });
    drawer.addEventListener("close", () => {
      panel.close.remove();
      sidebar.append(...drawer.childNodes);
      if (!followed) button.focus({ preventScroll: true });
      followed = false;
    });
    new MutationObserver(() => tell(panel)).observe(drawer, { attributeFilter: ["open"] });
    new MutationObserver(() => tell(panel)).observe(sidebar, { attributeFilter: ["class"] });
    tell(panel);
  }

  addEventListener("resize", () => {
    for (const panel of panels) {
      if (panel.drawer.open && !isNarrow(panel)) panel.drawer.close();
      tell(panel);
    }
  });

  document.addEventListener("click", (event) => {
    const panel = panels.find(({ button }) => button.contains(event.target));
    if (panel) {
      event.stopImmediatePropagation();
      if (isNarrow(panel)) open(panel);
      else panel.sidebar.classList.toggle("is-folded");
    } else if (!event.detail) {
      // The theme takes the focus from a button that is clicked, to be rid of its tooltip. Who clicks by keyboard
      // needs it.
      const button = event.target.closest?.(".bd-header-article button");
      if (button) setTimeout(() => document.activeElement === document.body && button.focus({ preventScroll: true }));
    }
  }, true);

  // The section that one reads is marked in the list of contents. The theme marks what last came into the window's upper
  // part, which going up, after a jump or while the page is still being laid out is another one, or none; by this name
  // it would find the list.
  const contents = document.getElementById("pst-page-toc-nav");
  contents?.removeAttribute("id");
  const entries = [...(contents?.querySelectorAll("a[href^='#']") ?? [])]
    .map((link) => ({ link, section: document.getElementById(link.hash.slice(1)) }))
    .filter(({ section }) => section);
  // What was asked for is marked until the reader moves on, wherever the page's end lets it come to stand.
  const asked = () => entries.find(({ link }) => link.hash === location.hash) ?? null;
  let chosen = asked();
  const mark = () => {
    // The line that a section has to reach: high in the window, but sinking to its foot as the page comes to its end.
    const { scrollHeight, clientHeight } = document.documentElement;
    const [whole, rest] = [scrollHeight - clientHeight, scrollHeight - clientHeight - scrollY];
    const end = Math.min(whole, 0.7 * clientHeight);
    const line = clientHeight * (0.3 + (end > 0 ? 0.7 * Math.max(0, 1 - rest / end) : 0));
    const read = chosen ?? entries.findLast(({ section }) => section.getBoundingClientRect().top <= line);
    for (const entry of entries) {
      entry.link.classList.toggle("active", entry === read);
      if (entry === read) entry.link.setAttribute("aria-current", "true");
      else entry.link.removeAttribute("aria-current");
    }
    for (const item of contents.querySelectorAll(".toc-entry"))
      item.classList.toggle("active", item.contains(read?.link ?? null));
  };
  if (entries.length) {
    let frame = 0;
    const later = () => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(mark);
    };
    const choose = (entry) => {
      chosen = entry;
      later();
    };
    for (const event of ["scroll", "resize"]) addEventListener(event, later, { passive: true });
    for (const event of ["wheel", "touchmove", "keydown", "pointerdown"])
      addEventListener(event, () => (chosen = null), { passive: true });
    addEventListener("hashchange", () => choose(asked()));
    contents.addEventListener("click", ({ target, ctrlKey, metaKey, shiftKey }) => {
      if (ctrlKey || metaKey || shiftKey) return; // opened elsewhere
      choose(entries.find(({ link }) => link.contains(target)) ?? null);
    });
    later();
  }

  // The theme scrolls the list of pages to where it was, else to the present one where that stands in the window's lower
  // half. Where the present one is in sight anyway, the list stays as it was; where it is not, it is not to stay.
  const present = [...document.querySelectorAll("#pst-primary-sidebar .bd-docs-nav .active")].at(-1);
  const kept = "sidebar-scroll-top"; // where the theme looks first
  try {
    const was = Number(sessionStorage.getItem(kept));
    const at = present?.getBoundingClientRect(); // of the list as it is before the theme scrolls it
    if (at && was <= at.top && at.bottom - was < innerHeight) sessionStorage.setItem(kept, String(was));
    else if (at) sessionStorage.removeItem(kept);
  } catch {} // where nothing may be kept

  // A telephone may have no full screen.
  if (!(document.fullscreenEnabled ?? document.webkitFullscreenEnabled)) {
    document.querySelector(".btn-fullscreen-button")?.remove();
  }

  // What the button beside "Print to PDF" does; book.css leaves the solutions out.
  globalThis.printWithoutSolutions = () => {
    const { classList } = document.body;
    classList.add("is-without-solutions");
    addEventListener("afterprint", () => classList.remove("is-without-solutions"), { once: true });
    print();
  };
}
