// Start, routes, and what surrounds every view. STOPP is not here: it is in index.html and stop.js.
import { html, render } from "./html.js";
import { connect, controls, command, loadAll, loadMe, onState } from "./net.js";
import { changed, drawsWith, keep, remember, remembered, set, store } from "./store.js";
import { LANGUAGES, cause, language, speak, t } from "./text.js";
import { lazy } from "./lazy.js";
import { Pair, pairFromLink } from "./pair.js";
import { Locked, lockWhenIdle } from "./pin.js";

const Start = lazy(() => import("./before.js").then((all) => all.Start));
const After = lazy(() => import("./after.js").then((all) => all.After));
const Session = lazy(() => import("./session.js").then((all) => all.Session));
const Live = lazy(() => import("./session.js").then((all) => all.Live));
const History = lazy(() => import("./history.js").then((all) => all.History));
const More = lazy(() => import("./more.js").then((all) => all.More));
const Devices = lazy(() => import("./clinician.js").then((all) => all.Devices));
const Journal = lazy(() => import("./clinician.js").then((all) => all.Journal));
const Guided = lazy(() => import("./guided.js").then((all) => all.Guided));
const Teach = lazy(() => import("./guided.js").then((all) => all.Teach));
const Muscle = lazy(() => import("./muscle.js").then((all) => all.Muscle));
const Effect = lazy(() => import("./effect.js").then((all) => all.Effect));
const Perfect = lazy(() => import("./effect.js").then((all) => all.Perfect));
const Plan = lazy(() => import("./plan.js").then((all) => all.Plan));
const Key = lazy(() => import("./key.js").then((all) => all.Key));
const Bring = lazy(() => import("./bring.js").then((all) => all.Bring));
const Threshold = lazy(() => import("./threshold.js").then((all) => all.Threshold));
const Looked = lazy(() => import("./threshold.js").then((all) => all.Looked));
const Editor = lazy(() => import("./editor.js").then((all) => all.Editor));
const Report = lazy(() => import("./report.js").then((all) => all.Report));
const Dose = lazy(() => import("./dose.js").then((all) => all.Dose));
const Diary = lazy(() => import("./diary.js").then((all) => all.Diary));
const Output = lazy(() => import("./output.js").then((all) => all.Output));
const Remind = lazy(() => import("./remind.js").then((all) => all.Remind));
const Write = lazy(() => import("./remind.js").then((all) => all.Write));
const FollowUp = lazy(() => import("./remind.js").then((all) => all.FollowUp), true);
const Ask = lazy(() => import("./remind.js").then((all) => all.Ask), true);
const Kept = lazy(() => import("./kept.js").then((all) => all.Kept));

const VIEWS = {
  viewer: { "": Live, more: More, output: Output },
  patient: { "": Start, guided: Guided, history: History, more: More, report: Report, dose: Dose, diary: Diary, output: Output, kept: Kept,
    bring: Bring, technique: Teach, muscle: Muscle, effect: Effect, remind: Remind },
  clinician: { "": Live, plan: Plan, journal: Journal, history: History, devices: Devices, more: More,
    report: Report, dose: Dose, output: Output, kept: Kept, key: Key, bring: Bring, threshold: Threshold, editor: Editor,
    effect: Effect, perfect: Perfect, write: Write },
};
const UNDER = { report: "history", dose: "history", diary: "history", effect: "history", perfect: "history", technique: "guided", muscle: "guided", output: "more", kept: "more", remind: "more", write: "journal",
  key: "plan", bring: "plan", threshold: "plan", editor: "plan" }; // reached from there

const route = () => (location.hash.startsWith("#/") ? location.hash.slice(2).split("/")[0] : "");

function follow() {
  if (location.hash.startsWith("#pair=")) {
    const token = location.hash.slice("#pair=".length);
    history.replaceState(null, "", "#/");
    pairFromLink(token);
  }
  set({ route: route(), told: null });
  document.getElementById("view")?.focus({ preventScroll: true });
  scrollTo(0, 0);
}

const Language = () => html`<div class="languages" role="group" aria-label=${t("language")}>
  ${Object.entries(LANGUAGES).map(([code, { name }]) => html`<button type="button" lang=${code} aria-pressed=${language() === code}
    onClick=${() => speak(code)}>${name}</button>`)}
</div>`;

// What comes and goes by itself lies over the top: nothing may move away under a thumb.
function Notices() {
  const { state } = store;
  return html`
    ${state?.simulated && html`<p class="banner">${t("simulated")}</p>`}
    ${location.protocol === "http:" && !["127.0.0.1", "localhost", "[::1]"].includes(location.hostname)
      && html`<p class="banner warn">${t("plain")}</p>`}
    ${store.me && store.stale && html`<p class="banner warn over" role="status">${
      navigator.onLine === false ? t("no_network") : state ? t("stale") : t("connecting")} ${controls() && state.session && t("stale_device")}</p>`}
    ${state?.journal === "not_written" && html`<p class="banner warn" role="status">${t("journal_not_written")}</p>`}
    ${controls() && state?.control.asking && html`<p class="banner warn over" role="status">${t("asks_control")}
      <button type="button" onClick=${() => command("POST", "/sessions/current/control", { action: "allow" })}>${t("allow")}</button></p>`}`;
}

function Nav() {
  const views = Object.keys(VIEWS[store.me.role]).filter((name) => !UNDER[name]);
  const here = UNDER[store.route] ?? store.route;
  return html`<nav aria-label=${t("nav")} class=${views.length > 4 ? "many" : ""}>${views.map((name) => html`
    <a href=${`#/${name}`} aria-current=${here === name ? "page" : null}>${t(`nav.${store.me.role}.${name || "start"}`)}</a>`)}</nav>`;
}

