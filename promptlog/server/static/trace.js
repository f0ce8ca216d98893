// A span of a trace unfolds: what it holds is asked for when it is first opened.
"use strict";
(() => {
  document.addEventListener("click", async (event) => {
    const link = event.target.closest(".trace a.span");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    const row = link.closest("tr"), open = row.nextElementSibling;
    if (open?.classList.contains("holds")) {
      open.hidden = !open.hidden;
      link.setAttribute("aria-expanded", String(!open.hidden));
      return;
    }
    const made = document.createElement("tr"), cell = made.insertCell();
    made.className = "holds";
    cell.colSpan = row.cells.length;
    cell.textContent = "…";
    row.after(made);
    link.setAttribute("aria-expanded", "true");
    try {
      const answer = await fetch(link.href, { headers: { "HX-Request": "true" } });
      const text = await answer.text();
      if (answer.ok) cell.innerHTML = text; // ours: what is stored is escaped in it
      else cell.textContent = text;
    } catch { cell.textContent = "The server cannot be reached."; }
  });
  const mark = (within) => within.querySelectorAll?.(".trace a.span:not([aria-expanded])").forEach((link) => { link.setAttribute("aria-expanded", "false"); link.setAttribute("role", "button"); });
  document.addEventListener("htmx:afterSwap", (event) => mark(event.detail.target));
  mark(document);
})();
