// The clinician: what is prescribed with its figures, what was done, and who is paired.
import { Component, html } from "./html.js";
import { call, command, loadAll } from "./net.js";
import { set, store } from "./store.js";
import { date, inLanguage, moment, number, programmeTitle, refusal, t } from "./text.js";
import { QUESTIONS } from "./before.js";
import { Delivered } from "./after.js";

const MAY = ["pause", "end_early"];
const KINDS = ["vaginal probe", "anal probe", "surface"];
const SHOWN = ["peak_current_ma", "charge_per_phase_uc", "net_charge_per_pulse_code_us", "rms_current_ma", "rms_density_ma_per_cm2",
  "duty_percent", "average_absolute_current_ma", "energy_per_pulse_500_ohm_mj", "max_voltage_500_ohm_v", "max_voltage_2000_ohm_v",
  "max_voltage_10000_ohm_v", "power_density_500_ohm_w_per_cm2", "shannon_k", "pulses", "contractions", "longest_contraction_s", "shortest_rest_s"];

// --- figures ----------------------------------------------------------------------------------------------------------

function Figures({ programme }) {
  const { channels, ceilings, problems, warnings, session } = programme.figures;
  const names = Object.keys(channels);
  const rows = SHOWN.filter((key) => names.some((name) => channels[name][key] != null));
  return html`<div class="figures" aria-live="polite">
    ${problems.map((one) => html`<p class="told" lang="en">${one.field}: ${one.value}; ${one.allowed}. ${one.advice}</p>`)}
    ${warnings.map((one) => html`<p class="small" lang="en">${one.place}: ${one.value}. ${one.advice}</p>`)}
    <p>${t("figures.session", { minutes: number(session.minutes), contractions: number(session.contractions), pulses: number(session.pulses) })}</p>
    <table><caption>${t("figures.caption", { ma: number(programme.figures.max_ma) })}</caption>
      <thead><tr><th scope="col">${t("figures.what")}</th>${names.map((name) => html`<th scope="col">${name}</th>`)}<th scope="col">${t("figures.ceiling")}</th></tr></thead>
      <tbody>${rows.map((key) => html`<tr><th scope="row">${t(`figure.${key}`)}</th>
        ${names.map((name) => html`<td>${channels[name][key] == null ? "–" : number(channels[name][key])}</td>`)}
        <td>${ceilings[key] == null ? "" : number(ceilings[key])}</td></tr>`)}</tbody></table>
    <p class="small">${t("figures.shannon")}</p>
    ${programme.phases.map((phase) => html`<${Waveform} phase=${phase} />`)}
    <details><summary>${t("figures.source")}</summary><p lang="en">${programme.figures.programme.source}</p></details>
  </div>`;
}

// One pulse and one contraction, to scale within each.
function Waveform({ phase }) {
  if (!phase.channels.length) return html`<p class="small">${inLanguage(phase.name)}: ${t("figures.pause", { seconds: number(phase.duration_s) })}</p>`;
  const { phase_width_us: width, interphase_us: gap } = phase;
  const whole = 2 * width + gap, x = (us) => 10 + (us / whole) * 120;
  const pulse = `M2 50H${x(0)}V15H${x(width)}V50H${x(width + gap)}V85H${x(whole)}V50H138`;
  const spans = [phase.ramp_up_ms, phase.hold_ms, phase.ramp_down_ms, phase.rest_ms];
  const all = spans.reduce((sum, ms) => sum + ms, 0), at = (n) => 150 + (spans.slice(0, n).reduce((sum, ms) => sum + ms, 0) / all) * 146;
  const train = `M150 85L${at(1)} 15H${at(2)}L${at(3)} 85H296`;
  const words = t(phase.continuous ? "figures.continuous" : "figures.phase", {
    name: inLanguage(phase.name), hz: number(phase.frequency_hz), width: number(width), gap: number(gap), up: number(phase.ramp_up_ms / 1000),
    hold: number(phase.hold_ms / 1000), down: number(phase.ramp_down_ms / 1000), rest: number(phase.rest_ms / 1000), n: number(phase.repeats) });
  return html`<figure class="wave"><svg viewBox="0 0 300 100" role="img" aria-label=${words}><path d="M2 50H138" class="axis" /><path d="M150 85H296" class="axis" />
    <path d=${pulse} class="pulse" /><path d=${train} class="pulse" /></svg><figcaption class="small">${words}</figcaption></figure>`;
}

// --- the plan ---------------------------------------------------------------------------------------------------------

const number_ = (told, name) => { const text = String(told.get(name) ?? "").replace(",", "."); return text === "" ? null : Number(text); };

