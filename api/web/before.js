// Before a session: the plan of today, the questions, the red button, the preparation.
import { html } from "./html.js";
import { command, loadAll } from "./net.js";
import { keep, remember, remembered, set, store } from "./store.js";
import { cause, date, inLanguage, number, t } from "./text.js";
import { Lying, Picture } from "./pictures.js";
import { Scale } from "./after.js";

export const QUESTIONS = [
  "pregnant", "recent_birth_or_surgery", "pacemaker_or_implant", "epilepsy", "bleeding", "bladder_does_not_empty",
  "cannot_let_go", "abnormal_smear", "denervated", "cancer_in_the_pelvis", "no_feeling_in_the_area",
  "infection_or_unusual_discharge", "wound_or_pain_in_the_area", "large_prolapse", "metal_in_the_field", "under_age",
  "cannot_stop_it",
];

export const today = () => new Date().toISOString().slice(0, 10);

function counts() {
  const from = new Date(Date.now() - 6 * 86_400_000).toISOString().slice(0, 10);
  const days = store.sessions.map((one) => one.began.slice(0, 10));
  return { today: days.filter((day) => day === today()).length, week: days.filter((day) => day >= from).length };
}

async function openSession(answers) {
  set({ opening: true });
  const opened = await command("POST", "/sessions", { prescription_revision: store.plan.revision, answers, day: today() }, { withinMs: 20_000 });
  set({ opening: false });
  if (opened) set({ step: null });
  else if (store.told?.code === "button_not_tried") { remember("button", null); set({ step: "button" }); }
  else await loadAll();
  return opened;
}

// --- the questions ----------------------------------------------------------------------------------------------------

const released = () => new Set(store.plan.released.map((one) => one.contraindication));

function afterAnswers(answers) {
  remember("answers", { answers, at: Date.now() });
  if (QUESTIONS.some((one) => answers[one] && !released().has(one))) {
    set({ step: null });
    openSession(answers); // refused and journalled by the device, which then stays closed until the clinician has looked
    return;
  }
  set({ step: remembered("button") === today() ? "prepare" : "button" });
}

export const AskAll = () => QUESTIONS.map((one) => html`<fieldset class="question"><legend>${t(`question.${one}`)}</legend>
  <label><input type="radio" name=${one} value="no" required /> ${t("no")}</label>
  <label><input type="radio" name=${one} value="yes" /> ${t("yes")}</label></fieldset>`);

export function answersOf(form) {
  const told = new FormData(form);
  return Object.fromEntries(QUESTIONS.map((one) => [one, told.get(one) === "yes"]));
}

// `done` takes the answers elsewhere than to a session with current; `later` leads back there.
export function Questions({ done = afterAnswers, later }) {
  const before = remembered("answers");
  if (before && !store.anew) {
    return html`<section class="card">
      <h1>${t("again.title")}</h1>
      <p>${t("again.text", { date: date(before.at) })}</p>
      <details><summary>${t("again.list")}</summary><ul>${QUESTIONS.map((one) => html`<li>${t(`question.${one}`)}
        <strong> ${before.answers[one] ? t("yes") : t("no")}</strong></li>`)}</ul></details>
      ${!later && html`<${Pain} />`}
      <button type="button" class="main" onClick=${() => done(before.answers)}>${t("again.same")}</button>
      <button type="button" onClick=${() => set({ anew: true })}>${t("again.new")}</button>
      <${Later} later=${later} />
    </section>`;
  }
  const submit = (event) => {
    event.preventDefault();
    const answers = answersOf(event.target);
    set({ anew: false });
    done(answers);
  };
  return html`<section class="card">
    <h1>${t("questions.title")}</h1><p>${t("questions.text", { n: QUESTIONS.length })}</p>
    <form onSubmit=${submit}>
      <${AskAll} />
      ${!later && html`<${Pain} />`}
      <button type="submit" class="main">${t("next")}</button>
    </form>
    <${Later} later=${later} />
  </section>`;
}

const Pain = () => html`<${Scale} name="pain" label=${t("pain.before")} required=${false} chose=${(pain) => keep("pain", pain)} />`;

const Later = ({ later }) => html`<button type="button" class="link" onClick=${() => { set({ step: null, anew: false }); later?.(); }}>${t("later")}</button>`;

// --- the red button ---------------------------------------------------------------------------------------------------

function RedButton() {
  const { mode, cause: why, simulated } = store.state ?? {};
  const pressed = mode === "estop_held";
  const seen = pressed || mode === "estop_released";
  const done = async () => {
    if (seen && !(await command("POST", "/acknowledge"))) return;
    remember("button", today());
    set({ step: "prepare" });
  };
  return html`<section class="card">
    <h1>${t("button.title")}</h1>
    <ol><li>${t("button.press")}</li><li>${t("button.see")}</li><li>${t("button.release")}</li></ol>
    <p role="status" class=${seen ? "good" : ""}><strong>${pressed ? t("button.pressed") : seen ? t("button.released") : why ? cause(why) : t("button.waiting")}</strong></p>
    ${seen && !pressed && html`<button type="button" class="main" onClick=${done}>${t("button.works")}</button>`}
    ${simulated && !seen && html`<button type="button" onClick=${done}>${t("button.none")}</button>`}
    <${Later} />
  </section>`;
}

