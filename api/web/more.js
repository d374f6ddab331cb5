// Look, language of the page, this phone, and what the thing is.
import { html } from "./html.js";
import { call } from "./net.js";
import { changed, remember, remembered, set, store, wipe } from "./store.js";
import { cue } from "./cues.js";
import { PinSetting } from "./pin.js";
import { date, t } from "./text.js";

const THEMES = ["auto", "light", "dark"];

function look(theme) {
  document.documentElement.dataset.theme = theme;
  try { localStorage.setItem("theme", theme); } catch { /* for this visit only */ }
  changed();
}

async function leave() {
  try { await call("DELETE", "/me"); } catch { /* wiped here all the same */ }
  await wipe();
  set({ me: null, plan: undefined, sessions: [], state: null, told: null });
  location.replace("/");
}

export const More = () => html`<section class="card">
  <h1>${t("nav.patient.more")}</h1>
  <fieldset><legend>${t("theme")}</legend>${THEMES.map((one) => html`<label class="check"><input type="radio" name="theme" value=${one}
    defaultChecked=${document.documentElement.dataset.theme === one} onChange=${() => look(one)} /> ${t(`theme.${one}`)}</label>`)}</fieldset>
  <label class="check"><input type="checkbox" name="sound" defaultChecked=${remembered("sound") === true}
    onChange=${(event) => { remember("sound", event.target.checked); if (event.target.checked) cue("up"); }} /> ${t("sound")}</label>
  <${PinSetting} />
  <h2>${t("this_phone")}</h2>
  <p>${t(`role.${store.me.role}`)}. ${t("until", { date: date(store.me.expires_s * 1000) })}</p>
  <button type="button" onClick=${leave}>${t("leave")}</button>
  <p class="small">${t("leave.note")}</p>
  ${store.me.role === "patient" && html`<h2>${t("plan.title")}</h2><a class="button" href="#/bring">${t("bring.title")}</a>
    ${store.plan && html`<p class="files"><a href="/api/v1/prescription/file" download>${t("plan.export")}</a></p>`}`}
  ${store.me.role === "patient" && html`<a class="button" href="#/remind">${t("remind.title")}</a>`}
  ${store.me.role !== "viewer" && html`<a class="button" href="#/kept">${t("kept.title")}</a>`}
  <a class="button" href="#/output">${t("output.title")}</a>
  <h2>${t("about")}</h2><p>${t("about.text")}</p><p>${t("about.stop")}</p>
</section>`;
