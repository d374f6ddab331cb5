// What the page knows, and when it is drawn. No framework: one object, and one function that says it changed.
export const store = {
  me: undefined, // undefined: not known yet; null: not paired; else the paired phone
  state: null, // the newest StateOut
  stateAt: -Infinity, // performance.now() when it came
  transport: "sse",
  stale: true,
  route: "",
  step: null, // where the person is before a session: "answers", "button", "prepare"
  plan: undefined, // the prescription; null: none
  programme: null, // its figures
  titles: {}, // programme -> its title in each language
  sessions: [], // the newest of them, newest first
  more: false, // whether there are older ones
  proofs: {}, // session -> what came of its proof; asked anew at each visit
  blocks: [],
  told: null, // what the last command was answered: {kind: "refusal" | "good", text}
  rate: kept("rate"), // the session that waits for its rating
  back: kept("back") || {}, // per channel: the set-point before the pause, mA
  felt: kept("felt") || {}, // per channel: where it was first felt, mA
  part: { key: "", totalMs: 1 },
};

let draw = () => {};
let queued = false;

export function drawsWith(function_) { draw = function_; }

export function changed() {
  if (queued) return;
  queued = true;
  Promise.resolve().then(() => { queued = false; draw(); });
}

export function set(values) { Object.assign(store, values); changed(); }

export function kept(name) {
  try { return JSON.parse(sessionStorage.getItem(name)); } catch { return null; }
}

export function keep(name, value) {
  store[name] = value;
  try { sessionStorage.setItem(name, JSON.stringify(value)); } catch { /* only for this page then */ }
  changed();
}

export function remembered(name, otherwise = null) {
  try { return JSON.parse(localStorage.getItem(name)) ?? otherwise; } catch { return otherwise; }
}

export function remember(name, value) {
  try { localStorage.setItem(name, JSON.stringify(value)); } catch { /* asked again next time */ }
}

// Everything that this phone knows of a person: kept by the page, held in it, and the page's own files.
export async function wipe() {
  const ofThePhone = ["language", "theme"].map((name) => [name, localStorage.getItem(name)]);
  sessionStorage.clear();
  localStorage.clear();
  for (const [name, value] of ofThePhone) if (value !== null) localStorage.setItem(name, value);
  Object.assign(store, { plan: undefined, programme: null, sessions: [], more: false, proofs: {}, blocks: [], state: null, step: null, rate: null, back: {}, felt: {}, pain: null, played: null, locked: false });
  store.key = null;
  try {
    for (const name of await caches.keys()) await caches.delete(name);
    for (const one of await navigator.serviceWorker.getRegistrations()) await one.unregister();
  } catch { /* there is none without TLS */ }
}
