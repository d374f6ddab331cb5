// Looking for the caps: the clinician asks, the patient says yes or no on her phone, what is found is taken down.
import { Component, html } from "./html.js";
import { call, command, controls, loadAll } from "./net.js";
import { keep, set, store } from "./store.js";
import { clock, ma, number, t } from "./text.js";
import { AskAll, answersOf, plays, today } from "./before.js";
import { Blocks } from "./clinician.js";
import { Signing, cannotSign } from "./key.js";
import { CapWhy } from "./caps.js";
import { Check, Running, STEP_MA, lower, used } from "./session.js";

// Where it stands, asked again when the stream says that it stands elsewhere; and the time that is left.
class Standing extends Component {
  componentDidMount() {
    this.look();
    this.ticking = setInterval(() => { if (this.state.until) this.setState({}); else if (!this.state.now) this.look(); }, 1000);
  }
  componentDidUpdate() { if (store.state && store.state.threshold !== this.seen) this.look(); }
  componentWillUnmount() { clearInterval(this.ticking); }
  async look() {
    this.seen = store.state?.threshold;
    const now = await call("GET", "/threshold").catch(() => null);
    if (now) this.took(now);
  }
  took(now) { this.setState({ now, until: now.state === "none" ? null : performance.now() + now.left_s * 1000 }); }
  async ask(method, path, body) {
    const now = await command(method, path, body, { withinMs: 20_000 });
    if (now?.marks) this.took(now);
    return now;
  }
  left(key) {
    const { until } = this.state;
    return until && html`<p class="left" role="timer">${t(key, { time: clock(Math.max(0, until - performance.now())) })}</p>`;
  }
}

// --- the clinician ----------------------------------------------------------------------------------------------------

const MARKS = [["sensory", null], ["motor", "seen"], ["motor", "palpated"], ["motor", null], ["comfortable", null]];

const ORDER = ["sensory", "motor", "comfortable"];

function Found({ now }) {
  if (!now.marks.length) return null;
  const never = now.marks.filter((one) => one.mark === "motor" && one.how === "not observed");
  return html`<table class="found"><caption>${t("look.found")}</caption>
    <thead><tr><th scope="col">${t("look.mark")}</th><th scope="col">${t("look.count")}</th><th scope="col">${t("look.spread")}</th></tr></thead>
    <tbody>${ORDER.flatMap((mark) => now.spread.filter((one) => one.mark === mark)).map((one) => html`<tr><th scope="row">${one.channel}: ${t(`look.${one.mark}`)}</th><td>${number(one.count)}</td>
      <td>${one.lowest_ma === one.highest_ma ? ma(one.lowest_ma) : `${ma(one.lowest_ma)}–${ma(one.highest_ma)}`}</td></tr>`)}
      ${never.map((one) => html`<tr><th scope="row">${one.channel}: ${t("look.not_observed")}</th><td>1</td><td>${t("look.up_to", { ma: ma(one.amplitude_ma) })}</td></tr>`)}</tbody></table>`;
}

const silent = (plan, programme) => plays(programme).filter((name) => plan.caps_ma[name] == null); // no cap yet