// --- preparation ------------------------------------------------------------------------------------------------------

const CURRENT = ["off", "places", "reach"]; // what a sensor without any current needs not

export const Preparing = ({ kind, sensor }) => html`<div class="pictures"><${Picture} kind=${kind} /><${Lying} /></div>
  <ol>${(kind === "surface" ? ["skin", "stick", "places", "lie", "off", "reach"] : ["own", "whole", "bladder", "tampon", "gel", "lie", "place", "off", "reach"])
    .filter((one) => !(sensor && CURRENT.includes(one)) && (one !== "tampon" || kind === "vaginal probe")).map((one) => html`<li>${t(`prepare.${one}`)}</li>`)}</ol>`;

function Prepare() {
  const { plan, state } = store;
  const busy = store.opening || !["idle", "armed"].includes(state?.mode); // after the red button it tests itself first
  const place = plan.electrode.placement;
  return html`<section class="card">
    <h1>${t("prepare.title")}</h1>
    <${Preparing} kind=${plan.electrode.kind} />
    <p>${t("prepare.electrode", { kind: t(`kind.${plan.electrode.kind}`), area: number(plan.electrode.area_mm2 / 100) })}</p>
    ${place && html`<p><strong>${t("prepare.recorded", { depth: number(place.depth_mm), turn: number(place.turn_degrees) })}</strong></p>`}
    <p>${t("prepare.never")}</p>
    <p class="small">${t("prepare.menstruation")}</p>
    <button type="button" class="main" aria-disabled=${busy} onClick=${() => !busy && openSession(remembered("answers").answers)}>
      ${busy ? t("prepare.testing") : t("prepare.ready")}</button>
    <${Later} />
  </section>`;
}

// --- today ------------------------------------------------------------------------------------------------------------

const Closed = () => html`<section class="card closed">
  <h1>${t("closed.title")}</h1>
  ${store.blocks.map((one) => html`<p>${t(`closed.${one.why}`, { date: date(one.at) })}</p>
    ${one.why === "contraindicated" && html`<ul>${one.what.map((what) => html`<li>${t(`question.${what}`)}</li>`)}</ul>`}`)}
  <p>${t("closed.ask", { name: store.plan?.prescriber ?? t("your_clinician") })}</p>
  <p>${t("closed.guided")}</p>
  <a class="button main" href="#/guided">${t("guided.open")}</a>
</section>`;

export const plays = (programme) => [...new Set((programme?.phases ?? []).flatMap((phase) => phase.channels))];

export function Start() {
  const { plan, programme, blocks, step } = store;
  if (plan === undefined) return html`<p>${t("loading")}</p>`;
  if (blocks.length) return html`<${Closed} />`;
  if (plan === null) {
    return html`<section class="card"><h1>${t("no_plan.title")}</h1><p>${t("no_plan.text")}</p>
      <a class="button" href="#/guided">${t("guided.open")}</a></section>`;
  }
  if (step === "answers") return html`<${Questions} />`;
  if (step === "button") return html`<${RedButton} />`;
  if (step === "prepare") return html`<${Prepare} />`;
  const done = counts();
  const left = Math.min(plan.sessions_per_day - done.today, plan.sessions_per_week - done.week);
  return html`<section class="card">
    <h1>${t("today.title")}</h1>
    <p class="plan"><strong>${inLanguage(programme?.figures.programme.title)}</strong></p>
    <p>${t("today.plan", { minutes: number(plan.minutes), day: number(plan.sessions_per_day), week: number(plan.sessions_per_week) })}</p>
    <p>${t("today.done", { done: number(done.week), of: number(plan.sessions_per_week) })}</p>
    <progress max=${plan.sessions_per_week} value=${Math.min(done.week, plan.sessions_per_week)} aria-label=${t("today.week")}></progress>
    ${plays(programme).some((name) => !plan.caps_ma[name]) ? html`<p><strong>${t("refusal.cap_missing")}</strong></p>`
      : left > 0 ? html`<button type="button" class="main" onClick=${() => set({ step: "answers", told: null })}>${t("today.begin")}</button>`
      : html`<p class="good"><strong>${t(done.today >= plan.sessions_per_day ? "today.enough" : "today.week_enough")}</strong></p>`}
    ${!remembered("taught") && html`<a class="button" href="#/technique">${t("teach.begin")}</a>`}
    <a class="button" href="#/guided">${t("guided.open")}</a>
    <a class="button" href="#/diary">${t("diary.title")}</a>
  </section>`;
}