function fromForm(form, revision) {
  const told = new FormData(form);
  const caps = {};
  for (const name of ["A", "B"]) if (number_(told, `cap_${name}`) !== null) caps[name] = number_(told, `cap_${name}`);
  const depth = number_(told, "depth"), turn = number_(told, "turn");
  return {
    revision, programme: told.get("programme"), caps_ma: caps,
    electrode: { kind: told.get("kind"), area_mm2: Math.round(number_(told, "area") * 100),
      placement: depth === null ? null : { depth_mm: depth, turn_degrees: turn ?? 0 } },
    minutes: number_(told, "minutes"), sessions_per_day: number_(told, "day"), sessions_per_week: number_(told, "week"),
    weeks: number_(told, "weeks"), lease_ms: Math.round(number_(told, "lease") * 1000), patient_may: MAY.filter((one) => told.get(`may_${one}`) === "on"),
    released: QUESTIONS.filter((one) => told.get(`release_${one}`)?.trim()).map((one) => ({ contraindication: one, reason: told.get(`release_${one}`).trim() })),
    prescriber: told.get("prescriber").trim(), valid_until: told.get("until") || null,
  };
}

const Number_ = ({ name, value, min, max, step = 1, unit, required = true, hint }) => html`<label>${t(`plan.${name}`)}${unit ? ` (${unit})` : ""}
  <input type="number" inputmode="decimal" name=${name} min=${min} max=${max} step=${step} defaultValue=${value} required=${required} /></label>`;

export class Clinician extends Component {
  async componentDidMount() {
    const all = await call("GET", "/programmes").catch(() => []);
    this.setState({ all }, () => this.figure());
  }
  async figure() {
    if (!this.form) return;
    const told = new FormData(this.form);
    const id = told.get("programme");
    const cap = Math.max(number_(told, "cap_A") ?? 0, number_(told, "cap_B") ?? 0);
    const area = number_(told, "area");
    const query = new URLSearchParams();
    if (cap > 0) query.set("max_ma", cap.toFixed(1)); // none yet: at the highest that passes
    if (area) query.set("area_mm2", Math.round(area * 100));
    const asked = `/programmes/${id}?${query}`;
    if (asked === this.asked) return;
    this.asked = asked;
    const programme = await call("GET", asked).catch(() => null);
    if (asked === this.asked && programme) this.setState({ programme });
  }
  render(_, { all, programme }) {
    if (!all || store.plan === undefined) return html`<p>${t("loading")}</p>`;
    const { plan } = store;
    const revision = (plan?.revision ?? 0) + 1;
    const send = async (event) => {
      event.preventDefault();
      if (await command("PUT", "/prescription", fromForm(event.target, revision))) {
        await loadAll();
        set({ told: { text: t("plan.saved", { n: number(revision) }) } });
      }
    };
    const why = Object.fromEntries((plan?.released ?? []).map((one) => [one.contraindication, one.reason]));
    return html`<section class="card">
      <h1>${t("plan.title")}</h1>
      <${Blocks} />
      <p class="small">${plan ? t("plan.in_force", { n: number(plan.revision), name: plan.prescriber }) : t("plan.none")}</p>
      <form ref=${(form) => { this.form = form; }} onSubmit=${send} onInput=${() => this.figure()}>
        <label>${t("plan.programme")}<select name="programme">${all.map((one) => html`<option value=${one.id} selected=${one.id === plan?.programme}>
          ${inLanguage(one.figures.programme.title)}</option>`)}</select></label>
        <div class="pair"><${Number_} name="cap_A" unit="mA" min="0" max="100" step="0.5" value=${plan?.caps_ma.A ?? ""} required=${false} />
          <${Number_} name="cap_B" unit="mA" min="0" max="100" step="0.5" value=${plan?.caps_ma.B ?? ""} required=${false} /></div>
        <p class="small">${t("plan.caps_note")}</p>
        <label>${t("plan.kind")}<select name="kind">${KINDS.map((kind) => html`<option value=${kind} selected=${kind === plan?.electrode.kind}>${t(`kind.${kind}`)}</option>`)}</select></label>
        <${Number_} name="area" unit="cm²" min="0.5" max="100" step="0.1" value=${plan ? plan.electrode.area_mm2 / 100 : 10} />
        <div class="pair"><${Number_} name="depth" unit="mm" min="0" max="200" value=${plan?.electrode.placement?.depth_mm ?? ""} required=${false} />
          <${Number_} name="turn" unit="°" min="-180" max="180" value=${plan?.electrode.placement?.turn_degrees ?? ""} required=${false} /></div>
        <div class="pair"><${Number_} name="minutes" min="1" max="45" value=${plan?.minutes ?? 20} /><${Number_} name="day" min="1" max="3" value=${plan?.sessions_per_day ?? 1} /></div>
        <div class="pair"><${Number_} name="week" min="1" max="21" value=${plan?.sessions_per_week ?? 5} /><${Number_} name="weeks" min="1" max="52" value=${plan?.weeks ?? 12} /></div>
        <${Number_} name="lease" unit="s" min="1" max="5" step="0.5" value=${(plan?.lease_ms ?? 2000) / 1000} />
        <fieldset><legend>${t("plan.may")}</legend>${MAY.map((one) => html`<label class="check"><input type="checkbox" name=${`may_${one}`}
          defaultChecked=${!plan || plan.patient_may.includes(one)} /> ${t(`plan.may_${one}`)}</label>`)}
          <p class="small">${t("plan.may_note")}</p></fieldset>
        <label>${t("plan.until")}<input type="date" name="until" defaultValue=${plan?.valid_until ?? ""} /></label>
        <label>${t("plan.prescriber")}<input name="prescriber" maxlength="64" pattern="[ -~]+" required defaultValue=${plan?.prescriber ?? ""} /></label>
        <details><summary>${t("plan.released")}</summary><p class="small">${t("plan.released_note")}</p>
          ${QUESTIONS.map((one) => html`<label>${t(`question.${one}`)}<input name=${`release_${one}`} maxlength="500" placeholder=${t("plan.reason")} defaultValue=${why[one] ?? ""} /></label>`)}</details>
        <button type="submit" class="main">${t("plan.save", { n: number(revision) })}</button>
      </form>
      <h2>${t("figures.title")}</h2>
      ${programme ? html`<${Figures} programme=${programme} />` : html`<p>${t("loading")}</p>`}
      <button type="button" class="noprint" onClick=${() => print()}>${t("print")}</button>
    </section>`;
  }
}

