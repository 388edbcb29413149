// The search page: what the build has found to be found (see _ext/finder.py), ranked as one types.
{
  const here = new URL("finder/", document.currentScript.src);
  const root = document.documentElement.dataset.content_root ?? "./";
  const MOST = 50;
  // What is more likely to be looked for comes first, of two that match alike.
  const WEIGHT = { Statement: 4, Term: 2.5, Page: 1.5, Section: 1.5, Symbol: 1.2, Exercise: 1.2, Package: 1, Figure: 1 };
  const OTHERS = 0.6; // sources, errata, derivations
  const WHOLE = 8; // times what is called just that;
  const CODE = 40; // a name of the package so, if it was written as code,
  const NAME = 3; // and if it was not;
  const WITHIN = 2; // and what the title has word by word, side by side
  const GREEK = new Map(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma sigma tau upsilon phi chi psi omega"
      .split(" ")
      .map((name, i) => [String.fromCharCode(945 + i), name]),
  );

  const script = (name) => new Promise((done, fail) => {
    const node = Object.assign(document.createElement("script"), { src: new URL(name, here) });
    node.onload = done;
    node.onerror = () => fail(new Error(`${name} cannot be read`));
    document.head.append(node);
  });
  const plain = (text) => text.toLowerCase().normalize("NFKD").replace(/\p{M}/gu, "").replace(/[’']/g, "").replace(/[\p{Z}\p{P}]+/gu, " ").trim();
  const nameOf = (title) => title.replace(/, (Theorem|Lemma|Proposition|Definition|Exercise) [\d.]+$/, "");
  // GAE, TRPO: what the first letters of a name's words make.
  const initials = (title) => {
    const letters = plain(nameOf(title)).split(" ").map((word) => word[0]).join("");
    return letters.length > 2 ? letters : "";
  };
  const processTerm = (term) => {
    const word = plain(term);
    return GREEK.get(word) ?? (word || null);
  };

  const make = (entries) => {
    const index = new MiniSearch({
      fields: ["title", "short", "of", "text"],
      processTerm,
      searchOptions: {
        boost: { title: 6, short: 4 },
        prefix: (term) => term.length > 2,
        fuzzy: (term) => (term.length > 3 ? 0.2 : false),
        weights: { prefix: 0.4, fuzzy: 0.2 },
      },
    });
    index.addAll(entries.map((entry, id) => ({ ...entry, id, short: initials(entry.title) })));
    return (query) => {
      const asked = plain(query);
      if (!asked) return [];
      const all = index.search(query, { combineWith: "AND" });
      const found = all.length ? all : index.search(query, { combineWith: "OR" });
      const worth = ({ id, score }) => {
        const { kind, title } = entries[id];
        const whole = plain(title);
        const names = kind === "Term" ? title.split(", ") : [nameOf(title)];
        const called = whole === asked || names.some((name) => plain(name) === asked);
        const within = ` ${whole} `.includes(` ${asked} `);
        const code = /_|[a-z][A-Z]/.test(query) && title === query.trim() ? CODE : NAME;
        const alike = called ? (kind === "Package" ? code : WHOLE) : within ? WITHIN : 1;
        return score * (WEIGHT[kind] ?? OTHERS) * alike;
      };
      return found
        .map((hit) => ({ ...entries[hit.id], worth: worth(hit), words: Object.keys(hit.match) }))
        .sort((a, b) => b.worth - a.worth);
    };
  };

  // The piece of a text that holds the most of what was found in it, whole words, the finds marked.
  const excerpt = (text, words) => {
    const node = Object.assign(document.createElement("p"), { className: "found-text" });
    const parts = text.split(/(\s+)/);
    const isFound = (part) => part.split(/[\p{Z}\p{P}]+/u).some((piece) => words.includes(processTerm(piece)));
    const marks = parts.map(isFound);
    const ROOM = 60; // words and the spaces between
    const count = (from) => marks.slice(from, from + ROOM).filter(Boolean).length;
    let start = 0;
    for (let from = 0; from < parts.length; from += 2)
      if (count(Math.max(0, from - 10)) > count(start)) start = Math.max(0, from - 10);
    start -= start % 2;
    if (start) node.append("… ");
    for (const [i, part] of parts.slice(start, start + ROOM).entries())
      node.append(marks[start + i] ? Object.assign(document.createElement("mark"), { textContent: part }) : part);
    if (start + ROOM < parts.length) node.append(" …");
    return node;
  };

  const shown = ({ kind, title, of, text, url, words }) => {
    const item = document.createElement("li");
    const link = Object.assign(document.createElement("a"), { href: root + url, textContent: title });
    const kindOf = Object.assign(document.createElement("span"), { className: "found-kind", textContent: kind });
    item.append(link, " ", kindOf);
    if (of) item.append(Object.assign(document.createElement("p"), { className: "found-of", textContent: of }));
    if (text) item.append(excerpt(text, words));
    return item;
  };

  const start = async () => {
    const place = document.querySelector("#search-results");
    const field = document.querySelector(".bd-search-container input[type=search]");
    const status = Object.assign(document.createElement("p"), { className: "found-count" });
    status.setAttribute("role", "status");
    const list = document.createElement("ol");
    list.className = "found";
    place.append(status, list);
    try {
      await Promise.all([script("minisearch.min.js"), script("entries.js")]);
    } catch (error) {
      status.textContent = `Nothing can be searched: ${error.message}.`;
      return;
    }
    const search = make(globalThis.rlbookEntries);
    const show = () => {
      const found = search(field.value);
      list.replaceChildren(...found.slice(0, MOST).map(shown));
      const more = found.length > MOST ? `, the first ${MOST} of them here` : "";
      const counted = found.length === 1 ? "1 place" : `${found.length || "No"} places`;
      status.textContent = field.value.trim() ? `${counted}${more}` : "";
    };
    field.value = new URLSearchParams(location.search).get("q") ?? "";
    field.addEventListener("input", () => {
      const address = new URL(location);
      address.searchParams.set("q", field.value);
      history.replaceState(null, "", address);
      show();
    });
    field.form.addEventListener("submit", (event) => event.preventDefault());
    show();
  };
  document.addEventListener("DOMContentLoaded", start);
}
