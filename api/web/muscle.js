// A training with a sensor: where it is, the questions, getting ready, the moving picture, and what it came to.
import "./sheet.js";
import { Component, html } from "./html.js";
import { Preparing, Questions } from "./before.js";
import { cue } from "./cues.js";
import { call, command, loadAll } from "./net.js";
import { Awake } from "./session.js";
import { remember, remembered, store } from "./store.js";
import { refusal, seconds, t } from "./text.js";
import { Pace, endOf, levelAt, partAt, said } from "./aim.js";
import { Choices, Place, StillOpen, inView, trainings } from "./guided.js";
import { Result, isInside } from "./effect.js";

const KINDS = { vaginal: "vaginal probe", anal: "anal probe", surface: "surface" }; // as a plan calls them
const SILENT_MS = 700; // without a block for so long the picture is old
const WORD_MS = 1000; // a word stays so long: nothing flickers
const KEPT_MS = 4000;
const AGAIN_MS = 1000;
const OVER_LEAST = 10; // until the own strongest is known, the scale is so many times the quietest so far
const NO_MEASUREMENT = { silent: "stale", settling: "signal.settling", lead_off: "signal.lead_off", disconnected: "signal.lead_off", saturated: "signal.saturated", lost: "signal.lost",
  blanked: "signal.lost", output_enabled: "refusal.output_enabled", emg_absent: "refusal.emg_absent", emg_lost: "refusal.emg_lost" }; // why nothing is shown -> its words

// --- the picture: the target comes in from the right, a ball rides on the muscle's level ---

const SHOWN_MS = 10_000;
const HEAD = 0.3; // of the width: what was is left of it, what comes is right of it
const TOP = 125; // percent
const NO_TARGET = 40; // from here up where "as strong as you can" is asked
const LINES = [0, 50, 100];

function look() { // the page's own colours and size of text, which may have changed
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  return { ink: of("ink"), quiet: of("quiet"), line: of("line"), main: of("main"), soft: of("soft"), card: of("card"), text: parseFloat(style.fontSize) * 0.875 };
}

// `level`: where the ball is, in percent; null: not known. `still`: nothing wanders, only the part that is on is shown.
function scene(canvas, { parts, here, at, level, trail, good, scaled, still, colours }) {
  const ratio = Math.min(2, devicePixelRatio), { clientWidth: w, clientHeight: h } = canvas;
  if (canvas.width !== Math.round(w * ratio)) canvas.width = Math.round(w * ratio);
  if (canvas.height !== Math.round(h * ratio)) canvas.height = Math.round(h * ratio);
  const draw = canvas.getContext("2d");
  draw.setTransform(ratio, 0, 0, ratio, 0, 0);
  draw.clearRect(0, 0, w, h);
  const left = colours.text * 2.6, head = still ? (left + w) / 2 : left + (w - left) * HEAD;
  const x = (ms) => head + ((ms - at) / SHOWN_MS) * (w - left);
  const y = (percent) => 16 + (1 - Math.min(TOP, Math.max(0, percent)) / TOP) * (h - 32);
  draw.font = `${colours.text}px system-ui, sans-serif`;
  draw.textBaseline = "middle";
  draw.lineWidth = 1;
  for (const percent of LINES) {
    draw.strokeStyle = colours.line;
    draw.beginPath(); draw.moveTo(left, y(percent)); draw.lineTo(w, y(percent)); draw.stroke();
    draw.fillStyle = colours.quiet;
    if (scaled) draw.fillText(`${percent}`, 2, y(percent)); // of what is not known yet there is no percent
  }
  draw.save();
  draw.beginPath(); draw.rect(left, 0, w - left, h); draw.clip();
  for (const part of still ? [here].filter(Boolean) : parts) {
    const [from, to] = still ? [left, w] : [Math.max(x(part.start_ms), left - 9), Math.min(x(endOf(part)), w + 9)];
    if (to <= left || from >= w) continue;
    const squeeze = part.what === "squeeze";
    const [low, high] = [part.low_percent ?? (squeeze ? NO_TARGET : 0), part.high_percent ?? (squeeze ? TOP : 10)];
    draw.fillStyle = colours.soft;
    draw.fillRect(from, y(high), to - from, y(low) - y(high));
    draw.strokeStyle = colours.main;
    draw.lineWidth = part === here ? 3 : 1.5;
    draw.setLineDash(part.low_percent === null && squeeze ? [6, 5] : []);
    if (squeeze) draw.strokeRect(from, y(high), to - from, y(low) - y(high)); // a box to be in; letting go has a floor
    else { draw.beginPath(); draw.moveTo(from, y(0)); draw.lineTo(to, y(0)); draw.stroke(); }
    const word = t(squeeze ? "part.ramp_up" : "part.ramp_down");
    draw.fillStyle = colours.ink;
    if (to - from > draw.measureText(word).width + 12) draw.fillText(word, Math.max(from, left) + 6, squeeze ? y(high) + colours.text : y(high) - colours.text);
  }
  draw.setLineDash([]);
  draw.strokeStyle = colours.ink;
  draw.lineWidth = 3;
  draw.lineJoin = "round";
  if (!still && level !== null) {
    draw.beginPath();
    for (const one of trail) if (one.ms <= at) draw.lineTo(x(one.ms), y(one.level));
    draw.lineTo(head, y(level));
    draw.stroke();
  }
  if (level !== null) { // full where it should be, hollow elsewhere
    draw.beginPath(); draw.arc(head, y(level), 13, 0, 2 * Math.PI);
    draw.fillStyle = good ? colours.main : colours.card;
    draw.strokeStyle = colours.main;
    draw.lineWidth = 4;
    draw.fill(); draw.stroke();
  }
  draw.restore();
}

