// A display formula or a table wider than the page can be reached, and so scrolled, by keyboard. One that is not
// laid out yet (see lean.css) is measured when it is.
{
  const observer = new ResizeObserver((entries) => {
    for (const { target: { parentElement: line } } of entries) {
      if (line.scrollWidth > line.clientWidth) line.tabIndex = 0;
      else line.removeAttribute("tabindex");
    }
  });
  const wide = document.querySelectorAll("div.math > .katex-display, .pst-scrollable-table-container > table");
  wide.forEach((content) => observer.observe(content));
}

// Lay the page out to its end, a block or a few at a time, while the reader needs nothing else (see lean.css): a search,
// a jump or a picture of the whole page then finds all of it. A turn is short enough for a slow telephone to answer a
// finger in between.
{
  const TURN = 6; // milliseconds
  const blocks = [...document.querySelectorAll("article > section > section > *")];
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
  addEventListener("load", () => idle(work));
}

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
