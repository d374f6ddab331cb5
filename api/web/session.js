// The session as it runs: electrode check, ring, strength, pause and end. Also the view of who only looks.
import { html, Component } from "./html.js";
import { act, call, command, controls, inTurn, onState } from "./net.js";
import { changed, keep, set, store } from "./store.js";
import { cause, clock, finding, inLanguage, ma, number, seconds, t } from "./text.js";
import { cue } from "./cues.js";
import { Picture } from "./pictures.js";
import { Ring } from "./ring.js";
import { lazy } from "./lazy.js";

const Alternate = lazy(() => import("./alternate.js").then((all) => all.Alternate), true);

export const STEP_MA = 0.5;
export const used = (state) => Object.keys(state.channels).filter((name) => state.channels[name].ceiling_ma > 0);

// --- strength ---------------------------------------------------------------------------------------------------------

async function raise(name, target) {
  const { state } = store;
  return command("PUT", "/sessions/current/intensity", { channel: name, amplitude_ma: Math.round(target * 10) / 10 },
    { headers: { "If-Match": state.rev } });
}

export async function lower(name, target) {
  keep("back", { ...store.back, [name]: undefined }); // a person who goes down does not mean to go back
  const body = { channel: name, amplitude_ma: Math.max(0, Math.round(target * 10) / 10) };
  return command("PUT", "/sessions/current/intensity", body);
}

function plus(name) {
  const channel = store.state.channels[name];
  if (channel.set_point_ma >= channel.ceiling_ma) {
    set({ told: { code: "above_cap", text: t("at_ceiling", { ceiling: ma(channel.ceiling_ma) }) } });
    return;
  }
  raise(name, Math.min(channel.ceiling_ma, channel.set_point_ma + STEP_MA));
}

// Why the strength may not rise right now, or that it may.
function why(state, channel) {
  if (state.mode === "paused") return state.paused_by ? cause(state.paused_by) : t("why.paused");
  if (state.mode !== "running") return t("why.not_running");
  if (channel.set_point_ma >= channel.ceiling_ma) return t("at_ceiling", { ceiling: ma(channel.ceiling_ma) });
  if (!state.lease.increase_allowed && (state.lease.age_ms ?? 0) > 1000) return t("why.lease");
  if (channel.allowed_ma > channel.set_point_ma) return t("why.now");
  if (["hold", "continuous"].includes(state.session.part)) return t("why.soon");
  if (channel.after_ms) return t("why.squeeze_in", { seconds: seconds(channel.after_ms) });
  return t("why.squeeze");
}

// --- the held way back after a pause ----------------------------------------------------------------------------------

let holding = null;
let asking = false;

export function let_go() { if (holding) { holding = null; changed(); } }

onState(async (state) => {
  if (!holding) return;
  const channel = state.channels[holding];
  if (state.mode !== "running" || !controls() || channel.set_point_ma >= (store.back[holding] ?? 0)) { let_go(); return; }
  if (asking) return;
  const target = Math.min(store.back[holding] ?? 0, channel.allowed_ma);
  if (target < channel.set_point_ma + 0.1) return;
  asking = true;
  try {
    await inTurn(call("PUT", "/sessions/current/intensity", { channel: holding, amplitude_ma: Math.floor(target * 10) / 10 },
      { headers: { "If-Match": state.rev } }));
  } catch { /* not yet: asked again while it is held */ } finally { asking = false; }
});
// The button goes when it has done its work or a pause comes: the finger is then lifted from something else.
for (const lifted of ["pointerup", "pointercancel", "lostpointercapture", "keyup"]) document.addEventListener(lifted, let_go, true);
addEventListener("blur", let_go);
document.addEventListener("visibilitychange", let_go);
document.addEventListener("stop", let_go);

// What was felt well is remembered when a pause takes it away.
onState((state, before) => {
  if (before?.mode !== "running" || state.mode === "running" || !state.session) return;
  const back = {};
  for (const name of used(before)) if (before.channels[name].set_point_ma > 0) back[name] = before.channels[name].set_point_ma;
  if (Object.keys(back).length) keep("back", back);
});

class Back extends Component {
  componentWillUnmount() { let_go(); }
  render({ name, channel }) {
    const target = store.back[name];
    if (!target || channel.set_point_ma >= target) return null;
    const hold = (event) => {
      event.preventDefault();
      event.target.setPointerCapture?.(event.pointerId);
      holding = name;
      changed();
    };
    // A key that is kept down repeats itself: only its first press begins, never one from before a pause.
    const key = (event) => { if (event.key === " " || event.key === "Enter") { event.preventDefault(); if (!event.repeat) { holding = name; changed(); } } };
    return html`<button type="button" class=${`back ${holding === name ? "held" : ""}`} aria-pressed=${holding === name}
      onPointerDown=${hold} onKeyDown=${key} onBlur=${let_go} onContextMenu=${(event) => event.preventDefault()}>
      ${t(holding === name ? "back_held" : "back", { ma: ma(target) })}</button>`;
  }
}