// --- the training ---

export class Live extends Component {
  trail = []; pace = new Pace(); most = 0; least = Infinity; heard = performance.now(); spokeAt = 0;
  componentDidMount() {
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.open();
    this.frame();
  }
  componentWillUnmount() {
    this.gone = true;
    cancelAnimationFrame(this.raf);
    clearTimeout(this.again);
    this.source?.close();
  }
  open() {
    try { this.source = new EventSource("/api/v1/emg/live"); } catch { return; } // then nothing comes, and that is said
    this.source.addEventListener("emg", (event) => this.take(JSON.parse(event.data)));
    this.source.addEventListener("training", (event) => this.told(JSON.parse(event.data)));
    this.source.onopen = () => this.lookAgain();
    this.source.onerror = () => { this.source.close(); this.again = setTimeout(() => this.open(), AGAIN_MS); };
  }
  async lookAgain() { // it may have ended while nobody listened
    const now = await call("GET", "/training/current").catch((error) => error.code);
    if (now === "no_training" || (now.id && now.id !== this.props.training.id)) this.over();
  }
  take({ training_ms: ms, step_ms: step, envelope_nv: envelope, percent, signal, refused }) {
    this.heard = performance.now();
    if (refused || envelope.length) this.signal = refused ?? signal; // a block without a step says nothing of it
    if (ms === null || !envelope.length) return;
    this.pace.take(ms, this.heard);
    if ((percent !== null) !== Boolean(this.scaled)) { this.scaled = percent !== null; this.trail = []; } // another scale
    if (this.signal in NO_MEASUREMENT) { this.trail = []; return; }
    this.least = Math.min(this.least, ...envelope);
    this.most = Math.max(this.most, OVER_LEAST * this.least, ...envelope);
    envelope.forEach((nv, n) => this.trail.push({ ms: ms - (envelope.length - 1 - n) * step, level: percent ? percent[n] : (100 * nv) / this.most }));
    while (this.trail[0].ms < ms - KEPT_MS) this.trail.shift();
  }
  told({ id, event, levels }) {
    if (id !== this.props.training.id) return;
    if (event === "levels") this.setState({ unsure: !levels?.usable }, () => inView(document.querySelector(".session")));
    if (event === "closed") this.over();
  }
  over() {
    if (this.gone || this.finished) return;
    this.finished = true;
    this.props.over(this.props.training.id);
  }
  async end() {
    if (await command("POST", "/training/current/end", {})) this.over();
  }
  frame() {
    if (this.gone) return;
    this.raf = requestAnimationFrame(() => this.frame());
    const now = performance.now(), paced = this.pace.at(now), { parts } = this.props.training;
    const at = paced === null ? null : Math.max(0, paced);
    const here = at === null ? null : partAt(parts, at);
    const bad = now - this.heard > SILENT_MS ? "silent" : this.signal in NO_MEASUREMENT ? this.signal : null;
    const level = bad || at === null ? null : levelAt(this.trail, at);
    const does = said(here, this.scaled ? level : null, at);
    this.tell(here, at, bad, does, now);
    if (!this.canvas || at === null) return;
    scene(this.canvas, { parts, here, at, level, trail: this.trail, good: this.does === "good" || this.does === "gone", scaled: this.scaled, still: this.calm.matches, colours: this.colours });
  }
  tell(here, at, bad, does, now) { // what is said in words: drawn anew when it is another, once a second at most
    if (here !== this.here) { this.does = null; this.spokeAt = -WORD_MS; } // of a new part the first word comes at once
    else if (does !== this.does && now - this.spokeAt > WORD_MS) { this.does = does; this.spokeAt = now; }
    if (here && here.what !== this.here?.what) cue(here.what === "squeeze" ? "up" : "down");
    this.here = here;
    const left = here ? Math.ceil((endOf(here) - at) / 1000) : 0, hum = this.signal === "hum";
    const key = [here?.start_ms, left, bad, this.does, hum, at === null, document.documentElement.dataset.theme].join();
    if (key === this.key) return;
    Object.assign(this, { key, colours: look() });
    this.setState({ here, left, bad, does: this.does, hum, ready: at !== null });
  }
  render({ training }, { here, left, bad, does, hum, unsure, ready }) {
    const squeeze = here?.what === "squeeze";
    const hint = bad ? NO_MEASUREMENT[bad] : does ? `muscle.${does}` : here ? (squeeze ? `task.${here.task}` : here.task === "between" ? "task.between" : "task.rest") : "loading";
    return html`<div class="session" ref=${inView}><${Awake} /><h1 class="phase">${t(`guided.${training.name}`)}</h1>
      <p class="now"><span role="status">${t(here ? (squeeze ? "guided.squeeze" : "guided.release") : ready ? "guided.done" : "guided.ready")}</span> <strong aria-hidden="true">${left > 0 && `${seconds(left * 1000)} s`}</strong></p>
      <canvas class=${`scene ${bad ? "old" : ""}`} role="img" aria-label=${t("muscle.picture")} ref=${(canvas) => { this.canvas = canvas; }}></canvas>
      <${Place} parts=${training.parts} here=${here} />
      <p class="hint say">${t(hint)}</p>
      ${hum && html`<p class="small">${t("signal.hum")}</p>`}
      ${unsure && html`<p class="told">${t("muscle.unsure")}</p>`}
      <div class="actions"><button type="button" onClick=${() => this.end()}>${t("end")}</button></div></div>`;
  }
}

