// One session: planned against delivered, contraction by contraction, and whether it is proved.
import "./sheet.js";
import { Component, html } from "./html.js";
import { call } from "./net.js";
import { cause, clock, date, ma, moment, number, programmeTitle, refusal, t } from "./text.js";
import { edge } from "./paper.js";
import { Proof } from "./proof.js";

const UNITS = { pulses: [1, ""], charge_pc: [1e6, " µC"], current_ua: [1000, " mA"] };

// Came of planned, with what was planned only where it is told.
export const ofPlanned = (came, planned) => planned === null || planned === undefined ? number(came) : t("dose.of", { came: number(came), planned: number(planned) });

export function deviation({ what, planned, came }) {
  const [by, unit] = UNITS[what];
  return t(`deviation.${what}`, { planned: `${number(planned / by)}${unit}`, came: `${number(came / by)}${unit}` });
}

// The strongest pulse, of the set-point where the phase gives only a part of it.
function given({ sent_ua: sent, set_point_ua: set }) {
  const [came, asked] = [ma((sent ?? set) / 1000), ma(set / 1000)];
  return came === asked ? came : t("dose.of", { came, planned: asked });
}

const COLUMNS = ["contraction", "channel", "from", "pulses", "charge_uc", "set", "measured", "load", "remark"];

function Contractions({ one }) {
  const name = Object.fromEntries(COLUMNS.map((column) => [column, t(`column.${column}`)]));
  const off = (dose) => one.deviations.filter((found) => found.contraction === dose.contraction && found.channel === dose.channel);
  return html`<table class="rows" role="table" aria-label=${t("dose.title")}>
    <thead role="rowgroup"><tr role="row">${COLUMNS.map((column) => html`<th scope="col" role="columnheader">${name[column]}</th>`)}</tr></thead>
    <tbody role="rowgroup">${one.doses.map((dose) => {
      const found = off(dose);
      return html`<tr role="row" class=${found.length ? "off" : ""}>
        <th scope="row" role="rowheader">${dose.continuous ? t("part.continuous") : t("dose.squeeze", { n: number(dose.contraction) })}</th>
        <td role="cell" data-name=${name.channel}>${dose.channel}</td>
        <td role="cell" data-name=${name.from}>${clock(dose.start_us / 1000)}</td>
        <td role="cell" class="long" data-name=${name.pulses}>${ofPlanned(dose.pulses, dose.planned_pulses)}</td>
        <td role="cell" class="long" data-name=${name.charge_uc}>${ofPlanned(dose.charge_pc / 1e6, dose.planned_charge_pc === undefined ? null : dose.planned_charge_pc / 1e6)}</td>
        <td role="cell" data-name=${name.set}>${given(dose)}</td>
        <td role="cell" data-name=${name.measured}>${dose.measured_ua === undefined ? "–" : ma(dose.measured_ua / 1000)}</td>
        <td role="cell" data-name=${name.load}>${dose.load_ohm == null ? "–" : number(dose.load_ohm)}</td>
        <td role="cell" class="long" data-name=${name.remark}>${found.length ? html`<strong>${t("dose.deviates")}:</strong> ${found.map(deviation).join("; ")}` : t("dose.as_planned")}</td></tr>`;
    })}</tbody></table>`;
}

const sum = (doses, what) => (doses.some((dose) => dose[what] === undefined) ? null : doses.reduce((all, dose) => all + dose[what], 0));

