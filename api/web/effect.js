// What was found: of one training, week by week (one of three verdicts and never more), and by the clinician's fingers.
import "./sheet.js";
import { Component, html } from "./html.js";
import { call, command, loadMore } from "./net.js";
import { store } from "./store.js";
import { date, ma, moment, number, refusal, t } from "./text.js";
import { Points } from "./plot.js";
import { streak } from "./aim.js";
import { Impressions } from "./remind.js";

const DAY_MS = 86_400_000;
const NAMES = { endurance_ms: "guided.endurance", leaks: "diary.leaks", goal: "diary.near_short" };
const named = (code) => t(NAMES[code] ?? `effect.${code}`);
const SIGNS = { more_than_chance: "●", too_early_to_say: "…", no_change_yet: "○" }; // told apart without colour
const orNone = (asked) => asked.catch((error) => { if (error.code !== "not_found") throw error; return null; });
const day = (ms) => new Date(ms).toISOString().slice(0, 10);
const PAGE = 50; // trainings that are asked for at once

async function older(trainings, until) { // the next page, or those back to a time
  let page;
  do {
    page = await call("GET", `/training?limit=${PAGE}${trainings.length ? `&before=${trainings.at(-1).id}` : ""}`);
    trainings = [...trainings, ...page];
  } while (page.length === PAGE && trainings.at(-1).began > until);
  return { trainings, more: page.length === PAGE };
}

// --- one training ---

export const isInside = (where) => where === "vaginal" || where === "anal";

// A measure as it is shown: in which unit, and through which factor.
const UNITS = { strength_nv: ["µV", 1000], hold_ms: ["s", 1000], endurance_ms: ["s", 1000], rest_nv: ["µV", 1000], let_go_ms: ["s", 1000], comfortable_ua: ["mA", 1000], leaks: ["", 1], goal: ["", 1] };
const tenth = (value) => number(Math.round(value * 10) / 10);
const shown = (code, value) => `${tenth(value / UNITS[code][1])} ${UNITS[code][0]}`.trim();
const RELEASE_BEHIND = 10; // points from which on letting go is what is worth a word

function Half({ name, points }) {
  const words = points === null ? t("result.not_judged") : t("result.of", { n: number(points), of: number(50) });
  return html`<p class="half"><span>${t(`result.${name}`)}</span> <strong>${words}</strong></p>
    ${points !== null && html`<progress max="50" value=${points} aria-label=${`${t(`result.${name}`)}: ${words}`}></progress>`}`;
}

const Score = ({ score: { effort, release, total } }) => html`
  ${total !== null && html`<p class="total"><strong>${t("result.of", { n: number(total), of: number(100) })}</strong></p>`}
  <${Half} name="effort" points=${effort} /><${Half} name="release" points=${release} />
  ${total !== null && html`<p>${t(effort - release >= RELEASE_BEHIND ? "result.release_next" : "result.well")}</p>`}`;

const Technique = ({ told }) => html`<dl><div><dt>${t("result.can_contract")}</dt><dd>${t(told.can_contract ? "yes" : "result.not_yet")}</dd></div>
  <div><dt>${t("result.can_let_go")}</dt><dd>${t(told.can_let_go ? "yes" : "result.not_yet")}</dd></div>
  <div><dt>${t("result.apart")}</dt><dd>${t("result.of", { n: number(Math.round(told.told_apart_permille / 10)), of: number(100) })}</dd></div></dl>`;

const uv = (nv, spread_nv) => `${ma(nv / 1000)}${spread_nv === undefined ? "" : `\u00a0±\u00a0${ma(spread_nv / 1000)}`}`; // one decimal, in one piece
const STAGES = ["rest_before", "flick", "hold", "endurance", "rest_after"]; // as they follow each other
const Stages = ({ protocol, norms }) => html`<div class="wide" role="region" tabindex="0" aria-label=${t("guided.glazer")}><table class="stages"><caption>${t("guided.glazer")}, µV</caption><thead><tr><td></td><th scope="col">${t("stage.mean")} ± ${t("stage.spread")}</th><th scope="col">${t("stage.peak")}</th><th scope="col">${t("stage.norm")}</th></tr></thead>
  <tbody>${STAGES.map((name) => [name, protocol[name]]).filter(([, one]) => one).map(([name, one]) => html`<tr><th scope="row">${t(`stage.${name}`)}</th><td>${uv(one.mean_nv, one.mean_nv * one.spread_permille / 1000)}</td><td>${uv(one.peak_nv)}</td>
    <td>${norms?.[name] ? uv(norms[name].mean_nv, norms[name].sd_nv) : "–"}</td></tr>`)}</tbody></table></div>`;

