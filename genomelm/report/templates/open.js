// What is drawn when it is opened, from the numbers that the page carries packed.
let unpacked = null;

function numbers() {
  unpacked ??= (async () => {
    const packed = document.getElementById("numbers").getAttribute("href").split(",")[1];
    const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
  })();
  return unpacked;
}

async function openLocus(details) {
  const place = details.querySelector("[data-draw]");
  if (!place || place.childNodes.length) return;
  const set = (await numbers()).sets[details.dataset.set];
  const locus = set.regions.drawn[details.dataset.locus];
  if (!place.childNodes.length) place.append(drawLocus(locus));
}

for (const details of document.querySelectorAll("details[data-locus]")) {
  details.addEventListener("toggle", () => details.open && openLocus(details));
  if (details.open) openLocus(details);
}

async function showVariant(panel, id, text) {
  const set = (await numbers()).sets[panel.dataset.set];
  const alleles = set.variants.drawn[id];
  panel.querySelector("[data-name]").textContent = text;
  const place = panel.querySelector("[data-draw]");
  place.replaceChildren(drawVariant(text, alleles));
  panel.hidden = false;
  place.scrollLeft = at(alleles.at) - place.clientWidth / 2;
}

for (const panel of document.querySelectorAll("[data-variants]")) {
  const table = document.getElementById(panel.dataset.variants);
  const show = (button) => {
    table.querySelector("[aria-pressed='true']")?.setAttribute("aria-pressed", "false");
    button.setAttribute("aria-pressed", "true");
    return showVariant(panel, button.dataset.variant, button.dataset.text);
  };
  table.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-variant]");
    if (button) show(button).then(() => panel.scrollIntoView({ block: "nearest" }));
  });
  const first = table.querySelector("button[data-variant]");
  if (first) show(first);
}

// A link to a region opens it.
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!(target instanceof HTMLDetailsElement)) return;
  for (let fold = target; fold; fold = fold.parentElement.closest("details")) fold.open = true;
  target.scrollIntoView();
}
addEventListener("hashchange", openTarget);
openTarget();
