// A fold opens for a link to what is in it, where the browser has not opened it, and for paper; code stays folded there.
{
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll(".fold:not([open], .code)")];
    for (const fold of opened) fold.open = true;
  });
  addEventListener("afterprint", () => {
    for (const fold of opened) fold.open = false;
  });

  const shut = "details:not([open])";
  const reveal = () => {
    let target = null;
    try {
      target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    } catch {
      // what stands there names nothing
    }
    if (!target?.closest(shut)) return;
    for (let fold = target.closest(shut); fold; fold = fold.closest(shut)) fold.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  reveal();
}
