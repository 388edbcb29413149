// A fold opens for a link to what is in it, where the browser has not opened it, and for paper; code stays folded there.
{
  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const shut = "details:not([open])";
    if (!target?.closest(shut)) return;
    for (let fold = target.closest(shut); fold; fold = fold.closest(shut)) fold.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  reveal();

  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll(".fold:not([open], .code)")];
    for (const fold of opened) fold.open = true;
  });
  addEventListener("afterprint", () => {
    for (const fold of opened) fold.open = false;
  });
}
