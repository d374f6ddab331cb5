// Requests, the live state by whichever way works, and the heartbeat.
import { changed, set, store, wipe } from "./store.js";
import { refusal } from "./text.js";

const API = "/api/v1";
const SILENT_MS = 1500; // a stream without a word for so long is given up for the next way
const STALE_MS = 500;
const LEASE_STALE_MS = 1000; // a page that cannot show the present keeps no lease
const BEAT_MS = 250;
const POLL_MS = 200;
const BACK_TO_STREAM_MS = 10_000;
const PAIRED_BEFORE = ["device_revoked", "device_expired"];
const LOOK_AGAIN_MS = 2000;
const WAYS = ["sse", "socket", "poll"];

export class Refused extends Error {
  constructor(code, problem = {}) { super(code); this.code = code; this.problem = problem; }
}

// One request. Raises Refused with the API's code; "offline" without an answer.
export async function call(method, path, body, { headers = {}, withinMs = 8000 } = {}) {
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), withinMs);
  try {
    const answer = await fetch(API + path, {
      method, cache: "no-store", signal: timeout.signal,
      headers: body === undefined ? headers : { "Content-Type": "application/json", ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    const data = text && answer.headers.get("content-type")?.includes("json") ? JSON.parse(text) : text;
    if (!answer.ok) {
      if (answer.status === 401 && path !== "/pair") {
        if (store.me || PAIRED_BEFORE.includes(data?.code)) await wipe(); // the pairing was ended: this phone may be in other hands
        set({ me: null });
      }
      throw new Refused(data?.code ?? "internal_error", data ?? {});
    }
    return data;
  } catch (error) {
    throw error instanceof Refused ? error : new Refused("offline");
  } finally {
    clearTimeout(timer);
  }
}

// A command whose refusal is told to the person. Gives the answer, or null.
export async function command(method, path, body, options) {
  try {
    const data = await inTurn(call(method, path, body, options));
    set({ told: null });
    return data ?? {};
  } catch (error) {
    set({ told: { code: error.code, text: refusal(error.code), problem: error.problem } });
    return null;
  }
}

export const act = (action, epoch) =>
  command("POST", "/sessions/current/actions", epoch === undefined ? { action } : { action, epoch });

// --- who, what is planned, what was done ------------------------------------------------------------------------------

const orNull = async (asked) => { try { return await asked; } catch { return null; } };

export async function loadMe() {
  try { set({ me: await call("GET", "/me") }); } catch (error) {
    if (error.code === "offline") { set({ offline: true }); setTimeout(loadMe, 1000); return; }
    set({ me: null });
    return;
  }
  await loadAll();
}

// Every programme with its figures: at a device's first asking these take it a while.
export async function programmes() {
  for (;;) {
    try { return await call("GET", "/programmes", undefined, { withinMs: 20_000 }); } catch (error) {
      if (error.code !== "offline") throw error;
    }
  }
}

const PAGE = 50; // sessions that are asked for at once
let loads = 0;

export async function loadMore() {
  const mine = loads;
  const older = await orNull(call("GET", `/sessions?limit=${PAGE}&before=${store.sessions.at(-1).id}`));
  if (older && mine === loads) set({ sessions: [...store.sessions, ...older], more: older.length === PAGE });
}

// Null for what the device refuses to tell; without an answer nothing is known, and that is not "none".
const unlessOffline = async (asked) => { try { return await asked; } catch (error) { if (error.code === "offline") throw error; return null; } };

export async function loadAll() {
  if (!store.me || store.me.role === "viewer") return;
  const mine = ++loads;
  let found;
  try {
    found = await Promise.all(["/prescription", `/sessions?limit=${PAGE}`, "/blocks"].map((path) => unlessOffline(call("GET", path))));
    found.push(found[0] && await unlessOffline(call("GET", "/prescription/programme"))); // after it: never an older one's
  } catch {
    setTimeout(() => { if (mine === loads) loadAll(); }, 1000);
    return;
  }
  const [plan, sessions, blocks, programme] = found;
  if (mine !== loads) return; // asked again meanwhile: that answer is the newer one, whichever comes first
  // All at once: a programme's name that came later would move the button below it, away from under a thumb.
  set({ plan, programme, sessions: sessions ?? [], more: sessions?.length === PAGE, blocks: blocks ?? [] });
  if (!Object.keys(store.titles).length) {
    const all = (await orNull(call("GET", "/programmes"))) ?? [];
    set({ titles: Object.fromEntries(all.map((one) => [one.id, one.figures.programme.title])) });
  }
}

// --- the live state ---------------------------------------------------------------------------------------------------

let way = 0;
let source = null;
let polling = 0;
let lastText = "";
let lookedAt = -Infinity;
let said = 0; // how often the stream has spoken
const listeners = new Set();

export const onState = (listener) => { listeners.add(listener); };

export function take(state) {
  const before = store.state;
  store.state = state;
  store.stateAt = performance.now();
  const key = state.session ? `${state.session.phase}.${state.session.contraction}.${state.session.part}` : "";
  if (key !== store.part.key) store.part = { key, totalMs: Math.max(1, state.session?.part_left_ms ?? 1) };
  for (const listener of listeners) listener(state, before);
  const { prescription_revision: inForce } = state;
  if (store.plan !== undefined && inForce !== (store.plan?.revision ?? null) && performance.now() - lookedAt > LOOK_AGAIN_MS) {
    lookedAt = performance.now(); // another plan is in force: it is shown, whoever set it and wherever
    loadAll();
  }
  if (store.stale) store.stale = false;
  changed();
}

// The state in a command's answer counts unless the stream has spoken since it was asked: it may be older than that.
export async function inTurn(asked) {
  const saidBefore = said;
  const data = await asked;
  if (said === saidBefore && data && typeof data === "object" && "mode" in data && "channels" in data) {
    lastText = ""; // should the stream say again what it said last, then it is so again
    take(data);
  }
  return data;
}

function heard(text) {
  said++;
  if (text === lastText) { // nothing new, but it is the present
    store.stateAt = performance.now();
    if (store.stale) set({ stale: false });
    return;
  }
  lastText = text;
  take(JSON.parse(text));
}

function close() {
  source?.close();
  source = null;
  polling++;
  lastText = "";
}

function open() {
  close();
  if (!store.me || document.hidden) return;
  set({ transport: WAYS[way] });
  openedAt = performance.now();
  if (WAYS[way] === "sse") {
    try { source = new EventSource(`${API}/live`); } catch { next(); return; }
    source.addEventListener("state", (event) => heard(event.data));
    source.onerror = next;
  } else if (WAYS[way] === "socket") {
    try {
      source = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${API}/live`);
    } catch { next(); return; }
    source.onmessage = (message) => {
      const told = JSON.parse(message.data);
      if (told.type === "state") heard(JSON.stringify(told.data));
    };
    source.onerror = source.onclose = (event) => { if (event.target === source) next(); };
  } else {
    poll(++polling);
  }
}

let openedAt = 0;

function next() {
  way = (way + 1) % WAYS.length;
  close();
  setTimeout(open, way === 0 ? 500 : 0);
}

async function poll(mine) {
  const until = performance.now() + BACK_TO_STREAM_MS;
  while (mine === polling && store.me) {
    try { take(await call("GET", "/state", undefined, { withinMs: 1500 })); said++; } catch { /* stale by itself */ }
    if (mine !== polling) return;
    if (performance.now() > until) { next(); return; }
    await new Promise((done) => { setTimeout(done, POLL_MS); });
  }
}

function look() {
  const age = performance.now() - store.stateAt;
  const stale = age > STALE_MS;
  if (stale !== store.stale) set({ stale });
  const quiet = performance.now() - Math.max(openedAt, store.stateAt);
  if (store.me && !document.hidden && WAYS[way] !== "poll" && quiet > SILENT_MS) next();
}

// --- the heartbeat ----------------------------------------------------------------------------------------------------

let sequence = 0;
let beating = false;

export const controls = () => store.me != null && store.state?.control.holder === store.me.id;

async function beat() {
  const state = store.state;
  if (beating || document.hidden || !state?.session || !state.lease.nonce || !controls()) return;
  if (performance.now() - store.stateAt > LEASE_STALE_MS) return;
  beating = true;
  sequence = Math.max(sequence + 1, Date.now()); // higher than before a reload, too
  try {
    await call("POST", "/sessions/current/heartbeat", { sequence, nonce: state.lease.nonce }, { withinMs: 1000 });
  } catch { /* the next one tells again */ } finally {
    beating = false;
  }
}

export function connect() {
  let paired = null;
  setInterval(() => {
    if ((store.me?.id ?? null) !== paired) { paired = store.me?.id ?? null; way = 0; open(); }
    look();
  }, 100);
  setInterval(beat, BEAT_MS);
  document.addEventListener("visibilitychange", () => { way = 0; open(); });
  addEventListener("online", () => { way = 0; open(); });
}

