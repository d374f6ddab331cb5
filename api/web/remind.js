// Between trainings: the clinician's message, reminders the person chose, and once a month how it is (PGI-I).
import "./sheet.js";
import { Component, html } from "./html.js";
import { call, command } from "./net.js";
import { changed, remember, remembered, set, store } from "./store.js";
import { LANGUAGES, date, language, refusal, t } from "./text.js";

const MONDAY = Date.UTC(2027, 2, 15, 12), DAY_MS = 86_400_000, LOOK_MS = 20_000;
const STEPS = [1, 2, 3, 4, 5, 6, 7], DAYS = [0, 1, 2, 3, 4, 5, 6];
const weekday = (n) => new Intl.DateTimeFormat(LANGUAGES[language()].tag, { weekday: "long", timeZone: "UTC" }).format(MONDAY + n * DAY_MS);
const two = (n) => String(n).padStart(2, "0");
const local = (now) => `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;

let all = null; // as the device told it last

async function load() { try { all = await call("GET", "/follow-up"); changed(); } catch { /* it is no session */ } }

async function tell(method, path, body) {
  const told = await command(method, `/follow-up/${path}`, body);
  if (told) { all = told; set({ told: { text: t("remind.kept") } }); }
  return told;
}

// Whether today is a chosen day on which nothing was done yet: "later", "now", or null.
export function due(now = new Date()) {
  const { reminder, trained } = all ?? {};
  if (!reminder?.days.includes((now.getDay() + 6) % 7) || trained === local(now)) return null;
  return `${two(now.getHours())}:${two(now.getMinutes())}` < reminder.time ? "later" : "now";
}

// Once a day, while the page is open. It says nothing of what it is for: others may see the phone.
setInterval(async () => {
  const today = local(new Date());
  if (store.me?.role !== "patient" || due() !== "now" || remembered("reminded") === today) return;
  remember("reminded", today);
  changed();
  if (globalThis.Notification?.permission !== "granted") return;
  const worker = await navigator.serviceWorker?.getRegistration();
  try { await (worker?.showNotification(t("remind.neutral")) ?? new Notification(t("remind.neutral"))); } catch { /* not here */ }
}, LOOK_MS);

// Under the first view, once a month.
export const Ask = () => all?.impression_due && html`<details class="card"><summary>${t("pgi.ask")}</summary>
  <form onSubmit=${(event) => { event.preventDefault(); tell("POST", "impressions", { step: Number(new FormData(event.target).get("step")) }); }}>
    <fieldset><legend>${t("pgi.question")}</legend>${STEPS.map((n) => html`<label class="check"><input type="radio" name="step" value=${n} required /> ${t(`pgi.${n}`)}</label>`)}</fieldset>
    <button type="submit" class="main">${t("after.send")}</button></form></details>`;

// Above the first view; nothing where there is nothing to say.
export class FollowUp extends Component {
  componentDidMount() { load(); }
  render() {
    const { message } = all ?? {}, when = due();
    return html`${when && html`<p class="card" role="status"><strong>${t(`remind.${when}`, { time: all.reminder.time })}</strong></p>`}
      ${message && html`<section class="card"><p class="small">${t("message.from")}, ${date(message.at)}</p><p class="words">${message.text}</p></section>`}`;
  }
}

export class Remind extends Component {
  componentDidMount() { load(); }
  send(event) {
    event.preventDefault();
    const told = new FormData(event.target);
    tell("PUT", "reminder", { days: DAYS.filter((n) => told.get(`day ${n}`)), time: told.get("time") });
  }
  render() {
    const may = globalThis.Notification?.permission, { days = [], time = "19:00" } = all?.reminder ?? {};
    return html`<section class="card"><a class="back-link" href="#/more">‹ ${t("nav.patient.more")}</a><h1>${t("remind.title")}</h1><p>${t("remind.text")}</p>
      ${all && html`<form onSubmit=${(event) => this.send(event)}><fieldset><legend>${t("remind.days")}</legend>${DAYS.map((n) => html`<label class="check"><input type="checkbox" name=${`day ${n}`}
          defaultChecked=${days.includes(n)} /> ${weekday(n)}</label>`)}</fieldset>
        <label>${t("remind.time")}<input type="time" name="time" required defaultValue=${time} /></label>
        <button type="submit" class="main">${t("after.send")}</button></form>`}
      ${may === "default" && html`<button type="button" onClick=${() => Notification.requestPermission().then(changed, changed)}>${t("remind.allow")}</button>`}
      <p class="small">${t(may === "granted" ? "remind.shown" : "remind.page_only")}</p></section>`;
  }
}

// The clinician's word to the patient.
export class Write extends Component {
  componentDidMount() { load(); }
  render() {
    return html`<section class="card"><a class="back-link" href="#/journal">‹ ${t("journal.title")}</a><h1>${t("message.title")}</h1><p>${t("message.text")}</p>
      ${all && html`<form key=${all.message?.at} onSubmit=${(event) => { event.preventDefault(); tell("PUT", "message", { text: new FormData(event.target).get("text").trim() }); }}>
        <label>${t("message.words")}<textarea name="text" rows="5" maxlength="500" defaultValue=${all.message?.text ?? ""}></textarea></label>
        <button type="submit" class="main">${t("after.send")}</button></form>
        ${all.message && html`<p class="small">${t("message.since", { date: date(all.message.at) })}</p>`}`}</section>`;
  }
}

// For the view of what has an effect: the answers so far, in words.
export class Impressions extends Component {
  componentDidMount() { load(); }
  render() {
    return all?.impressions.length > 0 && html`<h2>${t("pgi.title")}</h2><dl>${all.impressions.map((one) => html`<div><dt>${date(one.day)}</dt><dd>${t(`pgi.${one.step}`)}</dd></div>`)}</dl>`;
  }
}