export const Result = ({ one }) => html`
  ${one.ended_by && !["over", "person"].includes(one.ended_by) && html`<p class="told">${refusal(one.ended_by)}</p>`}
  ${one.sensor && !one.whole && html`<p>${t("result.not_whole")}</p>`}
  ${one.repeats_done !== null && html`<p>${t("result.repeats", { n: number(one.repeats_done) })}</p>`}
  ${one.score && html`<${Score} score=${one.score} />`}
  ${one.technique && html`<${Technique} told=${one.technique} />`}
  ${one.warnings.map((code) => html`<p class="told">${t(`warn.${code}`)}</p>`)}
  ${one.protocol && html`<${Stages} protocol=${one.protocol} norms=${one.norms} />`}
  <dl>${Object.keys(UNITS).filter((code) => code in one.measures).map((code) => html`<div><dt>${named(code)}</dt><dd>${shown(code, one.measures[code])}</dd></div>`)}</dl>`;

// --- week by week ---

function Drawn({ one, effect }) { // each point is one week, in its middle; of `overall` in percent of its first week
  const from = Date.parse(effect.first_day), first = one.points[0]?.value;
  const value = one.code === "overall" ? (point) => 100 * Math.exp((point.value - first) / 1000) : (point) => point.value / UNITS[one.code][1];
  const points = one.points.map((point) => ({ at: day(from + (7 * point.week - 4) * DAY_MS), value: value(point) }));
  const unit = one.code === "overall" ? t("effect.of_first") : one.code === "goal" ? "0–10" : UNITS[one.code][0] || t("effect.a_day");
  return html`<${Points} title=${unit} lines=${[["", { n: points.length, points }]]} from=${effect.first_day} to=${day(from + (12 * 7 - 1) * DAY_MS)}
    scale=${one.code === "goal" ? [0, 10] : undefined} note=${`${t("effect.weeks", { n: number(points.length) })} ${t(one.more_is_better ? "effect.more" : "effect.less")}`} />`;
}

const Measure = ({ one, effect }) => html`<article><h2>${named(one.code)}</h2>
  <p class="verdict" data-verdict=${one.verdict}><span aria-hidden="true">${SIGNS[one.verdict]} </span><strong>${t(`effect.${one.verdict}`)}</strong></p>
  <${Drawn} one=${one} effect=${effect} /></article>`;

function Done({ trainings }) {
  const { week, weeks } = streak([...trainings, ...store.sessions].map((one) => one.began.slice(0, 10)), day(Date.now()));
  return html`<p>${t("effect.days", { n: number(week) })} ${weeks > 1 && html`${t("effect.streak", { n: number(weeks) })}`}</p>`;
}

