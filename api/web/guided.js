// Guided voluntary training on the same ring, without an electrode and without the device.
import { Component, html } from "./html.js";
import { cue } from "./cues.js";
import { Ring } from "./ring.js";
import { t } from "./text.js";

// Sets x squeezes of so many seconds, full release as long at least (the training article); the rest between sets is ours.
export const EXERCISES = {
  sprint: { sets: 3, times: 10, squeeze_s: 1, release_s: 2, between_s: 20 },
  marathon: { sets: 1, times: 5, squeeze_s: 10, release_s: 10, between_s: 0 },
};
const READY_S = 5;

// The parts in their order: {part, ms, set, time}.
export function course({ sets, times, squeeze_s, release_s, between_s }) {
  const parts = [{ part: "waiting", ms: READY_S * 1000, set: 0, time: 0 }];
  for (let set = 1; set <= sets; set++) {
    for (let time = 1; time <= times; time++) {
      const rest = time === times && set < sets ? between_s : release_s;
      parts.push({ part: "hold", ms: squeeze_s * 1000, set, time }, { part: "rest", ms: rest * 1000, set, time });
    }
  }
  return parts;
}

class Exercise extends Component {
  componentDidMount() {
    this.parts = course(this.props.exercise);
    this.began = performance.now();
    this.paused = 0;
    this.timer = setInterval(() => this.look(), 100);
    this.look();
  }
  componentWillUnmount() { clearInterval(this.timer); }
  look() {
    if (this.state.pause) return;
    let at = performance.now() - this.began;
    const here = this.parts.find((one) => { if (at < one.ms) return true; at -= one.ms; return false; });
    if (!here) { clearInterval(this.timer); this.setState({ done: true }); return; }
    if (here !== this.state.here) cue(here.part === "hold" ? "up" : "down");
    this.setState({ here, left: here.ms - at });
  }
  pause() {
    const { pause } = this.state;
    if (pause) this.began += performance.now() - pause;
    this.setState({ pause: pause ? null : performance.now() });
  }
  render({ exercise, name, leave }, { here, left, done, pause }) {
    if (done) {
      return html`<section class="card"><h1>${t("guided.done")}</h1><p>${t("guided.done_text")}</p>
        <button type="button" class="main" onClick=${leave}>${t("guided.back")}</button></section>`;
    }
    if (!here) return null;
    const word = pause ? t("part.paused") : here.part === "waiting" ? t("guided.ready") : here.part === "hold" ? t("guided.squeeze") : t("guided.release");
    return html`<div class="session"><h1 class="phase">${t(`guided.${name}`)}</h1>
      <${Ring} part=${here.part} leftMs=${left} totalMs=${here.ms} word=${word} />
      <p class="line">${here.set > 0 && html`${exercise.sets > 1 && html`<span>${t("guided.set", { n: here.set, of: exercise.sets })}</span>`}
        <span>${t("squeeze_of", { n: here.time, of: exercise.times })}</span>`}</p>
      <p class="hint">${t("guided.hint")}</p>
      <div class="actions"><button type="button" onClick=${() => this.pause()}>${t(pause ? "resume" : "pause")}</button>
        <button type="button" onClick=${leave}>${t("end")}</button></div></div>`;
  }
}

export class Guided extends Component {
  render(_, { name }) {
    const leave = () => this.setState({ name: null });
    if (name) return html`<${Exercise} name=${name} exercise=${EXERCISES[name]} leave=${leave} />`;
    return html`<section class="card"><h1>${t("guided.title")}</h1><p>${t("guided.text")}</p>
      <ul><li>${t("technique.up")}</li><li>${t("technique.not")}</li><li>${t("technique.breathe")}</li><li>${t("technique.check")}</li></ul>
      ${Object.keys(EXERCISES).map((one) => html`<h2>${t(`guided.${one}`)}</h2><p>${t(`guided.${one}_text`)}</p>
        <button type="button" class="main" onClick=${() => this.setState({ name: one })}>${t("guided.begin", { name: t(`guided.${one}`) })}</button>`)}
    </section>`;
  }
}
