// A display formula, a table, code or what it prints that is wider than the page can be reached, and so scrolled, by
// keyboard. One that is not laid out yet (see lean.css) is measured when it is.
{
  const boxes = "pre, .cell_output > .output";
  const observer = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const box = target.matches(boxes) ? target : target.parentElement;
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  });
  const wide = `div.math > .katex-display, .pst-scrollable-table-container > table, ${boxes}`;
  document.querySelectorAll(wide).forEach((content) => observer.observe(content));
}

// Lay the page out to its end, a block or a few at a time, once the reader does anything, and while nothing else is to
// be done (see lean.css): a search, a jump or a picture of the whole page then finds all of it. A turn is short enough
// for a slow telephone to answer a finger in between.
{
  const TURN = 6; // milliseconds
  const SIGNS = ["scroll", "pointermove", "pointerdown", "keydown"];
  const blocks = [...document.querySelectorAll("article > section section > :not(section, h2, h3)")];
  const idle = globalThis.requestIdleCallback ?? ((work) => setTimeout(work, 50));
  const work = () => {
    const end = performance.now() + TURN;
    while (blocks.length && performance.now() < end) {
      const block = blocks.shift();
      block.classList.add("is-laid-out");
      block.getBoundingClientRect(); // lays it out now, so that the time it takes is counted
    }
    if (blocks.length) idle(work);
  };
  const begin = () => {
    for (const sign of SIGNS) removeEventListener(sign, begin);
    idle(work);
  };
  for (const sign of SIGNS) addEventListener(sign, begin, { passive: true });
}

// The fonts of what is not laid out yet, which a page that is printed at once would come without.
addEventListener("load", () => {
  const fonts = {
    "1em KaTeX_AMS": ".mathbb, .amsrm",
    "1em KaTeX_Caligraphic": ".mathcal",
    "bold 1em KaTeX_Main": ".mathbf",
    "1em KaTeX_Size1": ".size1, .small-op",
    "1em KaTeX_Size2": ".size2, .large-op",
    "1em KaTeX_Size3": ".size3",
    "1em KaTeX_Size4": ".size4, .delimsizinginner",
  };
  for (const [font, used] of Object.entries(fonts)) if (document.querySelector(used)) document.fonts.load(font);
});

// The theme's menus are opened by a script that is fetched when one of them is first reached for, by whatever way; a click
// that comes before it is made again.
{
  const source = document.querySelector("template[data-script]")?.dataset.script;
  const events = ["pointerover", "focusin", "click"];
  let coming;
  const fetched = () =>
    new Promise((done) => document.head.append(Object.assign(document.createElement("script"), { src: source, onload: done })));
  const reached = ({ type, target }) => {
    const button = target.closest?.('[data-bs-toggle="dropdown"]');
    if (!button) return;
    coming ??= fetched().then(() => events.forEach((event) => removeEventListener(event, reached)));
    if (type === "click") coming.then(() => button.click());
  };
  if (source) for (const event of events) addEventListener(event, reached);
}
