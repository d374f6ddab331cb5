// A report over a period: what was planned and what came, how it felt, what went wrong, and on how little it rests.
import "./sheet.js";
import { Component, html } from "./html.js";
import { call } from "./net.js";
import { store } from "./store.js";
import { cause, date, ma, moment, number, programmeTitle, refusal, t } from "./text.js";
import { edge } from "./paper.js";
import { Points } from "./plot.js";
import { known, prove, verdict } from "./proof.js";
import { deviation, ofPlanned } from "./dose.js";

const DAY_MS = 86_400_000;
const SPANS = [4, 12, 26]; // weeks
const DEVIATIONS_MAX = 8; // of a session, in a report; all of them are in its dose record

const day = (ms) => new Date(ms).toISOString().slice(0, 10);
const back = (weeks) => ({ from: day(Date.now() - (weeks * 7 - 1) * DAY_MS), to: day(Date.now()) });
const Fact = ({ name, children }) => html`<div><dt>${name}</dt><dd>${children}</dd></div>`;
const perChannel = (values, show) => Object.entries(values).map(([name, value]) => `${name} ${show(value)}`).join(", ") || "–";
const byChannel = (all) => Object.entries(all).map(([name, series]) => [t("channel", { name }), series]);

function Plan({ plan }) {
  if (!plan) return html`<p>${t("plan.none")}</p>`;
  const place = plan.placement;
  return html`<dl class="two">
    <${Fact} name=${t("plan.programme")}>${programmeTitle(plan.programme)}<//>
    <${Fact} name=${t("report.revision")}>${number(plan.revision)}<//>
    <${Fact} name=${t("report.caps")}>${perChannel(plan.caps_ma, (value) => `${ma(value)} mA`)}<//>
    <${Fact} name=${t("report.often")}>${t("today.plan", { minutes: number(plan.minutes), day: number(plan.sessions_per_day), week: number(plan.sessions_per_week) })}<//>
    ${plan.electrode_kind && html`<${Fact} name=${t("plan.kind")}>${t(`kind.${plan.electrode_kind}`)}, ${number(plan.electrode_area_mm2 / 100)} cm²<//>`}
    ${place && html`<${Fact} name=${t("report.place")}>${t("report.placed", { depth: number(place.depth_mm), turn: number(place.turn_degrees) })}<//>`}
    ${plan.valid_until && html`<${Fact} name=${t("plan.until")}>${date(plan.valid_until)}<//>`}
    ${plan.prescriber && html`<${Fact} name=${t("plan.prescriber")}>${plan.prescriber}<//>`}
  </dl>`;
}

const Adherence = ({ told }) => html`<dl class="two">
    <${Fact} name=${t("report.sessions")}>${number(told.sessions)}<//>
    <${Fact} name=${t("report.completed")}>${number(told.completed)}<//>
    ${told.ended_early > 0 && html`<${Fact} name=${t("report.early")}>${number(told.ended_early)}<//>`}
  </dl>
  <p>${told.prescribed ? t("report.within", { done: number(told.within_prescribed), of: number(told.prescribed) }) : t("report.not_judged")}</p>
  ${told.prescribed > 0 && html`<table class="weeks"><caption>${t("report.weeks")}</caption><thead><tr><th scope="col">${t("report.week_from")}</th><th scope="col">${t("report.done")}</th>
    <th scope="col">${t("report.planned")}</th></tr></thead><tbody>${told.weeks.map((week) => html`<tr><th scope="row">${date(week.from)}</th><td>${number(week.sessions)}</td>
      <td>${week.prescribed === null ? t("report.not_whole") : number(week.prescribed)}</td></tr>`)}</tbody></table>`}`;

const Dose = ({ told }) => html`<dl class="two">
    <${Fact} name=${t("report.minutes")}>${number(told.minutes)}<//>
    <${Fact} name=${t("delivered.contractions")}>${number(told.contractions)}<//>
    <${Fact} name=${t("delivered.pulses")}>${ofPlanned(told.pulses, told.planned_pulses)}<//>
    <${Fact} name=${t("delivered.charge")}>${ofPlanned(told.charge_uc / 1000, told.planned_charge_uc === null ? null : told.planned_charge_uc / 1000)} mC<//>
  </dl><p class="small">${t("report.dose_note")}</p>`;

function Felt({ told }) {
  const { from, to } = told.period, { diary } = told;
  const marks = Object.entries(told.thresholds_ma);
  const drawn = [
    ["report.comfortable", byChannel(told.comfortable_ma)],
    ["report.felt", byChannel(told.felt_from_ma)],
    ...marks.map(([name, found]) => [t("report.thresholds", { name }), ["sensory", "motor", "comfortable"].map((mark) => [t(`report.mark_${mark}`), found[mark]]), undefined, true]),
    ["report.ratings", [[t("report.comfort"), told.ratings.comfort], [t("report.strength"), told.ratings.strength]], [1, 5]],
    ["history.pain", [[t("history.before"), told.pain.pain_before], [t("history.after"), told.pain.pain_after]], [0, 10]],
    ["diary.leaks", [["", diary.leaks]]], ["diary.pads", [["", diary.pads]]], ["report.near", [["", diary.goal]], [0, 10]], ["pgi.report", [["", told.impression]], [1, 7]],
  ];
  const none = drawn.every(([, lines]) => lines.every(([, series]) => series.n === 0));
  return html`${diary.goal_text && html`<p class="lead">${t("report.goal")}: <q>${diary.goal_text}</q></p>`}
    ${none ? html`<p>${t("report.no_points")}</p>` : html`<p class="small lead">${t("report.points_note")} ${t("report.notice")}</p>`}
    <div class="points">${drawn.map(([title, lines, scale, said]) => html`<${Points} title=${said ? title : t(title)} lines=${lines} scale=${scale} from=${from} to=${to} />`)}</div>
    ${marks.filter(([, found]) => found.motor_not_observed).map(([name, found]) => html`<p>${t("report.not_observed", { name, n: number(found.motor_not_observed) })}</p>`)}`;
}

const Adverse = ({ told }) => told.n === 0 ? html`<p>${t("report.no_adverse")}</p>` : html`<ul>${told.events.map((one) => html`<li>${moment(one.at)}:
    <strong> ${one.what.map((what) => t(`adverse.${what}`)).join(", ")}</strong> – ${t(one.released ? "report.released" : "report.not_released")}</li>`)}</ul>`;

const Events = ({ told }) => told.events.length === 0 ? html`<p>${t("report.no_events")}</p>` : html`
  <table class="events"><thead><tr><th scope="col">${t("report.cause")}</th><th scope="col">${t("report.times")}</th><th scope="col">${t("report.outside")}</th></tr></thead>
    <tbody>${Object.keys(told.causes).map((code) => html`<tr><th scope="row">${cause(code)}</th>${[true, false].map((within) => html`<td>
      ${number(told.events.filter((one) => one.code === code && (one.session !== null) === within).length)}</td>`)}</tr>`)}</tbody></table>
  <p class="small">${t("report.outside_note")}</p>
  <details class="whole" open=${told.events.length < 12}><summary>${t("report.when")}</summary><ul>${told.events.map((one) => html`<li>${moment(one.at)}${one.session === null ? `, ${t("report.outside").toLowerCase()}` : ""}: ${cause(one.code)}</li>`)}</ul></details>`;

function Sessions({ told }) {
  const columns = ["began", "minutes", "contractions", "pulses", "comfortable", "charge_mc", "below", "pauses", "deviations", "end", "proof"];
  const name = Object.fromEntries(columns.map((one) => [one, t(`column.${one}`)]));
  return html`<table class="rows" role="table" aria-label=${t("history.list")}>
    <thead role="rowgroup"><tr role="row">${columns.map((one) => html`<th scope="col" role="columnheader">${name[one]}</th>`)}</tr></thead>
    <tbody role="rowgroup">${told.sessions.map((one) => html`<tr role="row" key=${one.id}>
      <th scope="row" role="rowheader"><a class="tap" href=${`#/dose/${one.id}`}>${moment(one.began)}</a> <span class="small">${programmeTitle(one.programme)}</span></th>
      <td role="cell" data-name=${name.minutes}>${number(one.minutes)}</td>
      <td role="cell" data-name=${name.contractions}>${number(one.contractions)}</td>
      <td role="cell" class="long" data-name=${name.pulses}>${ofPlanned(one.pulses, one.planned_pulses)}</td>
      <td role="cell" class="long" data-name=${name.comfortable}>${perChannel(one.comfortable_ma, ma)}</td>
      <td role="cell" data-name=${name.charge_mc}>${number(one.charge_uc / 1000)}</td>
      <td role="cell" data-name=${name.below}>${perChannel(one.below_comfortable_s, number)}</td>
      <td role="cell" data-name=${name.pauses}>${number(one.pauses)}</td>
      <td role="cell" data-name=${name.deviations} class=${one.deviations ? "off" : ""}>${number(one.deviations)}</td>
      <td role="cell" class="long" data-name=${name.end}>${one.cause ? cause(one.cause) : t(!one.completed ? "report.end_unknown" : one.ended_early ? "delivered.early" : "delivered.as_planned")}</td>
      <td role="cell" class="long" data-name=${name.proof}>${verdict(one.id)}</td></tr>`)}</tbody></table>`;
}

const Deviations = ({ told }) => told.sessions.filter((one) => one.deviation_list?.length).map((one) => html`<div class="keep"><h3>${moment(one.began)}</h3>
  <ul>${one.deviation_list.slice(0, DEVIATIONS_MAX).map((off) => html`<li>${t("report.where", { n: number(off.contraction ?? 0), name: off.channel })}: ${deviation(off)}</li>`)}
    ${one.deviation_list.length > DEVIATIONS_MAX && html`<li>${t("report.more", { n: number(one.deviation_list.length - DEVIATIONS_MAX) })}</li>`}</ul></div>`);

export class Report extends Component {
  componentDidMount() { this.load(back(SPANS[0])); }
  componentWillUnmount() { this.asked = null; edge(null); }
  async load(period) {
    const asked = this.asked = { ...period };
    this.setState({ ...period, told: null, refused: null });
    try {
      const told = await call("GET", `/report?from=${period.from}&to=${period.to}`);
      if (this.asked !== asked) return;
      this.setState({ told });
      for (const one of [...told.sessions].reverse()) { // one at a time: the device has other things to do
        if (this.asked !== asked) return;
        if (!known(one.id)) await prove(one.id);
      }
    } catch (error) { if (this.asked === asked) this.setState({ refused: error.code }); }
  }
  render(_, { from, to, told, refused }) {
    const clinician = store.me.role === "clinician";
    const span = from && t("report.period", { from: date(from), to: date(to) });
    if (told) edge(`PelviStim · ${t("report.title")} · ${told.code} · ${span}`);
    const file = (format) => `/api/v1/report?from=${from}&to=${to}&format=${format}`;
    const proved = told?.sessions.filter((one) => store.proofs[one.id]?.proved).length;
    const judged = told?.sessions.filter((one) => known(one.id)).length;
    const asking = told?.sessions.some((one) => !known(one.id) && !store.proofs[one.id]?.refused);
    return html`<section class="card report">
      <a class="back-link noprint" href="#/history">‹ ${t("history.title")}</a>
      <h1>${t("report.title")}</h1>
      <form class="noprint" onSubmit=${(event) => { event.preventDefault(); const form = new FormData(event.target); this.load({ from: form.get("from"), to: form.get("to") }); }}>
        <div class="ways three">${SPANS.map((weeks) => html`<button type="button" aria-pressed=${from === back(weeks).from && to === back(weeks).to} onClick=${() => this.load(back(weeks))}>${t("report.weeks_back", { n: number(weeks) })}</button>`)}</div>
        <div class="pair"><label>${t("report.from")}<input type="date" name="from" required key=${`from ${from}`} defaultValue=${from} /></label>
          <label>${t("report.to")}<input type="date" name="to" required key=${`to ${to}`} defaultValue=${to} /></label></div>
        <button type="submit">${t("report.show")}</button></form>
      ${refused && html`<p class="told" role="alert">${refusal(refused)}</p>`}
      ${!told ? !refused && html`<p role="status">${t("loading")}</p>` : html`
        ${told.simulated && html`<p class="told">${t("report.simulated")}</p>`}
        <dl class="two">
          <${Fact} name=${t("report.code")}><span class="code">${told.code}</span><//>
          <${Fact} name=${t("report.time")}>${span}<//>
          <${Fact} name=${t("report.audience")}>${t(`role.${told.audience}`)}<//>
          <${Fact} name=${t("report.made")}>${date(Date.now())}<//>
        </dl>
        <p class="small">${t("report.code_note")}</p>
        <h2>${t("plan.title")}</h2><${Plan} plan=${told.prescription} />
        <h2>${t("report.adherence")}</h2><${Adherence} told=${told.adherence} />
        <h2>${t("report.dose")}</h2><${Dose} told=${told.dose} />
        <div class="keep"><h2>${t("proof.title")}</h2>
        <p role="status">${asking ? t("proof.so_far", { n: number(judged), of: number(told.sessions.length) }) : t("proof.count", { n: number(proved), of: number(told.sessions.length) })}</p>
        <p class="small">${t("proof.what")}</p></div>
        <h2>${t("report.felt_title")}</h2><${Felt} told=${told} />
        <h2>${t("report.adverse")}</h2><${Adverse} told=${told.adverse} />
        <h2>${t("report.events")}</h2><${Events} told=${told} />
        ${told.sessions.length > 0 && html`<h2>${t("history.list")}</h2><p class="small lead">${t("report.below_note")}</p><${Sessions} told=${told} />`}
        ${clinician && told.sessions.some((one) => one.deviations) && html`<h2>${t("report.deviations")}</h2><p class="small">${t("dose.deviation_note")}</p><${Deviations} told=${told} />`}
        <p class="files noprint"><a href=${file("csv")} download>CSV</a> <a href=${file("json")} download>JSON</a></p>
        <button type="button" class="noprint" onClick=${() => print()}>${t("print")}</button>`}
    </section>`;
  }
}