// After a stop: what happened, whether output is off, how to go on.
function Latched({ state }) {
  const off = state.confirmed === true;
  const clinician = state.clears === "clinician";
  const held = state.mode === "estop_held";
  const may = (!store.locked || state.session) && store.me.role !== "viewer" && (!clinician || store.me.role === "clinician");
  return html`<section class="card latched">
    <h1 class=${off ? "" : "bad"}>${t(off ? "stopped" : "not_confirmed")}</h1>
    <p>${cause(state.cause)}</p>
    <p class=${off ? "good" : "bad"}><strong>${off ? t("off_confirmed") : t("off_not_confirmed")}</strong></p>
    ${!off && html`<ol class="steps"><li>${t("red_button")}</li><li>${t("pull_lead")}</li><li>${t("probe_out")}</li></ol>`}
    ${held && html`<p>${t("release_first")}</p>`}
    ${clinician && html`<p>${t("clinician_clears")}</p>`}
    ${may && !held && html`<p>${t("acknowledge_note")}</p>
      <button type="button" class=${off ? "main" : ""} onClick=${() => command("POST", "/acknowledge")}>${t("acknowledge")}</button>`}
  </section>`;
}

function View() {
  const { me, state, told } = store;
  if (me === undefined) return html`<p role="status">${t(store.offline ? "unreachable" : "loading")}</p>`;
  if (me === null) return html`<${Pair} />`;
  if (store.locked && !state?.session) { // no PIN hides what to do while the output may be on
    return html`${state?.cause && state.confirmed !== true && html`<${Latched} state=${state} />`}<${Locked} />`;
  }
  const patient = me.role === "patient";
  const here = VIEWS[me.role][store.route] ?? VIEWS[me.role][""];
  const main = here === VIEWS[me.role][""];
  const looking = state?.session ? state.session.looking : (state?.threshold ?? "none") !== "none";
  if (state?.cause && (main || patient || store.route === "threshold") && store.step !== "button") return html`<${Latched} state=${state} />`;
  if (patient && looking) return html`<${Looked} state=${state} />`;
  if (state?.session && patient) return html`<${Session} state=${state} />`;
  if (patient && store.rate && main) return html`<${After} id=${store.rate} />`;
  const first = patient && main && !store.step && store.plan !== undefined; // what stands around it comes after it
  return html`${first && html`<${FollowUp} />`}<${here} key=${location.hash} />${first && html`<${Ask} />`}`;
}

function Page() {
  const { me, state, told } = store;
  const busy = me?.role === "patient" && state?.session;
  return html`
    <header><div class="top"><span class="name">${t("title")}</span><${Language} /></div><${Notices} /></header>
    ${me && !busy && !store.locked && html`<${Nav} />`}
    ${told && html`<p class="told toast" role="alert">${told.text}${me?.role === "clinician" && told.problem?.detail
      ? html` <span lang="en">${told.problem.detail}</span>` : ""}</p>`}
    <main id="view" tabindex="-1" class=${store.stale && me ? "is-stale" : ""}>
      <${View} />
      ${!busy && html`<p class="disclaimer">${t("disclaimer")}</p>`}
    </main>`;
}

// A session that ended after it had played asks for its rating; what was prescribed or done is read again.
onState((state, before) => {
  if (state.session && state.session.part !== "waiting" && store.played !== state.session.id) keep("played", state.session.id);
  if (before?.session && !state.session) {
    const id = before.session.id;
    store.step = null;
    if (store.me?.role === "patient" && store.played === id) keep("rate", id);
    keep("back", {});
    loadAll();
  }
  if (state.mode !== before?.mode) loadAllSoon(before);
});

const loadAllSoon = (before) => { if (before && store.me?.role === "clinician") loadAll(); };

document.addEventListener("stop", changed);
addEventListener("hashchange", follow);

// What was told is read and then goes, by itself or with the next tap on it.
const TOLD_MS = 8000;
let toldTimer = 0;
let toldBefore = null;
function forgetTold() {
  if (store.told === toldBefore) return;
  toldBefore = store.told;
  clearTimeout(toldTimer);
  if (store.told) toldTimer = setTimeout(() => set({ told: null }), TOLD_MS);
}
document.addEventListener("click", (event) => { if (event.target instanceof Element && event.target.closest(".toast")) set({ told: null }); });

const WORKER_AFTER_MS = 2000; // it fetches every file again: not while the first view still comes
let keptFor = null;
function keepFiles() { // once it is known whose phone it is: whatever was kept before is wiped with that
  if (!store.me || keptFor === store.me.id) return;
  keptFor = store.me.id;
  remember("role", store.me.role);
  setTimeout(() => { if (!store.me) return; Session.early(); navigator.serviceWorker?.register("/worker.js").catch(() => {}); }, WORKER_AFTER_MS);
}

async function start() {
  const root = document.getElementById("app");
  if (!location.hash.startsWith("#pair=")) loadMe(); // asked while the words come
  VIEWS[remembered("role")]?.[""].early(); // most likely whose phone it was last time
  while (!(await speak(language()).then(() => true, () => false))) await new Promise((go) => { setTimeout(go, 1000); }); // no words, no page
  root.textContent = "";
  drawsWith(() => { render(html`<${Page} />`, root); forgetTold(); keepFiles(); });
  changed();
  follow();
  lockWhenIdle();
  connect();
}

start();
