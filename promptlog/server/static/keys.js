// Keys, and the list that a request was opened from: the next and the previous of it are a key or a click away.
"use strict";
(() => {
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const place = "promptlog list";
  const rows = () => all("#rows td.k-start_time a, #rows td.open a, #turns .turn h3 a");
  const help = one("#keys-help");
  one("#keys-button").addEventListener("click", () => help.showModal());

  // -- a click anywhere on a row opens it; text in it can be selected --------------------------------------------------
  const open = (event) => {
    const row = event.target.closest("#rows tr[id]");
    if (!row || event.button > 1 || event.target.closest("a, input, button, label, .pick") || !getSelection().isCollapsed) return;
    const link = one("td.k-start_time a, td.open a", row);
    if (event.button === 1 || event.ctrlKey || event.metaKey || event.shiftKey) window.open(link.href, "_blank", "noopener");
    else link.click();
  };
  document.addEventListener("click", open);
  document.addEventListener("auxclick", open);

  // -- the list -------------------------------------------------------------------------------------------------------
  if (one("#rows, #turns")) {
    addEventListener("pagehide", () => {
      const kept = { address: location.pathname + location.search, paths: rows().map((link) => link.pathname) };
      try { sessionStorage.setItem(place, JSON.stringify(kept)); } catch { /* a request is then shown without its list */ }
    });
  }
  const moves = one(".head .moves[data-steps]");
  if (moves) {
    let kept = null;
    try { kept = JSON.parse(sessionStorage.getItem(place)); } catch { /* likewise */ }
    const at = kept ? kept.paths.indexOf(location.pathname) : -1;
    const step = (text, label, path, name) => {
      const made = document.createElement("a");
      made.className = "button";
      made.textContent = text;
      made.setAttribute("aria-label", label);
      made.title = label;
      if (path) { made.href = path; made.dataset.step = name; } else { made.setAttribute("aria-disabled", "true"); made.setAttribute("role", "link"); }
      return made;
    };
    if (at >= 0) {
      const where = document.createElement("a");
      where.className = "button";
      where.href = kept.address;
      where.textContent = `${(at + 1).toLocaleString("en")} of ${kept.paths.length.toLocaleString("en")}`;
      where.title = "Back to the list";
      moves.prepend(step("‹", "Previous in the list", kept.paths[at - 1], "prev"), where, step("›", "Next in the list", kept.paths[at + 1], "next"));
    }
  }

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable], dialog");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "?") { event.preventDefault(); help.showModal(); }
    if (event.key === "/" && one("#q")) { event.preventDefault(); one("#q").select(); }
    if (event.key === "j" || event.key === "k") {
      const links = rows(), at = links.indexOf(document.activeElement);
      const next = links[event.key === "j" ? at + 1 : Math.max(at - 1, 0)];
      if (next) { event.preventDefault(); next.focus(); }
      else if (!links.length) {
        const name = event.key === "j" ? "next" : "prev";
        (one(`[data-step=${name}]`) ?? (one("[data-step]") ? null : one(`a[rel=${name}]`)))?.click();
      }
    }
    if (event.key === "u" && one(".moves[data-steps] [title='Back to the list']")) one(".moves [title='Back to the list']").click();
    if (event.key === "x" && document.activeElement.closest("#rows tr")) one('input[name="id"]', document.activeElement.closest("tr")).click();
  });
})();
