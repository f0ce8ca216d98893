// What the pages need beyond links and forms. htmx loads parts; this suggests, selects, copies, follows.
"use strict";
(() => {
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const csrf = one('meta[name="csrf-token"]').content;
  const toast = one("#toast");
  let hiding = 0, editing = null;

  function say(text, seconds = 5) {
    toast.textContent = text;
    clearTimeout(hiding);
    hiding = setTimeout(() => { toast.textContent = ""; }, seconds * 1000);
  }

  // -- htmx: the token of forms; an error is said ---------------------------------------------------------------
  document.addEventListener("htmx:configRequest", (event) => { event.detail.headers["X-CSRF-Token"] = csrf; });
  document.addEventListener("htmx:responseError", (event) => {
    say(event.detail.xhr.responseText.replace(/<[^>]*>/g, " ").replace(/\s+/g, " ").trim().slice(0, 300) || "The server refused.");
  });
  document.addEventListener("htmx:sendError", () => say("The server cannot be reached."));
  document.addEventListener("htmx:afterSwap", (event) => {
    const here = one(".trace .here", event.detail.target), view = here && here.closest(".scroll");
    if (view) view.scrollTop = here.offsetTop - view.clientHeight / 2;
    const edited = event.detail.target.id === "tracked" && all("[data-edit]").find((button) => button.dataset.edit === editing);
    if (edited) edited.focus(); // the dialog that had the focus is gone
    if (event.detail.target === toast && toast.textContent.trim()) {
      if (one("button", toast)) { clearTimeout(hiding); hiding = setTimeout(() => toast.replaceChildren(), 60_000); } // it can be undone
      else say(toast.textContent.trim());
    }
  });

  // -- theme: as the system, light, dark --------------------------------------------------------------------------
  const theme = one("#theme");
  const themes = ["", "light", "dark"];
  const named = { "": "as the system", light: "light", dark: "dark" };
  const showTheme = () => {
    const chosen = document.documentElement.dataset.theme || "";
    theme.setAttribute("aria-label", `Theme: ${named[chosen]}`);
    theme.title = `Theme: ${named[chosen]}`;
  };
  theme.addEventListener("click", () => {
    const chosen = themes[(themes.indexOf(document.documentElement.dataset.theme || "") + 1) % themes.length];
    if (chosen) document.documentElement.dataset.theme = chosen;
    else delete document.documentElement.dataset.theme;
    try { localStorage.setItem("promptlog-theme", chosen); } catch { /* it lasts as long as the page */ }
    showTheme();
    document.dispatchEvent(new Event("theme"));
  });
  showTheme();

  // -- copy -------------------------------------------------------------------------------------------------------
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy], [data-copy-from], [data-copy-url]");
    if (!button) return;
    const { copy, copyFrom, copyUrl } = button.dataset;
    let text = copy ?? (copyFrom ? one(copyFrom).textContent : "");
    try {
      if (copyUrl) {
        const answer = await fetch(copyUrl);
        text = await answer.text();
        if (!answer.ok) { say(text); return; }
      }
      await navigator.clipboard.writeText(text);
      say("Copied.");
    } catch { window.prompt("Copy this:", text); }
  });

  // -- editing metadata, finding among many ----------------------------------------------------------------------------
  document.addEventListener("click", (event) => {
    const edit = event.target.closest("[data-edit]");
    if (edit) {
      const dialog = one("#edit");
      editing = edit.dataset.edit;
      one("#edit-key").textContent = edit.dataset.edit;
      for (const field of all('[name="key"]', dialog)) field.value = edit.dataset.edit;
      const field = one("textarea", dialog);
      field.value = edit.dataset.value;
      field.defaultValue = field.value; // as a browser has it, who writes no carriage return
      dialog.showModal();
      field.select();
    }
    if (event.target.closest("[data-close]")) event.target.closest("dialog").close();
  });
  document.addEventListener("keydown", (event) => { // a value is one line, mostly
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || !event.target.matches("#edit textarea")) return;
    event.preventDefault();
    event.target.form.requestSubmit();
  });
  document.addEventListener("submit", (event) => { // what was not edited is not sent
    const field = one("#edit textarea");
    if (!field || field.form !== event.target || field.value !== field.defaultValue) return;
    event.preventDefault();
    event.stopPropagation();
    field.closest("dialog").close();
  }, true);
  document.addEventListener("input", (event) => {
    const find = event.target.dataset.find, text = event.target.value.trim().toLowerCase();
    if (find) for (const found of all(find)) found.hidden = Boolean(text) && !found.textContent.toLowerCase().includes(text);
  });

  // -- a choice that asks at once -------------------------------------------------------------------------------------
  document.addEventListener("change", (event) => { if (event.target.matches("[data-submit]")) event.target.form.requestSubmit(); });

  // -- menus close as one expects -----------------------------------------------------------------------------------
  document.addEventListener("click", (event) => {
    for (const menu of all("details.menu[open]")) if (!menu.contains(event.target) || event.target.closest(".sheet > a, .sheet > button")) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      for (const menu of all("details.menu[open]")) { menu.open = false; one("summary", menu).focus(); }
    }
  });
  if (matchMedia("(max-width: 900px)").matches) for (const fold of all("details.fold")) fold.open = false;

  // -- suggestions --------------------------------------------------------------------------------------------------
  const field = one("#q");
  if (field) {
    const list = one("#suggestions");
    let found = [], caret = 0, at = -1, asked = 0, waiting = 0;
    const close = () => { list.hidden = true; at = -1; field.setAttribute("aria-expanded", "false"); field.removeAttribute("aria-activedescendant"); };
    const mark = (next) => {
      at = next;
      all("li", list).forEach((item, number) => item.setAttribute("aria-selected", String(number === at)));
      const item = list.children[at];
      if (item) { field.setAttribute("aria-activedescendant", item.id); item.scrollIntoView({ block: "nearest" }); }
      else field.removeAttribute("aria-activedescendant");
    };
    const take = (number) => {
      const { typed, text } = found[number];
      const from = caret - typed.length;
      field.value = field.value.slice(0, from) + text + field.value.slice(caret);
      const end = from + text.length;
      field.setSelectionRange(end, end);
      close();
      ask();
    };
    const show = () => {
      list.replaceChildren(...found.map(({ text, about }, number) => {
        const item = document.createElement("li");
        item.id = `s-${number}`;
        item.setAttribute("role", "option");
        item.setAttribute("aria-selected", "false");
        const shown = document.createElement("span"), said = document.createElement("span");
        shown.textContent = text.trim();
        said.textContent = about;
        item.append(shown, said);
        item.addEventListener("pointerdown", (event) => { event.preventDefault(); take(number); });
        return item;
      }));
      at = -1;
      list.hidden = !found.length;
      field.setAttribute("aria-expanded", String(Boolean(found.length)));
    };
    const ask = () => {
      clearTimeout(waiting);
      waiting = setTimeout(async () => {
        const mine = ++asked;
        const place = field.selectionStart;
        const query = new URLSearchParams({ q: field.value.slice(0, place) });
        try {
          const answer = await fetch(`/suggest?${query}`);
          if (mine !== asked || document.activeElement !== field || !answer.ok) return;
          found = await answer.json();
          caret = place;
          show();
        } catch { close(); }
      }, 120);
    };
    field.addEventListener("input", ask);
    field.addEventListener("focus", ask);
    field.addEventListener("blur", () => { ++asked; close(); });
    field.addEventListener("keydown", (event) => {
      if (event.key === "Escape") { ++asked; close(); }
      if (list.hidden) { if (event.key === "ArrowDown") { event.preventDefault(); ask(); } return; }
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        const count = found.length + 1; // one place for none
        mark(((at + 1 + (event.key === "ArrowDown" ? 1 : -1) + count) % count) - 1);
      } else if ((event.key === "Enter" && at >= 0) || (event.key === "Tab" && !event.shiftKey && (at >= 0 || found.length === 1))) {
        event.preventDefault();
        take(Math.max(at, 0));
      }
    });
  }

  // -- a try of a prompt: what the model says is shown as it comes ----------------------------------------------------
  const run = one("[data-run]");
  if (run) {
    const tried = one("#tried");
    let leaving = null;
    run.addEventListener("click", async () => {
      if (leaving) { leaving.abort(); return; }
      leaving = new AbortController();
      run.textContent = "Stop";
      const said = document.createElement("pre"), out = document.createElement("div");
      said.className = "prose";
      said.textContent = "…";
      out.className = "out coming";
      out.append(said);
      tried.setAttribute("aria-busy", "true");
      tried.replaceChildren(out);
      try {
        const body = new URLSearchParams(new FormData(run.form));
        const answer = await fetch(run.dataset.run, { method: "POST", body, headers: { "X-CSRF-Token": csrf }, signal: leaving.signal });
        if (!answer.ok) throw new Error(await answer.text());
        const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
        let left = "", text = "", ended = false;
        for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
          const lines = (left + piece.value).split("\n");
          left = lines.pop();
          for (const line of lines.map((one) => JSON.parse(one))) {
            ended = "html" in line;
            if (ended) tried.innerHTML = line.html; // ours: what was said is escaped in it
            else said.textContent = text += line.text;
          }
        }
        if (!ended) throw new Error("The answer broke off.");
      } catch (error) {
        say(error.name === "AbortError" ? "Stopped; what had come is logged." : error.message);
      }
      out.classList.remove("coming");
      tried.removeAttribute("aria-busy");
      run.textContent = "Run";
      leaving = null;
    });
  }

  // -- select many --------------------------------------------------------------------------------------------------
  const bulk = one("#bulk"), everything = one("#pick-all");
  if (bulk && everything) {
    const ask = 1000; // from so many on a change is asked about first; always, where it reaches beyond the rows that are shown
    const whole = one('[name="all"]', bulk), matching = one("#pick-matching"), sure = one("#sure");
    let last = null, total = 0, counting = false, agreed = false, kept = new Set();
    whole.value = ""; // a browser that restores forms restores the boxes, not what was meant
    const boxes = () => all('#rows input[name="id"]');
    const many = (number) => number.toLocaleString("en");
    const count = () => {
      const list = boxes();
      if (whole.value) list.forEach((box) => { box.checked = true; });
      const picked = list.filter((box) => box.checked).length;
      bulk.hidden = !picked;
      one("#picked").textContent = whole.value ? `All ${many(total)} that match are selected` : `${many(picked)} selected`;
      everything.checked = picked > 0 && picked === list.length;
      everything.indeterminate = picked > 0 && !everything.checked;
      one("#pick-shown").hidden = everything.checked;
      offer(everything.checked && !whole.value && one("#rows tr.next"));
    };
    const offer = async (more) => { // all that are loaded are selected: there are others
      matching.hidden = !(more && total);
      if (!more || total || counting) return;
      counting = true;
      try {
        const answer = await fetch(matching.dataset.count);
        if (answer.ok) {
          total = await answer.json();
          matching.textContent = `Select all ${many(total)} that match this search`;
          count();
        }
      } catch { /* those that are loaded can be selected all the same */ }
      counting = false;
    };
    const pick = (boxed, checked) => { whole.value = ""; kept.clear(); boxed.forEach((box) => { box.checked = checked; }); };
    everything.addEventListener("change", () => { pick(boxes(), everything.checked); count(); });
    one("#pick-shown").addEventListener("click", () => { pick(boxes(), true); count(); }); // where the table has no heading
    matching.addEventListener("click", () => { whole.value = "1"; count(); one("#picked").focus(); });
    document.addEventListener("click", (event) => {
      if (!event.target.matches('#rows input[name="id"]')) return;
      const list = boxes(), mine = list.indexOf(event.target), other = list.indexOf(last);
      const from = event.shiftKey && other >= 0 ? other : mine;
      pick(list.slice(Math.min(mine, from), Math.max(mine, from) + 1), event.target.checked);
      last = event.target;
      count();
    });
    bulk.addEventListener("click", (event) => { // of all that match the link leads to the file; those that are selected are sent
      const link = event.target.closest("[data-take]");
      if (!link || whole.value) return;
      event.preventDefault();
      const form = document.createElement("form");
      const field = (name, value) => { const made = document.createElement("input"); made.type = "hidden"; made.name = name; made.value = value; form.append(made); };
      Object.assign(form, { method: "post", action: link.href, hidden: true });
      field("csrf_token", csrf);
      for (const box of boxes()) if (box.checked) field("id", box.value);
      document.body.append(form);
      form.submit();
      form.remove();
    });
    one("#unpick").addEventListener("click", () => { pick(boxes(), false); count(); });
    document.addEventListener("htmx:afterSwap", () => { // rows that were changed are new ones: they stay selected, with no moment between
      boxes().forEach((box) => { if (kept.has(box.value)) box.checked = true; });
      count();
    });
    bulk.addEventListener("keydown", (event) => { // Enter is the button beside, not the first of the form
      const button = event.key === "Enter" && event.target.matches("input") && one("button", event.target.closest(".pair"));
      if (button) { event.preventDefault(); button.click(); }
    });
    document.addEventListener("submit", (event) => {
      if (event.target !== bulk) return;
      const picked = boxes().filter((box) => box.checked), number = whole.value ? total : picked.length;
      const button = event.submitter, { tag, key, value, score } = bulk.elements;
      const empty = !{ tag, untag: tag, metadata: key, score }[button.value].value.trim(); // the server says what is missing
      if ((number < ask && !whole.value) || agreed || empty) {
        agreed = false;
        kept = new Set(picked.map((box) => box.value));
        if (number >= 200) say(`Changing ${many(number)} requests …`, 600);
        return;
      }
      event.preventDefault();
      event.stopPropagation();
      const those = `${many(number)} requests`;
      one("#sure-what").textContent = {
        tag: `Tag ${those} “${tag.value}”?`,
        untag: `Take “${tag.value}” off ${those}?`,
        metadata: `Set ${key.value} to “${value.value}” on ${those}, also where it has another value?`,
        score: `Score ${those} ${score.value}?`,
      }[button.value];
      const undo = one("#sure-undo"), most = Number(undo.dataset.most);
      undo.textContent = button.value === "score" ? "There is no undo for scores." : number > most ? `There is no undo for more than ${many(most)}.` : "You can undo it right after.";
      one("button.main", sure).textContent = `${button.textContent} ${those}`;
      sure.returnValue = "";
      sure.onclose = () => { if (sure.returnValue) { agreed = true; button.click(); } };
      sure.showModal();
    }, true);
    count();
  }

  // -- who comes back finds the rows that were there ------------------------------------------------------------------
  const place = `promptlog ${location.href}`;
  const shown = "#rows tr[id], #turns .turn";
  if (one("#rows, #turns")) {
    addEventListener("pagehide", () => {
      try { sessionStorage.setItem(place, JSON.stringify([all(shown).length, scrollY])); } catch { /* the first rows then */ }
    });
    const comesBack = performance.getEntriesByType("navigation")[0]?.type === "back_forward";
    let count = 0, top = 0;
    try { if (comesBack) [count, top] = JSON.parse(sessionStorage.getItem(place) ?? "[0, 0]"); } catch { /* likewise */ }
    if (count) {
      const more = () => {
        const next = one("#rows tr.next, #turns .next[hx-trigger]");
        if (next && all(shown).length < Math.min(count, 1000)) { htmx.trigger(next, "back"); return; }
        document.removeEventListener("htmx:afterSettle", more);
        scrollTo(0, top);
      };
      document.addEventListener("htmx:afterSettle", more);
      addEventListener("load", more);
    }
  }

  // -- live tail ----------------------------------------------------------------------------------------------------
  const live = one("#live"), rows = one("#rows"), newer = one("#newer");
  if (live) {
    const adds = rows && !("count" in live.dataset); // in another order, or on a later page, new ones have no place on top
    let timer = 0, unseen = 0;
    const shorten = () => {
      const list = all("tr[id]", rows), most = Number(live.dataset.most), kept = list.slice(0, most);
      if (list.length <= most) return;
      const last = kept.findLast((row) => !row.classList.contains("fresh")); // new ones stand as they came: no place to go on from
      list.slice(most).forEach((row) => row.remove());
      one("tr.next", rows)?.remove();
      const next = document.createElement("tr"), address = new URL(live.dataset.rows, location.href);
      if (last) address.searchParams.set("after", last.id.slice(2));
      next.className = "next";
      next.setAttribute("hx-get", address.pathname + address.search);
      next.setAttribute("hx-trigger", "intersect once, back once");
      next.setAttribute("hx-swap", "outerHTML");
      next.insertCell().textContent = "Older requests";
      rows.append(next);
      htmx.process(next);
    };
    document.addEventListener("htmx:afterSwap", () => { // what goes on below may have come on top before
      const seen = new Set();
      for (const row of rows ? all("tr[id]", rows) : []) if (seen.has(row.id)) row.remove(); else seen.add(row.id);
    });
    const tick = async () => {
      if (!document.hidden) {
        try {
          const address = new URL(live.dataset.from, location.href);
          address.searchParams.set("logged_us", live.dataset.loggedUs);
          if (!adds) address.searchParams.set("count", "");
          const answer = await fetch(address);
          if (answer.ok) {
            live.dataset.loggedUs = answer.headers.get("Logged-Us");
            unseen += Number(answer.headers.get("New-Count"));
            if (adds) {
              const part = document.createElement("template");
              part.innerHTML = await answer.text(); // ours: what is stored is escaped in it
              const found = all("tr[id]", part.content);
              const fresh = found.filter((row) => !document.getElementById(row.id));
              fresh.forEach((row) => row.classList.add("fresh"));
              rows.prepend(...fresh);
              if (scrollY < innerHeight && !one(":checked", rows)) shorten(); // nobody reads below, and nothing is selected
              unseen -= found.length;
            }
            newer.hidden = !unseen;
            one("a", newer).textContent = `${unseen.toLocaleString("en")} ${adds ? "more " : ""}new request${unseen === 1 ? "" : "s"}: show`;
          }
        } catch { /* the next one may be answered */ }
      }
      if (live.getAttribute("aria-pressed") === "true") timer = setTimeout(tick, 1500);
    };
    live.addEventListener("click", () => {
      const on = live.getAttribute("aria-pressed") !== "true";
      live.setAttribute("aria-pressed", String(on));
      clearTimeout(timer);
      if (on) tick();
    });
  }

  // -- the first request ---------------------------------------------------------------------------------------------
  const first = one("[data-until-logged]");
  if (first) {
    const look = async () => {
      try {
        const answer = document.hidden ? null : await fetch(first.dataset.untilLogged);
        if (answer?.ok && Number(answer.headers.get("New-Count"))) { location.reload(); return; }
      } catch { /* the next one may be answered */ }
      setTimeout(look, 2000);
    };
    setTimeout(look, 2000);
  }
})();
