// A small plot as a drawing, sharp on paper: each point is one that was told. The y axis begins at 0, or where the scale
// does; the x axis is the whole period; a thin line leads from point to point, and nothing is smoothed or drawn beyond them.
import { html } from "./html.js";
import { number, shortDate, t } from "./text.js";

const W = 320, H = 134, LEFT = 34, RIGHT = 8, TOP = 8, BOTTOM = 26;
const CLASSES = ["first", "second", "third"];
const SIGNS = ["●", "□", "▲"]; // told apart without colour

function roof(most) { // the next round number
  const unit = 10 ** Math.floor(Math.log10(Math.max(most, 1e-9)));
  return [1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10].map((one) => one * unit).find((one) => one >= most - 1e-9);
}

const levels = (least, most) => (Number.isInteger(most) && most <= 5 ? [...Array(most - least + 1).keys()].map((one) => one + least) : [least, (least + most) / 2, most]);

const DOT = [
  (x, y) => html`<circle cx=${x} cy=${y} r="3.5" class="dots" />`,
  (x, y) => html`<rect x=${x - 3.5} y=${y - 3.5} width="7" height="7" class="dots" />`,
  (x, y) => html`<path d=${`M${x} ${y - 4.5}l4.5 8h-9z`} class="dots" />`,
];

// How many points, and what beginning and end were where there are enough to say so.
export function basis(series, name = "") {
  const few = series.first_median === null;
  const said = t(few ? "history.few" : "points.ends", { n: number(series.n), first: number(series.first_median ?? 0), last: number(series.last_median ?? 0) });
  return name ? `${name}: ${said}` : said;
}

// `lines`: [name, series as in a report]. `from` and `to`: days, both included. `scale`: its least and most, where it has them. `note`: said in place of how many points
// they are. `bars`: each point is a week from its day on.
export function Points({ title, lines, from, to, scale, note, bars }) {
  const told = lines.filter(([, series]) => series.n > 0);
  if (!told.length) return null;
  const [x0, x1] = [Date.parse(from), Date.parse(to) + 86_400_000];
  const [least, most] = scale ?? [0, roof(Math.max(1, ...told.flatMap(([, series]) => series.points.map((one) => one.value))))];
  const x = (at) => LEFT + ((Date.parse(at) - x0) / (x1 - x0)) * (W - LEFT - RIGHT);
  const y = (value) => TOP + (1 - (value - least) / (most - least)) * (H - TOP - BOTTOM);
  const notes = note ? [note] : told.map(([name, series]) => basis(series, name));
  const week = (7 * 86_400_000 / (x1 - x0)) * (W - LEFT - RIGHT);
  return html`<figure><figcaption><strong>${title}</strong>
      ${told.length > 1 && html` <span class="small">${told.map(([name], n) => html`<span class="sign">${SIGNS[n]} ${name}</span>`)}</span>`}</figcaption>
    <svg viewBox=${`0 0 ${W} ${H}`} role="img" aria-label=${`${title}. ${notes.join(" ")}`}>
      ${levels(least, most).map((value) => html`<path class="grid" d=${`M${LEFT} ${y(value)}H${W - RIGHT}`} />
        <text x=${LEFT - 5} y=${y(value) + 4} text-anchor="end">${number(value)}</text>`)}
      ${[["start", 0], ["middle", 0.5], ["end", 1]].map(([anchor, share]) => html`<text x=${LEFT + share * (W - LEFT - RIGHT)} y=${H - 6} text-anchor=${anchor}>
        ${shortDate(x0 + share * (x1 - 86_400_000 - x0))}</text>`)}
      ${bars ? told[0][1].points.map((one) => html`<rect class="bar" x=${x(one.at) + week * 0.15} width=${week * 0.7} y=${y(one.value)} height=${y(0) - y(one.value)} />`)
        : told.map(([, { points }], n) => html`<g class=${CLASSES[n]}>
        <path class="way" d=${`M${points.map((one) => `${x(one.at).toFixed(1)} ${y(one.value).toFixed(1)}`).join("L")}`} />
        ${points.map((one) => DOT[n](x(one.at), y(one.value)))}</g>`)}
    </svg>${notes.map((one) => html`<p class="small">${one}</p>`)}</figure>`;
}
