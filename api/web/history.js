// What was done: sessions week by week, strength that was comfortable, pain; and the list.
import { Component, html } from "./html.js";
import { call } from "./net.js";
import { store } from "./store.js";
import { cause, moment, number, programmeTitle, shortDate, t } from "./text.js";
import { Delivered } from "./after.js";

const DAY_S = 86_400;
let plotting = null;

function plotter() { // loaded only where something is drawn
  plotting ??= new Promise((done, failed) => {
    const style = document.createElement("link");
    Object.assign(style, { rel: "stylesheet", href: "/web/vendor/uplot.css" });
    const script = document.createElement("script");
    Object.assign(script, { src: "/web/vendor/uplot.js", onload: () => done(window.uPlot), onerror: failed });
    document.head.append(style, script);
  });
  return plotting;
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// One plot. The y axis begins at 0 always; each point is one session or one week, never a smoothed line.
class Plot extends Component {
  async componentDidMount() {
    this.U = await plotter();
    if (!this.place) return; // another view meanwhile
    this.draw();
    this.sized = new ResizeObserver(() => this.plot.setSize({ width: this.place.clientWidth, height: 180 }));
    this.sized.observe(this.place);
    this.looks = new MutationObserver(() => this.draw()); // the colours are drawn in
    this.looks.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  }
  draw() {
    const { U, place } = this;
    this.plot?.destroy();
    const { xs, lines, top, bars } = this.props;
    const ink = colour("--ink"), grid = colour("--line");
    const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid }, font: "13px system-ui" };
    const week = 7 * DAY_S;
    this.plot = new U({
      width: place.clientWidth, height: 180, legend: { show: false }, cursor: { show: false },
      scales: { x: { time: true, range: [Math.min(...xs) - (bars ? week : DAY_S), Math.max(...xs) + (bars ? week : DAY_S)] }, y: { range: [0, top] } },
      axes: [{ ...axis, values: (_, ticks) => ticks.map((at) => shortDate(at * 1000)), space: 70 },
        { ...axis, size: 46, values: (_, ticks) => ticks.map((value) => number(value)) }],
      series: [{}, ...lines.map((line, n) => ({
        stroke: colour(`--plot-${n + 1}`), width: 2, fill: bars ? colour(`--plot-${n + 1}`) : undefined,
        paths: bars ? U.paths.bars({ size: [0.6, 40] }) : undefined, points: { show: !bars, size: 8 }, dash: n ? [6, 4] : undefined,
      }))],
    }, [xs, ...lines.map((line) => line.ys)], place);
  }
  componentWillUnmount() { this.sized?.disconnect(); this.looks?.disconnect(); this.plot?.destroy(); }
  shouldComponentUpdate() { return false; }
  render({ title, note, lines }) {
    return html`<figure class="chart"><figcaption><strong>${title}</strong>
      ${lines.length > 1 && html`<span class="legend">${lines.map((line, n) => html`<span class=${`key key-${n + 1}`}>${line.name}</span>`)}</span>`}</figcaption>
      <div class="plot" ref=${(place) => { this.place = place; }} role="img" aria-label=${`${title}. ${note}`}></div><p class="small">${note}</p></figure>`;
  }
}

const at_s = (one) => Date.parse(one.began) / 1000;

function weeks(sessions) { // Monday -> how many
  const counted = new Map();
  for (const one of sessions) {
    const day = new Date(one.began);
    day.setHours(0, 0, 0, 0);
    day.setDate(day.getDate() - ((day.getDay() + 6) % 7));
    counted.set(day.getTime() / 1000, (counted.get(day.getTime() / 1000) ?? 0) + 1);
  }
  const all = [...counted.keys()].sort((a, b) => a - b);
  if (all.length) for (let week = all[0]; week < all.at(-1); week += 7 * DAY_S) if (!all.some((one) => Math.abs(one - week) < DAY_S)) counted.set(week, 0);
  return [...counted].sort((a, b) => a[0] - b[0]);
}

class Row extends Component {
  async open() { if (!this.state.whole) this.setState({ whole: await call("GET", `/sessions/${this.props.one.id}`).catch(() => null) }); }
  render({ one }, { whole }) {
    return html`<details onToggle=${() => this.open()}><summary>${moment(one.began)}
      <span class="quiet"> ${programmeTitle(one.programme)}${one.cause ? ` – ${cause(one.cause)}` : ""}</span></summary>
      <${Delivered} one=${one} />
      ${one.rating && html`<p>${t("history.rated", { comfort: one.rating.comfort, strength: one.rating.strength, before: one.rating.pain_before, after: one.rating.pain_after })}
        ${one.rating.note && html`<br /><q>${one.rating.note}</q>`}</p>`}
      ${whole?.events.filter((event) => event.kind === "cause").map((event) => html`<p class="small">${moment(event.at)}: ${cause(event.code)}</p>`)}
      <p class="noprint files"><a href=${`/api/v1/sessions/${one.id}/export?format=csv`} download>CSV</a> <a href=${`/api/v1/sessions/${one.id}/export?format=json`} download>JSON</a></p></details>`;
  }
}

export function History() {
  const sessions = [...store.sessions].reverse().filter((one) => one.contractions > 0 || one.ended);
  if (!sessions.length) return html`<section class="card"><h1>${t("history.title")}</h1><p>${t("history.none")}</p></section>`;
  const felt = sessions.filter((one) => Object.keys(one.comfortable_ma).length);
  const names = [...new Set(felt.flatMap((one) => Object.keys(one.comfortable_ma)))].sort();
  const rated = sessions.filter((one) => one.rating);
  const byWeek = weeks(sessions);
  const planned = store.plan?.sessions_per_week ?? 0;
  const few = (n) => t(n < 6 ? "history.few" : "history.points", { n: number(n) });
  return html`<section class="card"><h1>${t("history.title")}</h1>
    <${Plot} title=${t("history.weeks")} bars xs=${byWeek.map(([at]) => at)} lines=${[{ name: "", ys: byWeek.map(([, n]) => n) }]}
      top=${Math.max(planned, ...byWeek.map(([, n]) => n)) + 1} note=${planned ? t("history.planned", { n: number(planned) }) : few(byWeek.length)} />
    ${felt.length > 0 && html`<${Plot} title=${t("history.comfortable")} xs=${felt.map(at_s)}
      lines=${names.map((name) => ({ name: t("channel", { name }), ys: felt.map((one) => one.comfortable_ma[name] ?? null) }))}
      top=${Math.max(5, ...felt.flatMap((one) => Object.values(one.comfortable_ma))) * 1.2} note=${`${t("history.comfortable_note")} ${few(felt.length)}`} />`}
    ${rated.length > 0 && html`<${Plot} title=${t("history.pain")} xs=${rated.map(at_s)} top=${10}
      lines=${[{ name: t("history.before"), ys: rated.map((one) => one.rating.pain_before) }, { name: t("history.after"), ys: rated.map((one) => one.rating.pain_after) }]}
      note=${few(rated.length)} />`}
    <h2>${t("history.list")}</h2>${store.sessions.map((one) => html`<${Row} key=${one.id} one=${one} />`)}
    <button type="button" class="noprint" onClick=${() => print()}>${t("print")}</button>
  </section>`;
}