export class Effect extends Component {
  componentDidMount() { this.load(); }
  async load(course) {
    try {
      const yearAgo = day(Date.now() - 365 * DAY_MS); // how far back weeks in a row are counted
      for (let had = 0; store.more && store.sessions.length > had && store.sessions.at(-1).began > yearAgo;) { had = store.sessions.length; await loadMore(); }
      const effect = await orNone(call("GET", `/effect${course ? `?course=${course}` : ""}`));
      this.setState({ effect, ...(this.state.trainings ? {} : await older([], yearAgo)) });
    } catch (error) { this.setState({ refused: error.code }); }
  }
  render(_, { effect, trainings, more, refused }) {
    const patient = store.me.role === "patient";
    const measured = effect?.measures.filter((one) => one.points.length) ?? [];
    return html`<section class="card"><a class="back-link noprint" href="#/history">‹ ${t("history.title")}</a><h1>${t("effect.title")}</h1>
      ${refused && html`<p class="told" role="alert">${refusal(refused)}</p>`}
      ${!trainings && !refused && html`<p role="status">${t("loading")}</p>`}
      ${trainings && patient && html`<${Done} trainings=${trainings} />`}
      ${effect && html`<p>${t("effect.course", { date: date(effect.first_day), n: number(effect.weeks_over) })}</p>
        ${effect.simulated && html`<p class="told">${t("effect.simulated")}</p>`}
        <p class="small">${t("effect.text")}</p>
        <div class="points">${measured.map((one) => html`<${Measure} key=${one.code} one=${one} effect=${effect} />`)}</div>
        ${effect.course > 1 && html`<button type="button" class="noprint" onClick=${() => this.load(effect.course - 1)}>${t("effect.before")}</button>`}`}
      ${trainings && !measured.length && html`<p>${t("effect.none")}</p>`}
      ${trainings?.length > 0 && html`<h2>${t("effect.trainings")}</h2>${trainings.map((one) => html`<details key=${one.id}><summary>${t(`guided.${one.name}`)}
        <span class="quiet"> ${moment(one.began)}${one.score?.total == null ? "" : ` · ${t("result.of", { n: number(one.score.total), of: number(100) })}`}</span></summary><${Result} one=${one} /></details>`)}`}
      ${more && html`<button type="button" class="noprint" onClick=${async () => this.setState(await older(trainings).catch((error) => ({ refused: error.code })))}>${t("effect.older")}</button>`}<${Impressions} /></section>`;
  }
}

// --- P.E.R.F.E.C.T.: palpated; nothing of it is filled in from a sensor ---

const POWERS = [0, 1, 2, 3, 4, 5]; // the scale's own words a clinician knows
const COUNTS = ["endurance_s", "repetitions", "fast"];
const today = () => new Date(Date.now() - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 10);

export class Perfect extends Component {
  state = { power: "" };
  componentDidMount() { this.load(); }
  async load() {
    try { this.setState({ all: await call("GET", "/perfect") }); } catch (error) { this.setState({ refused: error.code }); }
  }
  async send(event) {
    event.preventDefault();
    const form = event.target, told = new FormData(form);
    const counts = Object.fromEntries(COUNTS.map((name) => [name, Number(told.get(name) ?? 0)])); // at power 0 they cannot be told
    if (!(await command("PUT", "/perfect", { day: told.get("day"), power: Number(told.get("power")), ...counts, note: told.get("note").trim() }))) return;
    form.reset();
    this.setState({ power: "" });
    await this.load();
  }
  render(_, { all, power, refused }) {
    return html`<section class="card"><a class="back-link noprint" href="#/history">‹ ${t("history.title")}</a><h1>P.E.R.F.E.C.T.</h1><p>${t("perfect.text")}</p>
      <form class="noprint" onSubmit=${(event) => this.send(event)}>
        <label>${t("diary.which")}<input type="date" name="day" required defaultValue=${today()} /></label>
        <label>P – ${t("perfect.power")}<select name="power" required onChange=${(event) => this.setState({ power: event.target.value })}><option value="" selected=${power === ""}>${t("diary.not_told")}</option>
          ${POWERS.map((n) => html`<option value=${n}>${n}</option>`)}</select></label>
        ${power !== "0" && html`<div class="pair">${COUNTS.map((name) => html`<label>${name[0].toUpperCase()} – ${t(`perfect.${name}`)}<input type="number" inputmode="numeric" name=${name} min="0" max="10" step="1" required /></label>`)}</div>`}
        <label>${t("column.remark")}<textarea name="note" rows="2" maxlength="500"></textarea></label>
        <button type="submit" class="main">${t("after.send")}</button></form>
      ${refused && html`<p class="told" role="alert">${refusal(refused)}</p>`}
      ${[...(all ?? [])].reverse().map((one) => html`<article><h2>${date(one.day)}</h2>
        <p><strong>P ${number(one.power)} · E ${number(one.endurance_s)} s · R ${number(one.repetitions)} · F ${number(one.fast)}</strong></p>
        ${one.note && html`<p><q>${one.note}</q></p>`}${one.advice.map((code) => html`<p class="told">${t(`perfect.${code}`)}</p>`)}</article>`)}
    </section>`;
  }
}
