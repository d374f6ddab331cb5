// Training on one's own: technique, and exercises paced on the ring without any electrode.
import "./sheet.js";
import { Component, html } from "./html.js";
import { cue } from "./cues.js";
import { call, command } from "./net.js";
import { LYING } from "./pictures.js";
import { Ring } from "./ring.js";
import { Awake } from "./session.js";
import { remember, remembered, store } from "./store.js";
import { clock, refusal, t } from "./text.js";
import { endOf, partAt, place, squeezed } from "./aim.js";

const READY_MS = 5000; // ours: to lie down and breathe out before the first squeeze
let closing = Promise.resolve(); // the last one's end, as it is told

// What there is, and what goes on (or null).
export async function trainings() {
  await closing;
  const current = call("GET", "/training/current").catch((error) => { if (error.code !== "no_training") throw error; return null; });
  return { plans: await call("GET", "/training/plans"), current: await current };
}

export const Place = ({ parts, here }) => {
  const { n, of, set, sets } = here ? place(parts, here) : { n: 0 };
  return html`<p class="line">${n > 0 && sets > 1 && html`<span>${t("guided.set", { n: set, of: sets })}</span>`}
    ${n > 0 && of > 1 && html`<span>${t("squeeze_of", { n, of })}</span>`}</p>`;
};

// From the top; with large text the header fills the window, and what is followed goes first.
export const inView = (session) => { scrollTo(0, 0); session?.scrollIntoView({ block: "nearest" }); };

class Exercise extends Component {
  componentDidMount() {
    this.began = performance.now() + READY_MS;
    this.timer = setInterval(() => this.look(), 100);
    this.look();
  }
  componentWillUnmount() { this.end(); }
  at() { return (this.state.pausedAt ?? performance.now()) - this.began; }
  end() {
    clearInterval(this.timer);
    if (this.ended || !store.me) return;
    this.ended = true;
    closing = command("POST", "/training/current/end", { repeats_done: squeezed(this.props.training.parts, this.at()) });
  }
  look() {
    if (this.state.pausedAt) return;
    const at = this.at(), here = at < 0 ? null : partAt(this.props.training.parts, at);
    if (at >= 0 && !here) { this.end(); this.setState({ done: true }); return; }
    if (here && here.what !== this.state.here?.what) cue(here.what === "squeeze" ? "up" : "down");
    this.setState({ here, left: here ? endOf(here) - at : -at });
  }
  leave() { this.end(); this.props.leave(); }
  pause() {
    const { pausedAt } = this.state;
    if (pausedAt) this.began += performance.now() - pausedAt;
    this.setState({ pausedAt: pausedAt ? null : performance.now() });
  }
  render({ training, leave }, { here, left, done, pausedAt }) {
    if (done) {
      return html`<section class="card"><h1>${t("guided.done")}</h1><p>${t("guided.done_text")}</p>
        <button type="button" class="main" onClick=${leave}>${t("guided.back")}</button></section>`;
    }
    const squeeze = here?.what === "squeeze", part = here ? (squeeze ? "hold" : "rest") : "waiting";
    const word = pausedAt ? t("part.paused") : here ? t(squeeze ? "guided.squeeze" : "guided.release") : t("guided.ready");
    return html`<div class="session" ref=${inView}><${Awake} /><h1 class="phase">${t(`guided.${training.name}`)}</h1>
      <${Ring} part=${part} leftMs=${left} totalMs=${here?.length_ms ?? READY_MS} word=${word} />
      <${Place} parts=${training.parts} here=${here} />
      <p class="hint">${squeeze ? t(`task.${here.task}`) : t("guided.hint")}</p>
      <div class="actions"><button type="button" onClick=${() => this.pause()}>${t(pausedAt ? "resume" : "pause")}</button>
        <button type="button" onClick=${() => this.leave()}>${t("end")}</button></div></div>`;
  }
}