export class Threshold extends Standing {
  async open(event) {
    event.preventDefault();
    set({ opening: true });
    if (!(await this.ask("POST", "/threshold/session", { answers: answersOf(event.target), day: today() }))) await loadAll(); // it may have closed stimulation
    set({ opening: false });
  }
  propose() {
    keep("caps", { ...Object.fromEntries(Object.entries(store.plan?.caps_ma ?? {}).filter(([, cap]) => cap != null)), ...this.state.now.proposed_ma });
    location.hash = "#/plan";
  }
  render(_, { now }) {
    const { state, plan } = store;
    if (!now || !state || plan === undefined) return html`<p>${t("loading")}</p>`;
    const session = state.session?.looking ? state.session : null;
    const proposed = Object.entries(now.proposed_ma);
    const found = html`<${Found} now=${now} />`;
    if (session) return html`<div class="session">${this.left("look.left")}${this.session(state)}<section class="card">${found}<p class="small">${t("look.how")}</p></section></div>`;
    return html`<section class="card"><a href="#/plan">‹ ${t("plan.title")}</a><h1>${t("threshold.title")}</h1>
      <${Blocks} />
      ${found}
      ${proposed.length > 0 && now.state === "none" && html`<p>${t("look.proposed", { caps: proposed.map(([name, cap]) => `${name}: ${ma(cap)} mA`).join(", ") })}</p>
        <p class="small">${t("look.proposed_note")}</p>
        ${store.programme?.caps && html`<${CapWhy} caps=${store.programme.caps} wanted=${Math.min(...proposed.map(([, cap]) => cap))} />`}
        <button type="button" class="main" onClick=${() => this.propose()}>${t("look.take")}</button>`}
      ${this.left(now.state === "asked" ? "look.left_answer" : "look.left")}
      ${now.state === "asked" ? html`<p role="status">${t("look.waiting")}</p>` : now.state === "allowed" ? this.questions() : this.start(plan, proposed.length > 0)}
      ${now.state !== "none" && html`<button type="button" onClick=${() => this.ask("DELETE", "/threshold")}>${t("look.give_up")}</button>`}
    </section>`;
  }
  start(plan, again) {
    if (!plan) return html`<p class="told">${t("look.no_plan")}</p>`;
    if (!silent(plan, store.programme).length) return html`<p class="told">${t("look.all_capped")}</p>`;
    return html`<p>${t("look.what")}</p><ol><li>${t("look.step_ask")}</li><li>${t("look.step_questions")}</li><li>${t("look.step_marks")}</li><li>${t("look.step_caps")}</li></ol>
      <button type="button" class=${again ? "" : "main"} onClick=${() => this.ask("POST", "/threshold")}>${t("look.ask")}</button>`;
  }
  questions() {
    const busy = store.opening;
    return html`<p class="good" role="status"><strong>${t("look.allowed")}</strong></p><p>${t("look.questions")}</p>
      <${Signing} />
      <form onSubmit=${(event) => this.open(event)}><${AskAll} />
        <button type="submit" class="main" aria-disabled=${busy || cannotSign() !== null}>${t(busy ? "prepare.testing" : "look.open")}</button></form>`;
  }
  session(state) {
    const mine = controls(), running = state.mode === "running";
    const claim = () => command("POST", "/sessions/current/control", { action: "claim" });
    const take = (channel, [mark, how]) => this.ask("POST", "/threshold/marks", { channel, mark, ...(mark === "motor" ? { how } : {}) });
    return html`
      ${!mine && html`<p class="told">${t(state.control.asking === store.me.id ? "control_asked" : "other_controls")}
        ${state.control.asking !== store.me.id && html`<button type="button" onClick=${claim}>${t("ask_control")}</button>`}</p>`}
      ${!["running", "paused"].includes(state.mode) ? html`<${Check} state=${state} mine=${mine} />` : html`<${Running} state=${state} mine=${mine}>
        ${running && used(state).map((name) => html`<section class="channel" key=${name}><h2>${t("look.take_down", { name, ma: ma(state.channels[name].given_ma) })}</h2>
          <div class="ways">${MARKS.map((one) => html`<button type="button" aria-disabled=${state.channels[name].set_point_ma === 0}
            onClick=${() => take(name, one)}>${t(`look.${one[0]}${one[0] === "motor" ? `_${one[1] ?? "not"}` : ""}`)}</button>`)}</div></section>`)}<//>`}`;
  }
}

// --- the patient ------------------------------------------------------------------------------------------------------

export class Looked extends Standing {
  render({ state }) {
    const no = () => this.ask("DELETE", "/threshold");
    if (!state.session) {
      return html`<section class="card"><h1>${t("look.request")}</h1>
        ${state.threshold === "asked" ? html`<p>${t("look.request_text")}</p><p>${t("look.request_free")}</p>${this.left("look.left_answer")}
          <button type="button" class="main" onClick=${() => this.ask("POST", "/threshold/allow")}>${t("look.yes")}</button>
          <button type="button" onClick=${no}>${t("look.no")}</button>`
        : html`<p role="status"><strong>${t("look.said_yes")}</strong></p><p>${t("look.said_yes_text")}</p><p>${t("prepare.never")}</p>${this.left("look.left")}
          <button type="button" onClick=${no}>${t("look.changed")}</button>`}</section>`;
    }
    const started = ["running", "paused"].includes(state.mode);
    return html`<div class="session"><p class="told">${t("look.leads")}</p>
      ${started ? html`<${Running} state=${state} mine=${false} />
        ${used(state).filter((name) => state.channels[name].set_point_ma > 0).map((name) => html`<button type="button" key=${name}
          onClick=${() => lower(name, state.channels[name].set_point_ma - 4 * STEP_MA)}>${t("look.down", { name })}</button>`)}`
        : html`<section class="card"><h1>${t("live.title")}</h1><p>${t(`mode.${state.mode}`)}</p></section>`}
      <button type="button" onClick=${no}>${t("look.changed")}</button></div>`;
  }
}
