// The diary: leaks, pads, how near the own goal is, a note. Today and a few days back; an empty field says nothing, not zero.
import "./sheet.js";
import { Component, html } from "./html.js";
import { call, command } from "./net.js";
import { set } from "./store.js";
import { date, number, refusal, t, weekday } from "./text.js";

const DAYS = 7;
const HISTORY_DAYS = 28;
const LEVELS = [...Array(11).keys()];

function local(back) { // a day as the person's own calendar has it
  const day = new Date();
  day.setDate(day.getDate() - back);
  return [day.getFullYear(), day.getMonth() + 1, day.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
}

const named = (back) => (back === 0 ? t("diary.today") : back === 1 ? t("diary.yesterday") : weekday(local(back)));
const orNothing = (text) => (text === "" || text === null ? null : Number(text));
const told = (one) => [["diary.leaks", one.leaks, number], ["diary.pads", one.pads, number], ["diary.near_short", one.goal, (n) => t("pain.of", { n: number(n) })]]
  .filter(([, value]) => value !== null).map(([name, value, show]) => `${t(name)}: ${show(value)}`).join(". ");

export class Diary extends Component {
  state = { back: 0 };
  componentDidMount() { this.load(); }
  async load() {
    try { this.setState({ diary: await call("GET", "/diary") }); } catch (error) { this.setState({ refused: error.code }); }
  }
  async save(event) {
    event.preventDefault();
    const form = new FormData(event.target);
    const day = { day: local(this.state.back), leaks: orNothing(form.get("leaks")), pads: orNothing(form.get("pads")), goal: orNothing(form.get("goal")), note: form.get("note").trim() };
    if (!(await command("PUT", "/diary", day))) return;
    await this.load();
    set({ told: { text: t("diary.saved") } });
  }
  async saveGoal(event) {
    event.preventDefault();
    const text = new FormData(event.target).get("text").trim();
    if (!text || !(await command("PUT", "/diary/goal", { text }))) return;
    await this.load();
    set({ told: { text: t("diary.goal_saved") } });
  }
  render(_, { diary, back, refused }) {
    if (!diary) return html`<section class="card"><h1>${t("diary.title")}</h1>${refused ? html`<p class="told" role="alert">${refusal(refused)}</p>` : html`<p role="status">${t("loading")}</p>`}</section>`;
    const days = Object.fromEntries(diary.days.map((one) => [one.day, one]));
    const one = days[local(back)];
    const before = [...diary.days].reverse().filter((told) => told.day > local(HISTORY_DAYS));
    return html`<section class="card">
      <a class="back-link noprint" href="#/">‹ ${t("nav.patient.start")}</a>
      <h1>${t("diary.title")}</h1><p>${t("diary.text")}</p>
      <div class="days" role="group" aria-label=${t("diary.which")}>${[...Array(DAYS).keys()].map((n) => html`<button type="button" aria-pressed=${n === back} onClick=${() => this.setState({ back: n })}>
        <span>${named(n)}</span><span class="small">${t(days[local(n)] ? "diary.written" : "diary.empty")}</span></button>`)}</div>
      <form key=${`${local(back)} ${JSON.stringify(one)}`} onSubmit=${(event) => this.save(event)}>
        <h2>${named(back)}</h2>
        <div class="pair"><label>${t("diary.leaks")}<input type="number" inputmode="numeric" name="leaks" min="0" max="100" step="1" defaultValue=${one?.leaks ?? ""} /></label>
          <label>${t("diary.pads")}<input type="number" inputmode="numeric" name="pads" min="0" max="100" step="1" defaultValue=${one?.pads ?? ""} /></label></div>
        <label>${t("diary.near")}<select name="goal"><option value="">${t("diary.not_told")}</option>
          ${LEVELS.map((n) => html`<option value=${n} selected=${one?.goal === n}>${number(n)}${n === 0 ? ` – ${t("diary.far")}` : n === 10 ? ` – ${t("diary.reached")}` : ""}</option>`)}</select></label>
        <label>${t("diary.note")}<textarea name="note" rows="2" maxlength="500" defaultValue=${one?.note ?? ""}></textarea></label>
        <p class="small">${t("diary.who")}</p>
        <button type="submit" class="main">${t("after.send")}</button>
      </form>
      <h2>${t("diary.goal")}</h2><p>${diary.goal ? html`<q>${diary.goal}</q>` : t("diary.no_goal")}</p>
      <details><summary>${t(diary.goal ? "diary.change" : "diary.set")}</summary><form key=${diary.goal} onSubmit=${(event) => this.saveGoal(event)}>
        <label>${t("diary.own_words")}<input name="text" maxlength="200" required defaultValue=${diary.goal} /></label><button type="submit">${t("after.send")}</button></form></details>
      ${before.length > 0 && html`<h2>${t("diary.before")}</h2><ul>${before.map((one) => html`<li><strong>${date(one.day)}.</strong> ${told(one)}${one.note && html` <q>${one.note}</q>`}</li>`)}</ul>`}
    </section>`;
  }
}