// The device decides what may be; a pause shorter than its squeeze is told at once.
const OWN_KINDS = ["hold", "flick", "endurance", "gentle"];
const FIRST = { kind: "hold", squeeze_ms: 5000, pause_ms: 5000, repeats: 8, level_percent: 60, sets: 1, set_pause_ms: 0 };
const MOST = 6;
const show = (said) => said?.scrollIntoView({ block: "nearest" }); // what is wrong never stands behind STOPP
const FIELDS = [["squeeze_ms", "guided.squeeze", 0.5, 60, "s"], ["pause_ms", "part.pause", 0.5, 120, "s"], ["repeats", "editor.repeats", 1, 30],
  ["level_percent", "mix.level_percent", 10, 100, "%"], ["sets", "mix.sets", 1, 5], ["set_pause_ms", "mix.set_pause_ms", 0, 120, "s"]];
const starts = (name) => { const word = t(`guided.${name}`); return t("guided.begin", { name: word[0].toLowerCase() + word.slice(1) }); };
const per = (name) => (name.endsWith("_ms") ? 1000 : 1); // shown in seconds

class Mix extends Component {
  state = { all: remembered("mix", [{ ...FIRST, key: 0 }]) };
  read() {
    const told = new FormData(this.form);
    this.setState({ all: this.state.all.map(({ key, ...one }) => ({ ...one, key, kind: told.get(`kind ${key}`),
      ...Object.fromEntries(this.fields().map(([name]) => [name, Math.round(Number(told.get(`${name} ${key}`)) * per(name))])) })) });
  }
  fields() { return FIELDS.filter(([name]) => !this.props.leaves.includes(name)); } // without a sensor nobody knows how strong
  send(event) {
    event.preventDefault();
    const { all } = this.state;
    remember("mix", all);
    this.props.begin(all.map(({ key, ...one }) => one));
  }
  render(_, { all }) {
    return html`<form ref=${(form) => { this.form = form; }} onInput=${() => this.read()} onSubmit=${(event) => this.send(event)}>
      ${all.map((one) => html`<div class="phase-form" key=${one.key}>
        <label>${t("look.mark")}<select name=${`kind ${one.key}`}>${OWN_KINDS.map((kind) => html`<option value=${kind} selected=${kind === one.kind}>${t(`task.${kind}`)}</option>`)}</select></label>
        <div class="pair">${this.fields().map(([name, words, min, max, unit]) => html`<label>${t(words)}${unit ? ` (${unit})` : ""}<input type="number" inputmode="decimal"
          name=${`${name} ${one.key}`} min=${min} max=${max} step=${per(name) > 1 ? 0.5 : 1} required defaultValue=${one[name] / per(name)} /></label>
          ${name === "pause_ms" && one.pause_ms < one.squeeze_ms && html`<p class="wrong" role="alert" ref=${show}>${refusal("pause_too_short")}</p>`}`)}</div>
        ${all.length > 1 && html`<button type="button" onClick=${() => this.setState({ all: all.filter((other) => other !== one) })}>${t("editor.delete")}</button>`}</div>`)}
      ${all.length < MOST && html`<button type="button" onClick=${() => this.setState({ all: [...all, { ...FIRST, key: Math.max(...all.map((one) => one.key)) + 1 }] })}>${t("mix.add")}</button>`}
      <button type="submit">${starts("own")}</button></form>`;
  }
}

// The trainings of a kind to choose from, and one's own mix; `only`: a kind that has no choice.
export const Choices = ({ plans, kind, begin, only }) => html`${plans.filter((one) => one.kind === kind).map((one) => html`<h2>${t(`guided.${one.name}`)}</h2>
    <p>${t(`guided.${one.name}_text`)} <span class="quiet">${clock(one.length_ms)}</span></p>
    <button type="button" onClick=${() => begin({ kind, name: one.name })}>${starts(one.name)}</button>`)}
  ${!only && html`<details><summary>${t("guided.own")}</summary><${Mix} leaves=${kind === "guided" ? ["level_percent"] : []} begin=${(exercises) => begin({ kind, name: "own", exercises })} /></details>`}`;

export const StillOpen = ({ done }) => html`<p class="told">${refusal("training_open")}
  <button type="button" onClick=${async () => { if (await command("POST", "/training/current/end", {})) done(); }}>${t("end")}</button></p>`;