function Whole({ one }) {
  const causes = one.events.filter((event) => event.kind === "cause"), cuts = one.events.filter((event) => event.kind === "cut");
  const planned = sum(one.doses, "planned_charge_pc");
  return html`
    ${one.simulated && html`<p class="told">${t("report.simulated")}</p>`}
    <dl class="two">
      <div><dt>${t("plan.programme")}</dt><dd>${programmeTitle(one.programme)}</dd></div>
      ${one.opened.prescription_revision != null && html`<div><dt>${t("report.revision")}</dt><dd>${number(one.opened.prescription_revision)}</dd></div>`}
      <div><dt>${t("delivered.contractions")}</dt><dd>${number(one.contractions)}</dd></div>
      <div><dt>${t("delivered.pulses")}</dt><dd>${ofPlanned(one.pulses, sum(one.doses, "planned_pulses"))}</dd></div>
      <div><dt>${t("delivered.charge")}</dt><dd>${ofPlanned(one.charge_uc / 1000, planned === null ? null : planned / 1e9)} mC</dd></div>
      ${Object.entries(one.comfortable_ma).map(([name, value]) => html`<div><dt>${t("delivered.comfortable", { name })}</dt><dd>${ma(value)} mA</dd></div>
        <div><dt>${t("dose.below", { name })}</dt><dd>${number(one.below_comfortable_s[name] ?? 0)} s</dd></div>`)}
      <div><dt>${t("column.pauses")}</dt><dd>${number(one.pauses.length)}</dd></div>
      <div><dt>${t("column.deviations")}</dt><dd>${number(one.deviations.length)}</dd></div>
      <div><dt>${t("delivered.end")}</dt><dd>${one.cause ? cause(one.cause) : t(!one.ended ? "report.end_unknown" : one.closed.ended_early ? "delivered.early" : "delivered.as_planned")}</dd></div>
    </dl>
    <h2>${t("proof.title")}</h2><p class="small">${t("proof.what")}</p><${Proof} id=${one.id} />
    ${one.pauses.length + causes.length + cuts.length > 0 && html`<h2>${t("report.events")}</h2><ul>
      ${one.pauses.map((pause) => html`<li>${moment(pause.at)}: ${pause.ms === null ? t("dose.pause_open") : t("dose.pause", { seconds: number(pause.ms / 1000) })}${pause.cause ? `. ${cause(pause.cause)}` : ""}</li>`)}
      ${causes.map((event) => html`<li>${moment(event.at)}: ${cause(event.code)}</li>`)}
      ${cuts.map((cut) => html`<li>${moment(cut.at)}: ${t("dose.cut", { us: number(cut.us) })}</li>`)}</ul>`}
    ${one.rating && html`<h2>${t("after.title")}</h2><p>${t("history.rated", { comfort: one.rating.comfort, strength: one.rating.strength, before: one.rating.pain_before ?? "–", after: one.rating.pain_after })}
      ${one.rating.adverse.length > 0 && html` <strong>${one.rating.adverse.map((what) => t(`adverse.${what}`)).join(", ")}</strong>`}
      ${one.rating.note && html` <q>${one.rating.note}</q>`}</p>`}
    <h2>${t("dose.title")}</h2><p class="small">${t("dose.note")} ${t("dose.deviation_note")}</p>
    ${one.doses.length ? html`<${Contractions} one=${one} />` : html`<p>${t("dose.none")}</p>`}
    <p class="files noprint"><a href=${`/api/v1/sessions/${one.id}/export?format=csv`} download>CSV</a> <a href=${`/api/v1/sessions/${one.id}/export?format=json`} download>JSON</a></p>
    <button type="button" class="noprint" onClick=${() => print()}>${t("print")}</button>`;
}

export class Dose extends Component {
  async componentDidMount() {
    const id = location.hash.split("/")[2] ?? "";
    try { this.setState({ one: await call("GET", `/sessions/${encodeURIComponent(id)}`) }); } catch (error) { this.setState({ refused: error.code }); }
  }
  componentWillUnmount() { edge(null); }
  render(_, { one, refused }) {
    if (one) edge(`PelviStim · ${t("dose.page")} · ${date(one.began)} · ${one.id}`);
    return html`<section class="card"><a class="back-link noprint" href="#/history">‹ ${t("history.title")}</a>
      <h1>${one ? t("dose.of_session", { at: moment(one.began) }) : t("dose.page")}</h1>
      ${refused ? html`<p class="told" role="alert">${refusal(refused)}</p>` : one ? html`<${Whole} one=${one} />` : html`<p role="status">${t("loading")}</p>`}</section>`;
  }
}
