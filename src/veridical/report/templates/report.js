"use strict";
// The page is whole without this script: it adds the search, the filters and the switch between dark and light.
(() => {
  const root = document.documentElement;
  addEventListener("error", (event) => { root.dataset.error = event.message; });
  const byId = (id) => document.getElementById(id);

  const theme = byId("theme");
  const stored = () => { try { return localStorage.getItem("veridical-theme"); } catch { return null; } };
  const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const wear = (name) => {
    root.dataset.theme = name;
    theme.setAttribute("aria-pressed", String(name === "dark"));
    try { localStorage.setItem("veridical-theme", name); } catch { /* a page without storage still switches */ }
  };
  if (stored() === "dark" || stored() === "light") root.dataset.theme = stored();
  theme.hidden = false;
  theme.addEventListener("click", () => wear(dark() ? "light" : "dark"));

  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("#account details, #repairs details")) part.open = true;
  });

  const form = byId("filter");
  if (!form) return;
  const query = byId("q"), check = byId("check"), split = byId("split"), shown = byId("shown");
  const groups = [...document.querySelectorAll("details.found")].map((group) => ({
    group,
    rows: [...group.querySelectorAll("article.row")].map((row) => ({ row, text: row.textContent.toLowerCase().replace(/\s+/g, " ") })),
  }));
  const total = groups.reduce((sum, { rows }) => sum + rows.length, 0);

  const apply = () => {
    const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    const narrowed = words.length > 0 || check.value !== "" || split.value !== "";
    let visible = 0;
    for (const { group, rows } of groups) {
      const wanted = check.value === "" || group.dataset.check === check.value;
      let here = 0;
      for (const { row, text } of rows) {
        const match = wanted && (split.value === "" || row.dataset.split === split.value) && words.every((word) => text.includes(word));
        row.hidden = !match;
        if (match) here += 1;
      }
      group.hidden = here === 0;
      if (narrowed && here > 0) group.open = true;
      visible += here;
    }
    shown.textContent = shown.dataset.words.replace("{shown}", visible).replace("{all}", total);
  };

  const remember = () => {
    const state = new URLSearchParams();
    for (const field of [query, check, split]) if (field.value) state.set(field.id, field.value);
    try { history.replaceState(null, "", `#${String(state) || "findings"}`); } catch { /* some viewers forbid it */ }
  };
  const recall = () => {
    const state = new URLSearchParams(location.hash.slice(1));
    if (!["q", "check", "split"].some((name) => state.has(name))) return;
    for (const field of [query, check, split]) field.value = state.get(field.id) || "";
    apply();
  };

  let waiting = 0;
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { apply(); remember(); }, 120);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", recall);
  addEventListener("keydown", (event) => {
    const typing = /^(input|select|textarea)$/i.test(event.target.tagName || "");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) { event.preventDefault(); query.focus(); }
    if (event.key === "Escape" && event.target === query) { query.value = ""; apply(); remember(); }
  });
  form.hidden = false;
  apply();
  recall();
})();