export class Guided extends Component {
  componentDidMount() { this.load(); }
  async load() {
    this.setState({ training: null });
    try { this.setState(await trainings()); } catch (error) { this.setState({ refused: error.code }); }
  }
  async begin(wanted) {
    const training = await command("POST", "/training", wanted);
    if (training) this.setState({ training });
  }
  render(_, { plans, current, training, refused }) {
    if (training) return html`<${Exercise} training=${training} leave=${() => this.load()} />`;
    return html`<section class="card"><h1>${t("guided.title")}</h1>
      <ul><li>${t("technique.up")}</li><li>${t("technique.not")}</li><li>${t("technique.breathe")}</li><li>${t("technique.check")}</li></ul>
      <a class=${`button ${remembered("taught") ? "" : "main"}`} href="#/technique">${t("teach.begin")}</a>
      <a class="button" href="#/muscle">${t("muscle.title")}</a><a class="button" href="#/effect">${t("effect.title")}</a>
      <p>${t("guided.text")}</p>
      ${refused && html`<p class="told" role="alert">${refusal(refused)}</p>`}
      ${current && html`<${StillOpen} done=${() => this.load()} />`}
      ${plans && !current && html`<${Choices} plans=${plans} kind="guided" begin=${(wanted) => this.begin(wanted)} />`}
      ${!plans && !refused && html`<p role="status">${t("loading")}</p>`}
    </section>`;
  }
}

// --- the technique, page by page; nothing is measured ---

// A pelvis from the side: the floor hangs between pubic bone and tailbone, and lifts.
const pelvis = (floor, more) => html`<g class="ink"><path d="M40 40c-8 16-4 34 12 44M160 30c8 20 4 36-12 48" /><path d="M70 30c-4 20 4 30 30 30s34-10 30-30" class="soft" />
  <path d=${`M52 84Q100 ${floor} 148 78`} class="probe" /><path d=${more} /></g>`;
const spots = (...at) => html`<g class="ink">${at.map(([x, y]) => html`<ellipse class="soft" cx=${x} cy=${y} rx="14" ry="14" />`)}</g>${LYING}`; // no outline
const PAGE_PICTURES = {
  lift: pelvis(62, "M100 112V84m-7 8 7-8 7 8"), release: pelvis(118, "M100 76v18m-7-8 7 8 7-8"), others: spots([73, 78], [106, 86], [121, 67]),
  breathe: html`${LYING}<g class="ink"><path d="M26 58q-6-6 0-12t0-12M38 56q-6-6 0-12t0-12M73 66V44m-6 7 6-7 6 7" /></g>`,
  fingers: pelvis(62, "M90 136V92q5-8 10 0 5-8 10 0v44M100 92v36"),
};
const PAGES = Object.keys(PAGE_PICTURES);

export class Teach extends Component {
  state = { at: 0 };
  to(at) {
    if (at === PAGES.length - 1) remember("taught", true);
    this.setState({ at }, () => { scrollTo(0, 0); this.head?.focus({ preventScroll: true }); });
  }
  render(_, { at }) {
    const page = PAGES[at], last = at === PAGES.length - 1;
    return html`<section class="card"><a class="back-link" href="#/guided">‹ ${t("guided.title")}</a>
      <p class="small">${t("result.of", { n: at + 1, of: PAGES.length })}</p>
      <h1 tabindex="-1" ref=${(head) => { this.head = head; }}>${t(`teach.${page}`)}</h1>
      <figure><svg viewBox="0 24 200 116" role="img" aria-label=${t(`teach.${page}`)}>${PAGE_PICTURES[page]}</svg></figure>
      <p>${t(`teach.${page}_text`)}</p>
      <div class="actions">${at > 0 && html`<button type="button" onClick=${() => this.to(at - 1)}>${t("guided.back")}</button>`}
      ${last ? html`<a class="button main" href="#/guided">${t("guided.done")}</a>` : html`<button type="button" class="main" onClick=${() => this.to(at + 1)}>${t("next")}</button>`}</div></section>`;
  }
}
