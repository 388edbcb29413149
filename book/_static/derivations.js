// A derivation on the page (rlbook/derivations/display.py wrote it): a list of lines with their values in a first world.
// This script adds a die, which shows the values in other worlds; "Line by line"; and "Your turn", in which each next
// line is to be chosen among the right one and its slips, and the numbers answer.
{
  /** @param {string} name @param {object} [properties] @param {(Node | string)[]} children @returns {any} */
  const make = (name, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };
  const button = (text, click) => make("button", { type: "button", onclick: click }, text);

  /** @param {any[]} items */
  const shuffled = (items) => {
    const left = [...items];
    return items.map(() => left.splice(Math.floor(Math.random() * left.length), 1)[0]);
  };

  /** @param {HTMLElement} root */
  const enliven = (root) => {
    const data = root.querySelector("script");
    const list = root.querySelector("ol");
    const named = root.querySelector(".rl-world");
    if (!data || !list || !named) return;
    // Per world: what it is, and for each line its value and, for each slip, its value and the relation, if it holds.
    const worlds = JSON.parse(data.textContent ?? "");
    const lines = [...list.children].map((/** @type {any} */ item) => ({
      item,
      formula: item.querySelector(".math"),
      reason: item.children[1],
      value: item.querySelector("code"),
      slips: [...item.querySelectorAll("li")].map((slip) => ({
        formula: slip.querySelector(".math"),
        reason: slip.children[1],
        value: slip.querySelector("del"),
      })),
    }));
    let world = 0;
    let shown = lines.length; // so many lines are to be seen
    let mode = ""; // or "steps", or "turn"
    let right = 0; // lines that were chosen at once

    const face = make("span", { className: "rl-die" });
    face.setAttribute("aria-hidden", "true");
    const shownWorld = make("span");
    const die = button("", () => show((world + 1) % worlds.length));
    die.title = "Throw the die: another world";
    die.append(face, shownWorld);
    const steps = button("Line by line", () => begin(mode === "steps" ? "" : "steps"));
    const turn = button("Your turn", () => begin(mode === "turn" ? "" : "turn"));
    const bar = make("div", { className: "rl-bar", role: "group" }, die, steps, turn);
    bar.setAttribute("aria-label", "This derivation");
    const next = make("div", { className: "rl-next" }); // what is asked of the reader
    const said = make("p", { className: "rl-said", role: "status" });
    list.before(bar);
    list.after(said, next);

    /** Write the values that all lines have in a world. @param {number} to */
    const show = (to) => {
      world = to;
      const [text, values] = worlds[world];
      named.innerHTML = text;
      lines.forEach(({ value, slips }, i) => {
        value.textContent = values[i][0];
        slips.forEach((slip, j) => {
          slip.value.textContent = values[i][j + 1][0];
        });
      });
      shownWorld.textContent = `${world + 1} of ${worlds.length}`;
      if (mode) said.textContent = "";
      for (const option of next.querySelectorAll("li[data-slip]")) answer(option);
    };

    /** @param {string} to */
    const begin = (to) => {
      mode = to;
      right = 0;
      root.classList.toggle("is-turn", mode === "turn");
      steps.setAttribute("aria-pressed", mode === "steps");
      turn.setAttribute("aria-pressed", mode === "turn");
      said.textContent = "";
      reveal(mode ? 1 : lines.length);
    };

    /** Show so many lines, and ask for the next. @param {number} count */
    const reveal = (count) => {
      shown = count;
      lines.forEach(({ item }, i) => {
        item.classList.toggle("is-hidden", i >= shown);
      });
      next.replaceChildren();
      if (!mode) return;
      if (shown === lines.length) end();
      else if (mode === "steps" || !lines[shown].slips.length) ask();
      else choose();
    };

    const end = () => {
      const asked = lines.filter(({ slips }) => slips.length).length;
      if (mode === "turn") said.textContent = `Done: ${right} of ${asked} chosen at once.`;
      next.append(
        make(
          "div",
          { className: "rl-row" },
          button("Again", () => again(mode)),
          button("All lines", () => begin("")),
        ),
      );
    };

    /** @param {string} to */
    const again = (to) => {
      begin(to);
      focusNext();
    };

    /** What is asked is in sight and has the focus: a question, not one of its answers. */
    const focusNext = () => {
      next.querySelector("p, button")?.focus({ preventScroll: true });
      const { bottom } = next.getBoundingClientRect();
      if (bottom > innerHeight) next.scrollIntoView({ block: "nearest" });
    };

    const step = (by) => {
      said.textContent = "";
      reveal(Math.max(1, Math.min(lines.length, shown + by)));
      focusNext();
    };

    const ask = () => {
      const row = make(
        "div",
        { className: "rl-row" },
        button(`Line ${shown + 1} of ${lines.length} ↓`, () => step(1)),
      );
      if (mode === "steps" && shown > 1) row.append(button("↑ Back", () => step(-1)));
      next.append(row);
    };

    /** The right line and its slips, shuffled. */
    const choose = () => {
      const line = lines[shown];
      let first = true;
      const options = shuffled([-1, ...line.slips.keys()]).map((j) => {
        const { formula } = j < 0 ? line : line.slips[j];
        const choice = button("", () => {
          if (j < 0) {
            if (first) right += 1;
            said.textContent = "Right.";
            reveal(shown + 1);
            focusNext();
          } else if (!option.dataset.slip) {
            said.textContent = "";
            first = false;
            option.dataset.slip = j;
            choice.setAttribute("aria-disabled", "true"); // which, unlike disabled, leaves it the focus
            answer(option);
          }
        });
        choice.append(formula.cloneNode(true));
        const option = make("li", {}, choice);
        return option;
      });
      const title = `Which is line ${shown + 1}?`;
      const choices = make("ul", { className: "rl-choices" }, ...options);
      choices.setAttribute("aria-label", title);
      next.append(make("p", { tabIndex: -1 }, title), choices);
    };

    /** Beside a slip that was chosen, what the numbers say of it in this world. @param {any} option */
    const answer = (option) => {
      const j = +option.dataset.slip;
      const slip = lines[shown].slips[j];
      const [value, luck] = worlds[world][1][shown][j + 1];
      const before = lines[shown - 1].value.textContent;
      const verdict = luck
        ? `No. Here ${before} ${luck} ${value} happens to hold; throw the die: in another world it fails.`
        : `No: ${value}, and the line before is ${before}.`;
      option.querySelector(".rl-answer")?.remove();
      option.append(
        make("p", { className: "rl-answer", role: "status" }, `${verdict} `, ...slip.reason.cloneNode(true).childNodes),
      );
    };

    // ↓ and ↑ go on and back, where the focus is on what asks.
    next.addEventListener("keydown", (event) => {
      const by = mode === "steps" ? { ArrowDown: 1, ArrowUp: -1 }[event.key] : 0;
      if (!by) return;
      event.preventDefault();
      step(by);
    });
    addEventListener("beforeprint", () => {
      show(0);
      begin("");
    });
    // What does not fit can be reached, and so scrolled, by keyboard.
    const observer = new ResizeObserver((entries) => {
      for (const { target } of entries) {
        const line = /** @type {HTMLElement} */ (target);
        if (line.scrollWidth > line.clientWidth) line.tabIndex = 0;
        else line.removeAttribute("tabindex");
      }
    });
    for (const formula of list.querySelectorAll("p:first-child > .math")) observer.observe(formula);
    show(0);
    begin("");
  };

  for (const root of document.querySelectorAll(".rl-derivation")) enliven(/** @type {HTMLElement} */ (root));
}
