// What is kept of a person, in plain words; at length in docs/privacy.md.
import "./sheet.js";
import { html } from "./html.js";
import { store } from "./store.js";
import { t } from "./text.js";

const WHAT = ["sessions", "recordings", "told", "phones", "key"];

export const Kept = () => html`<section class="card"><a class="back-link noprint" href="#/more">‹ ${t("nav.patient.more")}</a>
  <h1>${t("kept.title")}</h1>
  <p>${t("kept.here")}</p><p>${t("kept.code")}</p>
  <h2>${t("kept.what")}</h2>
  <dl class="said">${WHAT.map((one) => html`<dt>${t(`kept.${one}`)}</dt><dd>${t(`kept.${one}_text`)}</dd>`)}</dl>
  <h2>${t("kept.who")}</h2><p>${t("kept.who_text")}</p>
  <h2>${t("kept.yours")}</h2>
  <p>${t("kept.take")}</p><a class="button" href="#/report">${t("report.title")}</a>
  <p>${t("kept.device")}</p>
  <ul>${["hand-over", "delete", "thin"].map((one) => html`<li>${t(`kept.${one}`)} <span class="code small">pelvistim data ${one}</span></li>`)}
    <li>${t("kept.backup")} <span class="code small">pelvistim backup</span></li></ul>
  ${store.me.role === "patient" && html`<p class="small">${t("kept.ask")}</p>`}
  <p class="small">${t("kept.more")}</p>
</section>`;
