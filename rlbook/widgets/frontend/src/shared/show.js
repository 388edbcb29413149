// How both hosts show a view, and what they say where it fails.

// Renders a view into `el`. If it throws, now or when it draws later, all of it goes and failed(error) is called.
// Gives the function that ends the view, or nothing if it has failed.
export async function show(el, render, failed) {
  let stop;
  const end = () => {
    el.removeEventListener("rl-failed", late);
    stop?.();
    el.replaceChildren();
  };
  const fail = (error) => {
    end();
    console.error(error);
    failed(error);
  };
  const late = ({ detail }) => fail(detail);
  el.addEventListener("rl-failed", late);
  try {
    stop = await render();
    return end;
  } catch (error) {
    fail(error);
  }
}

// The line that says so.
export function failure(words) {
  const line = document.createElement("p");
  line.className = "rl-failed";
  line.setAttribute("role", "alert");
  line.textContent = words;
  return line;
}

// A container of the page whose widget does not come alive keeps its picture, and says why.
export function keepPicture(container, reason) {
  if (container.classList.contains("has-failed")) return;
  container.classList.remove("is-live");
  container.classList.add("has-failed");
  container.append(failure(`This widget cannot run here, so its picture stays. (${reason})`));
}
