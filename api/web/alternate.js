// A session in turns: one's own squeezes first, then stimulated ones, and one's own again in each pause.
import { Component, html } from "./html.js";
import { act, call, command } from "./net.js";
import { remember, remembered, set, store } from "./store.js";
import { number, t } from "./text.js";
import { Result } from "./effect.js";
import { Live } from "./muscle.js";

const PATH = "/sessions/current/alternating";
const LEAST = { stimulated: 3, own: 1 }, MOST = { stimulated: 20, own: 10 }, USUAL = { stimulated: 6, own: 4 };

export class Alternate extends Component {
  componentDidMount() { // a page that was opened anew finds the turn that goes on
    set({ turns: true }); // the way on from a pause is here
    call("GET", "/training/current").then((now) => { if (now.kind === "alternating") set({ own: now }); }, () => {});
  }
  componentWillUnmount() { set({ own: null, turns: false }); }
  componentDidUpdate({ state: before }) { // each pause is another turn
    if (before.mode === this.props.state.mode || this.props.state.mode !== "running") return;
    this.setState({ one: null });
    set({ own: null });
  }
  async begin(event) {
    event?.preventDefault();
    if (event) {
      const told = new FormData(event.target), wanted = Object.fromEntries(Object.keys(LEAST).map((name) => [name, Number(told.get(name))]));
      remember("turns", wanted);
      if (!(await command("PUT", PATH, wanted))) return;
    }
    set({ own: await command("POST", `${PATH}/own`) });
  }
  async over(id) {
    const one = await command("GET", `/training/${id}`);
    this.setState({ one });
    set({ own: null });
    if (this.props.state.mode === "idle" && (!one?.levels || one.warnings.includes("rest_high"))) await this.no(); // nothing to go by in the pauses
  }
  no() { return command("DELETE", PATH); }
  render({ state }, { one }) {
    const turns = state.session.alternating, idle = state.mode === "idle", paused = state.mode === "paused";
    if (store.own && (idle || paused)) return html`<${Live} key=${store.own.id} training=${store.own} over=${(id) => this.over(id)} />`;
    if (!turns) {
      const numbers = remembered("turns", USUAL);
      return html`<details class="card"><summary>${t("turns.title")}</summary><p>${t("turns.text")}</p>
        ${one && html`<p class="told" role="alert">${t("muscle.unsure")}</p>`}
        <form onSubmit=${(event) => this.begin(event)}><div class="pair">${Object.keys(LEAST).map((name) => html`<label>${t(`turns.${name}`)}<input type="number" inputmode="numeric"
          name=${name} min=${LEAST[name]} max=${MOST[name]} step="1" required defaultValue=${numbers[name]} /></label>`)}</div>
          <button type="submit">${t("turns.begin")}</button></form></details>`;
    }
    if (state.mode === "running") return html`<p class="line"><span>${t("turns.counted", { n: number(turns.counted), of: number(turns.stimulated) })}</span></p>`;
    if (!idle && !paused) return null;
    return html`<section class="card"><h1>${t(one ? "guided.alternating" : paused ? "turns.yours" : "turns.title")}</h1>
      ${one && html`<${Result} one=${one} /><h2>${t("turns.current")}</h2>`}
      <p role="status">${t(idle ? "turns.check_next" : one ? "turns.resume" : "turns.off")}</p>
      ${paused && !one && html`<button type="button" class="main" onClick=${() => this.begin()}>${t("turns.squeeze", { n: number(turns.own) })}</button>`}
      ${paused && html`<button type="button" class=${one ? "main" : ""} onClick=${() => act("resume", state.epoch)}>${t("turns.resume_now")}</button>`}
      <button type="button" class="link" onClick=${() => this.no()}>${t("turns.no")}</button></section>`;
  }
}