// --- before and after it ---

const isOff = () => store.state?.mode === "idle" && !store.stale; // in and out only when that is certain

const Prepare = ({ where, check, ready, later }) => html`<section class="card"><h1>${t("prepare.title")}</h1><${Preparing} kind=${KINDS[where]} sensor />
  ${check && html`<p>${t("muscle.check_first")}</p>`}
  ${isOff() ? html`<button type="button" class="main" onClick=${ready}>${t("prepare.ready")}</button>` : html`<p class="told">${refusal("output_enabled")}</p>`}
  <button type="button" class="link" onClick=${later}>${t("later")}</button></section>`;

export class Muscle extends Component {
  state = { where: remembered("sensor") ?? Object.keys(KINDS).find((one) => KINDS[one] === store.plan?.electrode.kind) ?? "surface" };
  componentDidMount() { this.load(); }
  async load() {
    this.setState({ step: null, training: null });
    try {
      const found = await trainings();
      this.setState({ ...found, training: found.current?.sensor ? found.current : null }); // a page that was opened anew
    } catch (error) { this.setState({ refused: error.code }); }
  }
  async begin() {
    const { wanted, where, answers } = this.state;
    const training = await command("POST", "/training", { ...wanted, sensor: where, answers: isInside(where) ? answers : null });
    this.setState({ training, step: null });
    if (!training) await loadAll(); // it may have closed what goes inside
  }
  async over(id) {
    const one = await command("GET", `/training/${id}`);
    if (one) this.setState({ training: null, one }); else await this.load();
  }
  wants(wanted) {
    const { where } = this.state;
    this.setState({ wanted, step: isInside(where) ? "ask" : "prepare" });
    scrollTo(0, 0);
  }
  render(_, { where, plans, current, training, one, step, refused, wanted }) {
    const later = () => this.setState({ step: null });
    if (training) return html`<${Live} key=${training.id} training=${training} over=${(id) => this.over(id)} />`;
    if (one) {
      return html`<section class="card"><h1>${t(one.whole ? "guided.done" : "result.ended")}</h1>
        ${isInside(one.sensor) && isOff() && html`<p>${t("after.out")} ${t("after.wash")}</p>`}<${Result} one=${one} />
        <button type="button" class="main" onClick=${() => { this.setState({ one: null }); this.load(); }}>${t("guided.back")}</button>
        <a class="button" href="#/effect">${t("effect.title")}</a></section>`;
    }
    if (step === "ask") return html`<${Questions} done=${(answers) => { remember("answers", { answers, at: Date.now() }); this.setState({ answers, step: "prepare" }); scrollTo(0, 0); }} later=${later} />`;
    if (step === "prepare") return html`<${Prepare} where=${where} check=${wanted.kind !== "assessment"} ready=${() => this.begin()} later=${later} />`;
    const wants = (wanted) => this.wants(wanted);
    return html`<section class="card"><a class="back-link" href="#/guided">‹ ${t("guided.title")}</a><h1>${t("muscle.title")}</h1><p>${t("muscle.how")}</p>
      ${refused && html`<p class="told" role="alert">${refusal(refused)}</p>`}
      ${current && html`<${StillOpen} done=${() => this.load()} />`}
      ${plans && !current && html`<fieldset><legend>${t("muscle.where")}</legend>
          ${Object.entries(KINDS).map(([name, kind]) => html`<label class="check"><input type="radio" name="where" value=${name} checked=${where === name}
            onChange=${() => { remember("sensor", name); this.setState({ where: name }); }} /> ${t(`kind.${kind}`)}</label>`)}
          ${isInside(where) && store.blocks.length > 0 && html`<p class="told">${t("muscle.closed")}</p>`}</fieldset>
        <${Choices} plans=${plans} kind="technique" begin=${wants} only=${true} />
        <${Choices} plans=${plans} kind="biofeedback" begin=${wants} />
        <${Choices} plans=${plans} kind="assessment" begin=${wants} only=${true} />`}
      ${!plans && !refused && html`<p role="status">${t("loading")}</p>`}</section>`;
  }
}