// --- one channel ------------------------------------------------------------------------------------------------------

function Channel({ name, state, mine }) {
  const channel = state.channels[name];
  const several = used(state).length > 1;
  const felt = store.felt[name];
  const contact = channel.finding ? finding(channel.finding) : channel.load_ohm === null ? t("contact.none") : t("contact.good");
  const paused = state.mode === "paused"; // whatever it was: it goes on from zero
  const running = state.mode === "running" || paused;
  return html`<section class="channel" aria-label=${several ? t("channel", { name }) : t("strength")}>
    ${several && html`<h2>${t("channel", { name })}</h2>`}
    <div class="dial">
      ${mine && html`<button type="button" class="round" aria-label=${t("minus")} aria-disabled=${paused || channel.set_point_ma <= 0} onClick=${() => lower(name, channel.set_point_ma - STEP_MA)}>−</button>`}
      <p class="figure"><span class="label">${t("strength")}</span><strong data-figure=${`set-${name}`}>${ma(paused ? 0 : channel.set_point_ma)}</strong> mA</p>
      ${mine && html`<button type="button" class="round" aria-label=${t("plus")} aria-disabled=${channel.allowed_ma <= channel.set_point_ma}
        onClick=${() => plus(name)}>+</button>`}
    </div>
    ${running && (mine || paused) && html`<p class="why" data-why=${name} role=${paused ? "status" : null}>${why(state, channel)}</p>`}
    <dl class="small">
      <div><dt>${t("measured")}</dt><dd data-figure=${`measured-${name}`}>${channel.measured_ma === null ? "–" : `${ma(channel.measured_ma)} mA`}</dd></div>
      ${running && !paused && channel.given_ma !== channel.set_point_ma && html`<div><dt>${t("given")}</dt><dd data-figure=${`given-${name}`}>${ma(channel.given_ma)} mA</dd></div>`}
      <div><dt>${t("ceiling")}</dt><dd>${ma(channel.ceiling_ma)} mA</dd></div>
      <div><dt>${t("contact")}</dt><dd>${contact}${channel.load_ohm && store.me.role === "clinician" ? html` <span class="quiet">${number(channel.load_ohm)} Ω</span>` : ""}</dd></div>
      <div><dt>${t("felt_from")}</dt><dd>${felt ? `${ma(felt)} mA` : mine && state.mode === "running" && channel.set_point_ma > 0
        ? html`<button type="button" class="link" onClick=${() => keep("felt", { ...store.felt, [name]: channel.given_ma })}>${t("feel_now")}</button>`
        : "–"}</dd></div>
    </dl>
    ${mine && state.mode === "running" && html`<${Back} name=${name} channel=${channel} />`}
  </section>`;
}

// --- before the start -------------------------------------------------------------------------------------------------

export function Check({ state, mine }) {
  const channels = used(state);
  const found = channels.filter((name) => state.channels[name].finding);
  const checking = state.mode === "electrode_check" || store.checking;
  const good = state.mode === "armed";
  const check = async () => {
    set({ checking: true });
    for (let tries = 0; tries < 6 && !(await act("check_electrodes", state.epoch)); tries++) {
      const wait_ms = { check_too_soon: store.told?.problem?.after_ms, lease_stale: 500 }[store.told?.code]; // it comes by itself
      if (wait_ms === undefined) break;
      await new Promise((go) => setTimeout(go, wait_ms));
    }
    set({ checking: false });
  };
  return html`<section class="card">
    <h1>${t("check.title")}</h1>
    ${!found.length && html`<${Picture} kind=${store.plan?.electrode.kind} />`}
    <p>${good ? t("check.good") : t("check.how")}</p>
    ${found.map((name) => html`<div class="told" role="alert"><p>${channels.length > 1 ? `${t("channel", { name })}: ` : ""}${finding(state.channels[name].finding)}</p>
      <p>${t("check.again_how")}</p></div>`)}
    ${mine && !good && html`<button type="button" class="main" aria-disabled=${checking} onClick=${() => !checking && check()}>
      ${checking ? t("check.busy") : found.length ? t("check.again") : t("check.do")}</button>`}
    ${mine && good && html`<button type="button" class="main" onClick=${() => act("start", state.epoch)}>${t("start")}</button>
      <p class="small">${t("start.note")}</p>`}
    ${mine && html`<button type="button" onClick=${() => act("end")}>${t("not_today")}</button>`}
  </section>`;
}

