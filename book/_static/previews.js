// A reference shows what it refers to: pointed at, reached by keyboard, or tapped. Escape closes it, and leaving it does;
// one may go into it, to scroll or to follow what stands there. What is on this page is taken from it; what is on another
// comes from a script that the build wrote (see _ext/previews.py), at the first use.
{
  const KINDS = ".proof, .exercise, div.math, figure, .citation, dt.sig";
  const article = document.querySelector("article");
  const page = location.pathname.split("/").pop() || "index.html";
  const folder = new URL(`previews/${page.replace(/\.html$/, "")}/`, document.currentScript.src);
  const card = Object.assign(document.createElement("aside"), { className: "preview bd-article", id: "preview" });
  card.setAttribute("aria-label", "Preview");
  let shown = null; // the link whose card is open
  // While the page is being laid out (see lean.js) the text before a link changes its height; the card goes with it.
  const grown = new ResizeObserver(() => shown && place(shown));
  let timer = 0;
  const others = {}; // promises of what stands on other pages

  const fetched = (other) => others[other] ??= new Promise((done) => {
    const script = Object.assign(document.createElement("script"), { src: new URL(other.replace(/html$/, "js"), folder) });
    script.onload = () => done(globalThis.rlbookPreviews[other]);
    script.onerror = () => done({});
    document.head.append(script);
  });

  const onThisPage = (anchor) => {
    const target = document.getElementById(anchor);
    if (!target?.matches(KINDS)) return null;
    const copy = target.cloneNode(true);
    for (const part of copy.querySelectorAll(".headerlink, .checked-by, .rlbook-widget, script")) part.remove();
    for (const part of [copy, ...copy.querySelectorAll("[id]")]) part.removeAttribute("id");
    return copy.outerHTML;
  };

  const contentOf = async (link) => {
    const anchor = decodeURIComponent(link.hash.slice(1));
    if (link.pathname === location.pathname) return onThisPage(anchor);
    const href = link.getAttribute("href");
    const other = href.split("#")[0];
    return /^[\w-]+\.html$/.test(other) ? (await fetched(other))[href] ?? null : null;
  };

  const close = () => {
    clearTimeout(timer);
    shown?.removeAttribute("aria-describedby");
    shown = null;
    grown.disconnect();
    card.remove();
  };

  const place = (link) => {
    const at = link.getClientRects()[0] ?? link.getBoundingClientRect();
    const { clientWidth, clientHeight } = document.documentElement;
    const { width, height } = card.getBoundingClientRect();
    const below = at.bottom + height + 8 < clientHeight || at.top < height + 8;
    card.style.left = `${Math.max(8, Math.min(at.left - 16, clientWidth - width - 8)) + scrollX}px`;
    card.style.top = `${(below ? at.bottom + 6 : at.top - height - 6) + scrollY}px`;
  };

  const open = async (link, tapped) => {
    const content = await contentOf(link);
    if (!content) {
      if (tapped) link.click();
      return;
    }
    close();
    shown = link;
    card.innerHTML = `<section>${content}</section>`;
    if (tapped) {
      const there = Object.assign(document.createElement("a"), { href: link.href, textContent: "Go there →" });
      there.className = "preview-go";
      card.append(there);
    }
    document.body.append(card);
    link.setAttribute("aria-describedby", card.id);
    place(link);
    grown.observe(article);
  };

  // A link of the text that leads to a place; one in the list of contents, or to its own heading, does not.
  const linkAt = ({ target }) => {
    const link = target.closest?.("a[href*='#']");
    const ours = link && (article?.contains(link) || card.contains(link));
    return ours && !link.matches(".headerlink, .preview-go, .checked-by a, .toctree-wrapper a") ? link : null;
  };
  const soon = (work, after) => {
    clearTimeout(timer);
    timer = setTimeout(work, after);
  };

  // Where the mouse has moved itself. While the page is being laid out, things move under one that rests, and then it
  // has not left the card before it moves again.
  let at = "";
  let moved = false; // the page, from under it
  const placeOf = ({ clientX, clientY }) => `${clientX} ${clientY}`;
  document.addEventListener("pointermove", (event) => {
    at = placeOf(event);
    if (moved && shown) soon(close, 250);
    moved = false;
  });
  document.addEventListener("pointerover", (event) => {
    if (event.pointerType !== "mouse") return;
    const link = linkAt(event);
    const outside = !link && !card.contains(event.target);
    moved = outside && placeOf(event) === at;
    if (card.contains(event.target) && !link) clearTimeout(timer);
    else if (link && link !== shown && !card.contains(link)) soon(() => open(link), 200);
    else if (link) clearTimeout(timer);
    else if (shown && !moved) soon(close, 250);
    else if (!shown) clearTimeout(timer);
  });
  document.addEventListener("focusin", (event) => {
    const link = linkAt(event);
    if (card.contains(event.target)) clearTimeout(timer);
    else if (link?.matches(":focus-visible")) open(link);
    else if (shown) close();
  });
  let finger = false;
  document.addEventListener("pointerdown", (event) => {
    finger = event.pointerType === "touch";
    if (shown && !card.contains(event.target) && event.target.closest?.("a") !== shown) close();
  });
  document.addEventListener("click", (event) => {
    const link = linkAt(event);
    if (!finger || !link || !event.isTrusted || card.contains(link)) return;
    event.preventDefault();
    if (link === shown) close();
    else open(link, true);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && shown) close();
  });
}
