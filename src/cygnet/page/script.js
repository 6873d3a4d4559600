"use strict";
(() => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  button.hidden = false;
  button.addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });

  const answer = document.getElementById("surprise");
  const panel = document.getElementById("alternatives");
  if (!answer || !panel) return;

  const element = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  };

  const percent = (share) => `${(100 * share).toFixed(1)}\u00a0%`;

  const show = (token) => {
    const title = element("p", "note", "Written: ");
    title.append(element("code", "", token.dataset.token), `, ${percent(Number(token.dataset.share))}`);
    const rows = JSON.parse(token.dataset.top).map(([text, share]) => {
      const row = element("div", "bar");
      const track = element("b");
      track.append(element("i"));
      track.firstChild.style.width = `${100 * share}%`;
      row.append(element("code", "", text), track, element("span", "", percent(share)));
      return row;
    });
    panel.replaceChildren(title, ...rows);
  };

  answer.addEventListener("keydown", (event) => {
    const next = { ArrowRight: "nextElementSibling", ArrowLeft: "previousElementSibling" }[event.key];
    event.target[next]?.focus();
  });

  for (const kind of ["pointerover", "focusin", "click"]) {
    answer.addEventListener(kind, (event) => {
      const token = event.target.closest("[data-top]");
      if (token) show(token);
    });
  }
})();
