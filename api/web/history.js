// What was done: sessions week by week, strength that was comfortable, pain; and the list.
import { Component, html } from "./html.js";
import { call, loadMore } from "./net.js";
import { store } from "./store.js";
import { cause, moment, number, programmeTitle, t } from "./text.js";
import { Points } from "./plot.js";
import { Delivered } from "./after.js";

const DAY_MS = 86_400_000;
const day = (ms) => new Date(ms).toISOString().slice(0, 10);
const series = (points) => ({ n: points.length, points });

function weeks(sessions, counted) { // how many in each week, from the first Monday on
  const onDays = (all) => all.map((one) => Date.parse(one.began.slice(0, 10)));
  const days = onDays(sessions), those = onDays(counted);
  const monday = (ms) => ms - ((new Date(ms).getUTCDay() + 6) % 7) * DAY_MS;
  const found = [];
  for (let from = monday(Math.min(...days)); from <= Math.max(...days); from += 7 * DAY_MS) {
    found.push({ at: day(from), value: those.filter((one) => monday(one) === from).length });
  }
  return found;
}

class Row extends Component {
  async open() { if (!this.state.whole) this.setState({ whole: await call("GET", `/sessions/${this.props.one.id}`).catch(() => null) }); }
  render({ one }, { whole }) {
    return html`<details onToggle=${() => this.open()}><summary>${moment(one.began)}
      <span class="quiet"> ${one.looking ? t("threshold.title") : programmeTitle(one.programme)}${one.cause ? ` – ${cause(one.cause)}` : ""}</span></summary>
      <${Delivered} one=${one} />
      ${one.rating && html`<p>${t("history.rated", { comfort: one.rating.comfort, strength: one.rating.strength, before: one.rating.pain_before ?? "–", after: one.rating.pain_after })}
        ${one.rating.note && html`<br /><q>${one.rating.note}</q>`}</p>`}
      ${whole?.events.filter((event) => event.kind === "cause").map((event) => html`<p class="small">${moment(event.at)}: ${cause(event.code)}</p>`)}
      <p class="noprint files"><a href=${`#/dose/${one.id}`}>${t("dose.title")}</a> <a href=${`/api/v1/sessions/${one.id}/export?format=csv`} download>CSV</a> <a href=${`/api/v1/sessions/${one.id}/export?format=json`} download>JSON</a></p></details>`;
  }
}

// The list and the plots are of the newest sessions; whoever wants the older ones asks for them.
export const Older = () => store.more && html`<p class="small" role="status">${t("history.newest", { n: number(store.sessions.length) })}</p>
  <button type="button" class="noprint" onClick=${loadMore}>${t("history.older")}</button>`;

const Ways = () => html`<p class="actions"><a class="button" href="#/effect">${t("effect.title")}</a>
  ${store.me.role === "clinician" && html`<a class="button" href="#/perfect">P.E.R.F.E.C.T.</a>`}
  <a class="button" href="#/report">${t("report.title")}</a>
  ${store.me.role === "patient" && html`<a class="button" href="#/diary">${t("diary.title")}</a>`}</p>`;

export function History() {
  const sessions = [...store.sessions].reverse().filter((one) => one.contractions > 0 || one.ended);
  if (!sessions.length) return html`<section class="card"><h1>${t("history.title")}</h1><p>${t("history.none")}</p><${Ways} /></section>`;
  const trained = sessions.filter((one) => !one.looking); // looking for the strength is no training
  const felt = trained.filter((one) => Object.keys(one.comfortable_ma).length);
  const names = [...new Set(felt.flatMap((one) => Object.keys(one.comfortable_ma)))].sort();
  const rated = sessions.filter((one) => one.rating);
  const byWeek = weeks(sessions, trained);
  const [from, to] = [byWeek[0].at, day(Date.parse(byWeek.at(-1).at) + 6 * DAY_MS)];
  const planned = store.plan?.sessions_per_week ?? 0;
  const few = (n) => t(n < 6 ? "history.few" : "history.points", { n: number(n) });
  const points = (all, value) => series(all.map((one) => ({ at: one.began, value: value(one) })).filter((one) => one.value != null));
  const drawn = (title, lines, note, more = {}) => html`<${Points} title=${t(title)} lines=${lines} note=${note} from=${from} to=${to} ...${more} />`;
  return html`<section class="card"><h1>${t("history.title")}</h1>
    <div class="points">${drawn("history.weeks", [["", series(byWeek)]], planned ? t("history.planned", { n: number(planned) }) : few(byWeek.length), { bars: true })}
    ${drawn("history.comfortable", names.map((name) => [t("channel", { name }), points(felt, (one) => one.comfortable_ma[name])]), `${t("history.comfortable_note")} ${few(felt.length)}`)}
    ${drawn("history.pain", [[t("history.before"), points(rated, (one) => one.rating.pain_before)], [t("history.after"), points(rated, (one) => one.rating.pain_after)]], few(rated.length), { scale: [0, 10] })}</div>
    <${Ways} />
    <h2>${t("history.list")}</h2>${store.sessions.map((one) => html`<${Row} key=${one.id} one=${one} />`)}
    <${Older} />
    <button type="button" class="noprint" onClick=${() => print()}>${t("print")}</button>
  </section>`;
}