// What closes stimulation, until somebody has looked at it and says why it may go on.
export function Blocks() {
  const release = async (event, one) => {
    event.preventDefault();
    const reason = new FormData(event.target).get("reason").trim();
    if (reason && (await command("POST", `/blocks/${one.id}/release`, { reason }))) await loadAll();
  };
  return store.blocks.map((one) => html`<form class="told" key=${one.id} onSubmit=${(event) => release(event, one)}>
    <p><strong>${t(`block.${one.why}`, { date: moment(one.at) })}</strong></p>
    <ul>${one.what.map((what) => html`<li>${t(one.why === "adverse" ? `adverse.${what}` : `question.${what}`)}</li>`)}</ul>
    ${one.note && html`<q>${one.note}</q>`}
    <label>${t("block.reason")}<input name="reason" maxlength="500" required /></label>
    <button type="submit">${t("block.release")}</button></form>`);
}

// --- what was done ----------------------------------------------------------------------------------------------------

export const Journal = () => html`<section class="card"><h1>${t("journal.title")}</h1>
  <${Blocks} />
  ${store.sessions.length === 0 && html`<p>${t("history.none")}</p>`}
  ${store.sessions.map((one) => html`<article key=${one.id}><h2>${moment(one.began)}</h2><p>${programmeTitle(one.programme)}</p><${Delivered} one=${one} />
    ${one.rating && html`<p>${t("history.rated", { comfort: one.rating.comfort, strength: one.rating.strength, before: one.rating.pain_before, after: one.rating.pain_after })}
      ${one.rating.adverse.length > 0 && html` <strong>${one.rating.adverse.map((what) => t(`adverse.${what}`)).join(", ")}</strong>`}
      ${one.rating.note && html` <q>${one.rating.note}</q>`}</p>`}
    <p class="noprint files"><a href=${`#/dose/${one.id}`}>${t("dose.title")}</a></p></article>`)}
  <button type="button" class="noprint" onClick=${() => print()}>${t("print")}</button></section>`;

// --- phones -----------------------------------------------------------------------------------------------------------

export class Devices extends Component {
  componentDidMount() { this.load(); }
  async load() { this.setState({ all: await call("GET", "/devices").catch(() => []) }); }
  async open(role) {
    try { this.setState({ told: await call("POST", "/pairing", { role }), refused: null }); } catch (error) { this.setState({ refused: refusal(error.code) }); }
  }
  async revoke(id) {
    await command("DELETE", `/devices/${id}`);
    this.load();
  }
  render(_, { all, told, refused }) {
    return html`<section class="card"><h1>${t("devices.title")}</h1>
      ${(all ?? []).map((one) => html`<div class="row" key=${one.id}><p><strong>${one.name}</strong> – ${t(`role.${one.role}`)}<br />
        <span class="small">${t("since_until", { from: moment(one.paired_s * 1000), date: date(one.expires_s * 1000) })}</span></p>
        ${one.this ? html`<span class="quiet">${t("this_phone")}</span>` : html`<button type="button" onClick=${() => this.revoke(one.id)}>${t("devices.revoke")}</button>`}</div>`)}
      <h2>${t("devices.pair")}</h2><p>${t("devices.pair_text")}</p>
      <div class="actions">${["patient", "viewer", "clinician"].map((role) => html`<button type="button" onClick=${() => this.open(role)}>${t(`role.${role}`)}</button>`)}</div>
      ${refused && html`<p class="told" role="alert">${refused}</p>`}
      ${told && html`<div class="invitation" role="status"><p>${t("devices.for", { role: t(`role.${told.role}`) })}</p>
        <img alt=${t("devices.qr")} width="240" height="240" src=${`data:image/svg+xml,${encodeURIComponent(told.qr_svg)}`} />
        <p>${t("pair.code")}: <strong class="code">${told.code}</strong></p>${told.fingerprint && html`<p class="small code">${told.fingerprint}</p>`}</div>`}
    </section>`;
  }
}
