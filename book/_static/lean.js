// A display formula wider than the page can be reached, and so scrolled, by keyboard. Formulas out of sight are
// not laid out (see lean.css): one takes its size, and is measured, when it comes near.
{
  const observer = new ResizeObserver((entries) => {
    for (const { target: { parentElement: line } } of entries) {
      if (line.scrollWidth > line.clientWidth) line.tabIndex = 0;
      else line.removeAttribute("tabindex");
    }
  });
  document.querySelectorAll("div.math > .katex-display").forEach((formula) => observer.observe(formula));
}
