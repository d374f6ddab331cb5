// The output table of 21 CFR 876.5330: any programme at any cap, phase by phase, into 500, 2 000 and 10 000 ohm.
import "./sheet.js";
import { Component, html } from "./html.js";
import { call } from "./net.js";
import { store } from "./store.js";
import { date, inLanguage, number, refusal, t } from "./text.js";
import { edge } from "./paper.js";

const ROWS = ["peak_current_ma", "peak_voltage_v", "limited_by_compliance", "charge_per_phase_uc", "net_charge_per_pulse_uc", "rms_current_ma", "average_absolute_current_ma",
  "duty_percent", "energy_per_pulse_mj", "average_power_mw", "rms_density_ma_per_cm2", "power_density_mw_per_cm2"];
const shown = (value) => (typeof value === "boolean" ? t(value ? "yes" : "no") : number(value));

function Table({ lines }) {
  const [first] = lines;
  return html`<div class="wide keep" role="region" tabindex="0" aria-label=${t("output.part", { n: number(first.phase), name: first.channel })}><table>
    <caption>${t("output.part", { n: number(first.phase), name: first.channel })}: ${t("output.shape", { hz: number(first.frequency_hz), width: number(first.phase_width_us), gap: number(first.interphase_us) })}</caption>
    <thead><tr><th scope="col">${t("figures.what")}</th>${lines.map((one) => html`<th scope="col">${number(one.load_ohm)} Ω</th>`)}</tr></thead>
    <tbody>${ROWS.map((key) => html`<tr><th scope="row">${t(`output.${key}`)}</th>${lines.map((one) => html`<td>${shown(one[key])}</td>`)}</tr>`)}</tbody></table></div>`;
}

function parts(lines) { // each phase and channel by itself, its loads side by side
  const found = new Map();
  for (const one of lines) found.set(`${one.phase} ${one.channel}`, [...(found.get(`${one.phase} ${one.channel}`) ?? []), one]);
  return [...found.values()];
}

export class Output extends Component {
  async componentDidMount() {
    try { this.setState({ all: await call("GET", "/programmes") }, () => this.load()); } catch (error) { this.setState({ refused: error.code }); }
  }
  componentWillUnmount() { edge(null); }
  async load() {
    const form = new FormData(this.form);
    const query = new URLSearchParams();
    const cap = Number(form.get("cap")), area = Number(form.get("area"));
    if (cap > 0) query.set("max_ma", cap.toFixed(1));
    if (area > 0) query.set("area_mm2", Math.round(area * 100));
    const asked = this.asked = `/programmes/${form.get("programme")}/output-table?${query}`;
    try {
      const told = await call("GET", asked);
      if (asked === this.asked) this.setState({ told, path: asked, refused: null });
    } catch (error) { if (asked === this.asked) this.setState({ told: null, refused: error.code }); }
  }
  render(_, { all, told, path, refused }) {
    const { plan } = store;
    const title = told && inLanguage(all.find((one) => one.id === told.programme)?.figures.programme.title);
    if (told) edge(`PelviStim · ${t("output.title")} · ${told.programme} · ${number(told.max_ma)} mA`);
    return html`<section class="card"><a class="back-link noprint" href="#/more">‹ ${t("nav.patient.more")}</a>
      <h1>${t("output.title")}</h1><p class="small">${t("output.text")}</p>
      ${all && html`<form class="noprint" ref=${(form) => { this.form = form; }} onChange=${() => this.load()} onSubmit=${(event) => { event.preventDefault(); this.load(); }}>
        <label>${t("plan.programme")}<select name="programme">${all.map((one) => html`<option value=${one.id} selected=${one.id === plan?.programme}>${inLanguage(one.figures.programme.title)}</option>`)}</select></label>
        <div class="pair"><label>${t("output.cap")} (mA)<input type="number" inputmode="decimal" name="cap" min="0.1" max="100" step="0.1" defaultValue=${plan ? Math.max(0, ...Object.values(plan.caps_ma).filter((one) => one !== null)) || "" : ""} /></label>
          <label>${t("plan.area")} (cm²)<input type="number" inputmode="decimal" name="area" min="0.5" max="100" step="0.1" defaultValue=${plan ? plan.electrode.area_mm2 / 100 : ""} /></label></div>
        <p class="small">${t("output.cap_note")}</p></form>`}
      ${refused && html`<p class="told" role="alert">${refusal(refused)}</p>`}
      ${told ? html`<h2>${title}</h2>
        <p>${t("output.at", { ma: number(told.max_ma), kind: t(`kind.${told.electrode.kind}`), area: number(told.electrode.area_cm2) })} ${t("output.waveform")}</p>
        ${parts(told.lines).map((lines) => html`<${Table} lines=${lines} />`)}
        <p class="small">${t("output.note")} ${t("report.made")}: ${date(Date.now())}.</p>
        <p class="files noprint"><a href=${`/api/v1${path}${path.endsWith("?") ? "" : "&"}format=csv`} download>CSV</a> <a href=${`/api/v1${path}`} download=${`output-${told.programme}.json`}>JSON</a></p>
        <button type="button" class="noprint" onClick=${() => print()}>${t("print")}</button>` : !refused && html`<p role="status">${t("loading")}</p>`}
    </section>`;
  }
}
