// STOPP. Loaded before anything else and in need of nothing else: it must work while the rest loads, or never does.
// Without this script the bar is a plain form that posts to the same address.
"use strict";
(function () {
  const ANSWER_WITHIN_MS = 400; // the device answers within 100 ms; a LAN adds its own
  const AGAIN_MS = 600;
  const GIVE_UP_MS = 1500; // one request; a browser has six connections to a host, and hung ones must be let go
  const root = document.documentElement;
  let asked = 0; // which press counts
  let answered = true;
  let dismissed = false; // the person went on: asked again all the same, and told once it is confirmed

  function show(outcome) { // "asking", "confirmed", "not_confirmed"
    if (dismissed && outcome !== "confirmed") return;
    root.dataset.stop = outcome;
    for (const part of document.querySelectorAll("#stopped [data-when]")) {
      part.hidden = part.dataset.when !== outcome;
    }
    document.getElementById("stopped").hidden = false;
    document.dispatchEvent(new CustomEvent("stop", { detail: outcome }));
  }

  async function ask(press) {
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), GIVE_UP_MS);
    try {
      const answer = await fetch("/api/v1/stop", {
        method: "POST", keepalive: true, cache: "no-store", credentials: "omit", signal: timeout.signal,
        headers: { Accept: "application/json" },
      });
      const told = await answer.json();
      if (press === asked && !answered) {
        answered = told.confirmed === true;
        show(answered ? "confirmed" : "not_confirmed");
      }
    } catch { /* not answered: asked again below */ } finally {
      clearTimeout(timer);
    }
  }

  function stop() {
    const press = ++asked;
    answered = false;
    dismissed = false;
    show("asking");
    const repeat = () => {
      if (press === asked && !answered) { ask(press); setTimeout(repeat, AGAIN_MS); }
    };
    repeat();
    setTimeout(() => { if (press === asked && !answered) show("not_confirmed"); }, ANSWER_WITHIN_MS);
    navigator.vibrate?.(200);
  }

  // Capturing, on the document: nothing that the page does later comes before it.
  const onBar = (event) => event.target instanceof Element && event.target.closest("#stop") !== null;
  document.addEventListener("pointerdown", (event) => { if (onBar(event)) stop(); }, true);
  document.addEventListener("keydown", (event) => {
    if (onBar(event) && (event.key === "Enter" || event.key === " ") && !event.repeat) { event.preventDefault(); stop(); }
  }, true);
  document.addEventListener("submit", (event) => { if (event.target.id === "stopform") event.preventDefault(); }, true);
  // A screen reader clicks without a pointer.
  document.addEventListener("click", (event) => { if (onBar(event) && event.detail === 0) stop(); }, true);
  document.addEventListener("click", (event) => {
    if (event.target instanceof Element && event.target.closest("#stopped-go-on")) {
      dismissed = true;
      delete root.dataset.stop;
      document.getElementById("stopped").hidden = true;
      document.dispatchEvent(new CustomEvent("stop", { detail: null }));
    }
  });
  window.deviceStop = stop;

  // The language, as early: the words of STOPP stand in the page in both.
  let chosen = null;
  try { chosen = localStorage.getItem("language"); } catch { /* not allowed: the browser's own */ }
  root.lang = chosen || (/^en\b/.test(navigator.language) ? "en" : "nb");
  try { root.dataset.theme = localStorage.getItem("theme") || "auto"; } catch { root.dataset.theme = "auto"; }

  // Only then the rest: a slow phone that is busy with it would come to STOPP late.
  document.addEventListener("DOMContentLoaded", () => {
    const words = { rel: "preload", as: "fetch", crossOrigin: "anonymous", href: `/web/lang/${root.lang}.json` };
    document.head.append(document.getElementById("later").content, Object.assign(document.createElement("link"), words));
  });
})();