// --- the whole --------------------------------------------------------------------------------------------------------

const TakeControl = () => html`<p class="told">${t("other_controls")}
  ${store.me.role !== "viewer" && html`<button type="button" onClick=${() =>
    command("POST", "/sessions/current/control", { action: "claim" })}>${t("take_control")}</button>`}</p>`;

export class Awake extends Component {
  componentDidMount() {
    this.ask = async () => { try { this.lock = document.hidden ? null : await navigator.wakeLock?.request("screen"); } catch { /* an extra */ } };
    document.addEventListener("visibilitychange", this.ask);
    this.ask();
  }
  componentWillUnmount() {
    document.removeEventListener("visibilitychange", this.ask);
    this.lock?.release();
  }
  render() { return null; }
}

// What the clinician left to the patient; STOPP is nobody's to take.
const may = (what) => store.me.role === "clinician" || store.state.session?.looking || store.state.paused_by || !store.plan || store.plan.patient_may.includes(what);

let cued = "";
function Cues({ part }) {
  if (part !== cued && part === "ramp_up") cue("up");
  if (part !== cued && part === "ramp_down") cue("down");
  cued = part;
  return null;
}

export function Running({ state, mine, children }) {
  const { session } = state;
  const paused = state.mode === "paused";
  const part = paused ? "pause" : session.part;
  return html`
    <${Awake} /><${Cues} part=${part} />
    ${!(paused && store.turns) && html`<h1 class="phase">${session.phase ? t("phase", { n: session.phase, name: inLanguage(session.phase_name) }) : t("session")}</h1>
    <${Ring} part=${part} leftMs=${paused ? 0 : session.part_left_ms} totalMs=${store.part.totalMs} stale=${store.stale}
      word=${paused ? t("part.paused") : null} />
    <p class="line"><span>${t("squeeze_of", { n: session.contraction, of: session.contractions })}</span>
      <span>${t("left", { time: clock(session.left_ms) })}</span></p>`}
    ${used(state).map((name) => html`<${Channel} key=${name} name=${name} state=${state} mine=${mine} />`)}
    ${children}
    ${mine && html`<div class="actions">
      ${paused ? !store.turns && html`<button type="button" class="main" onClick=${() => act("resume", state.epoch)}>${t("resume")}</button>`
        : may("pause") && html`<button type="button" onClick=${() => act("pause")}>${t("pause")}</button>`}
      ${may("end_early") && html`<button type="button" onClick=${() => act("end")}>${t("end")}</button>`}</div>
      <p class="small">${t("leaving_note", { seconds: number(state.lease.length_ms / 1000) })}</p>`}`;
}

export function Session({ state }) {
  const mine = controls();
  const started = ["running", "paused"].includes(state.mode);
  const { alternating, contractions } = state.session; // in turns, where the clinician left the pause to the person
  const turns = mine && may("pause") && (alternating || (state.mode === "idle" && contractions > 0));
  return html`<div class="session">
    ${!mine && html`<${TakeControl} />`}
    ${turns && html`<${Alternate} state=${state} />`}
    ${!(turns && store.own) && (started ? html`<${Running} state=${state} mine=${mine} />` : html`<${Check} state=${state} mine=${mine} />`)}
  </div>`;
}

// Who only looks: viewer and clinician. A clinician may ask for control.
export function Live() {
  const { state } = store;
  if (!state) return html`<p>${t("connecting")}</p>`;
  if (!state.session) {
    return html`<section class="card"><h1>${t("live.title")}</h1><p>${t(`mode.${state.mode}`)}</p>
      ${state.cause && html`<p>${cause(state.cause)}</p>`}</section>`;
  }
  const mine = controls();
  const clinician = store.me.role === "clinician";
  return html`<div class="session">
    ${clinician && !mine && html`<p class="told">${state.control.asking === store.me.id ? t("control_asked") : t("other_controls")}
      ${state.control.asking !== store.me.id && html`<button type="button" onClick=${() =>
        command("POST", "/sessions/current/control", { action: "claim" })}>${t("ask_control")}</button>`}</p>`}
    ${["running", "paused"].includes(state.mode) ? html`<${Running} state=${state} mine=${mine} />`
      : html`<section class="card"><h1>${t("live.title")}</h1><p>${t(`mode.${state.mode}`)}</p></section>`}
  </div>`;
}

