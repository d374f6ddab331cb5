// The page's own files for when the device does not answer: the page then opens, with STOPP, and says so. Nothing else
// passes here: what the API tells comes from the device or not at all.
"use strict";
const FILES = []; // filled in, as the version is, when the device serves this (api/page.py)
const CACHE = "shell-0";
const PATIENCE_MS = 1500;

addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(FILES)).then(() => skipWaiting()));
});

addEventListener("activate", (event) => {
  event.waitUntil(caches.keys()
    .then((names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name))))
    .then(() => clients.claim()));
});

async function shell(request, path) {
  const late = new Promise((_, fail) => { setTimeout(fail, PATIENCE_MS); });
  try {
    return await Promise.race([fetch(request), late]); // the device's own, while it answers: never an old page beside a new API
  } catch {
    return (await caches.match(path)) ?? Response.error();
  }
}

addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  const { origin, pathname } = new URL(url);
  if (method === "GET" && origin === location.origin && FILES.includes(pathname)) event.respondWith(shell(event.request, pathname));
});
