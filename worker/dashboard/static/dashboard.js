// The dashboard works without this: it keeps live parts true, times in words true, and
// listens to keys. What arrives was escaped by the server, as the page itself was.
"use strict";
(() => {
  const root = new URL("..", document.currentScript.src).pathname; // a proxy may have the pages at a path of its own
  const places = { o: "", e: "entries", r: "runs", f: "fuzzing", c: "crashes", i: "findings", h: "hosts", s: "store" };
  const byId = (id) => document.getElementById(id);

  // morph makes an element's content that of another one, and leaves alone what is the
  // same already: focus, selection and open details stay.
  function morph(to, from) {
    const old = [...to.childNodes], now = [...from.childNodes];
    now.forEach((want, i) => {
      const have = old[i];
      if (!have) { to.append(want); return; }
      if (have.nodeType !== want.nodeType || have.nodeName !== want.nodeName) { have.replaceWith(want); return; }
      if (have.nodeType !== Node.ELEMENT_NODE) {
        if (have.data !== want.data) have.data = want.data;
        return;
      }
      for (const a of [...have.attributes]) {
        if (!want.hasAttribute(a.name) && !(have.nodeName === "DETAILS" && a.name === "open")) have.removeAttribute(a.name);
      }
      for (const a of want.attributes) {
        if (have.getAttribute(a.name) !== a.value) have.setAttribute(a.name, a.value);
      }
      morph(have, want);
    });
    old.slice(now.length).forEach((n) => n.remove());
  }

  // Times, as the server words them.
  function coarse(s) {
    if (s < 3600) return Math.floor(s / 60) + " min";
    if (s < 48 * 3600) return Math.floor(s / 3600) + " h";
    return Math.round(s / 86400) + " d";
  }
  function retime() {
    for (const t of document.querySelectorAll("time[data-time]")) {
      const s = (Date.now() - Date.parse(t.dateTime)) / 1000;
      const words = t.dataset.time === "ago" ? (s < 60 ? "just now" : coarse(s) + " ago") : (s > -60 ? "now" : "in " + coarse(-s));
      if (t.textContent !== words) t.textContent = words;
    }
  }
  setInterval(retime, 20000);

  // Live parts.
  const live = document.querySelector("[data-live]"), pulse = byId("pulse"), word = byId("pulse-word");
  let source = null, held = false;
  function say(text, lost) {
    word.textContent = text;
    pulse.classList.toggle("lost", !!lost);
  }
  function connect() {
    if (source || held || document.hidden) return;
    const topic = live.dataset.live;
    source = new EventSource(root + "events?topic=" + encodeURIComponent(topic));
    source.onopen = () => say("live");
    source.onerror = () => say("not connected", true);
    source.addEventListener(topic, (e) => {
      const t = document.createElement("template");
      t.innerHTML = e.data;
      morph(live, t.content);
      live.dataset.updates = 1 + Number(live.dataset.updates || 0);
    });
  }
  function disconnect() {
    if (source) source.close();
    source = null;
  }
  function hold(on) {
    held = on;
    pulse.setAttribute("aria-pressed", String(on));
    if (on) { disconnect(); say("held"); } else connect();
  }
  if (live) {
    pulse.hidden = false;
    pulse.addEventListener("click", () => hold(!held));
    document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
    window.addEventListener("pagehide", disconnect);
    window.addEventListener("pageshow", connect);
    connect();
  }

  // Choices of a filter act at once.
  for (const s of document.querySelectorAll(".filters select")) s.addEventListener("change", () => s.form.requestSubmit());

  // Keys.
  const help = byId("help");
  byId("help-open").addEventListener("click", () => help.showModal());
  function row(step) {
    const rows = [...document.querySelectorAll("[data-row]")];
    if (!rows.length) return;
    const at = rows.findIndex((r) => r.contains(document.activeElement));
    const next = rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + step, 0), rows.length - 1)];
    let to = next.querySelector("a, button");
    if (!to) { next.tabIndex = -1; to = next; }
    to.focus();
    next.scrollIntoView({ block: "nearest" });
  }
  let going = 0;
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, select, textarea, dialog")) {
      if (e.key === "Escape" && e.target.closest("input")) e.target.blur();
      return;
    }
    if (going && Date.now() - going < 3000 && e.key in places) {
      going = 0;
      location.href = root + places[e.key];
      return;
    }
    going = 0;
    const follow = (rel) => { const a = document.querySelector(`a[rel="${rel}"]`); if (a) a.click(); };
    switch (e.key) {
      case "g": going = Date.now(); break;
      case "?": help.showModal(); break;
      case "/": {
        const search = document.querySelector("[data-search]");
        if (!search) return;
        search.focus();
        search.select();
        break;
      }
      case "j": row(1); break;
      case "k": row(-1); break;
      case "[": follow("prev"); break;
      case "]": follow("next"); break;
      case "p": if (live) hold(!held); break;
      default: return;
    }
    e.preventDefault();
  });
})();
