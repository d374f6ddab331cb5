// The clinician: what was done, what closes stimulation, and who is paired.
import { Component, html } from "./html.js";
import { call, command, loadAll } from "./net.js";
import { store } from "./store.js";
import { date, moment, programmeTitle, refusal, t } from "./text.js";
import { Delivered } from "./after.js";
import { Older } from "./history.js";

// What closes stimulation, until somebody has looked at it and says why it may go on.
export function Blocks() {
  const release = async (event, one) => {
    event.preventDefault();
    const reason = new FormData(event.target).get("reason").trim();
    if (reason && (await command("POST", `/blocks/${one.id}/release`, { reason }))) await loadAll();
  };
  return store.blocks.map((one) => html`<form class="told" key=${one.id} onSubmit=${(event) => release(event, one)}>
    <p><strong>${t(`block.${one.why}`, { date: moment(one.at) })}</strong></p>
    <ul>${one.what.map((what) => html`<li>${t(one.why === "adverse" ? `adverse.${what}` : `question.${what}`)}</li>`)}</ul>
    ${one.note && html`<q>${one.note}</q>`}
    <label>${t("block.reason")}<input name="reason" maxlength="500" required /></label>
    <button type="submit">${t("block.release")}</button></form>`);
}

// --- what was done ----------------------------------------------------------------------------------------------------

export const Journal = () => html`<section class="card"><h1>${t("journal.title")}</h1>
  <a class="button noprint" href="#/write">${t("message.title")}</a>
  <${Blocks} />
  ${store.sessions.length === 0 && html`<p>${t("history.none")}</p>`}
  ${store.sessions.map((one) => html`<article key=${one.id}><h2>${moment(one.began)}</h2><p>${programmeTitle(one.programme)}</p><${Delivered} one=${one} />
    ${one.rating && html`<p>${t("history.rated", { comfort: one.rating.comfort, strength: one.rating.strength, before: one.rating.pain_before ?? "–", after: one.rating.pain_after })}
      ${one.rating.adverse.length > 0 && html` <strong>${one.rating.adverse.map((what) => t(`adverse.${what}`)).join(", ")}</strong>`}
      ${one.rating.note && html` <q>${one.rating.note}</q>`}</p>`}
    <p class="noprint files"><a href=${`#/dose/${one.id}`}>${t("dose.title")}</a></p></article>`)}
  <${Older} />
  <button type="button" class="noprint" onClick=${() => print()}>${t("print")}</button></section>`;

// --- phones -----------------------------------------------------------------------------------------------------------

export class Devices extends Component {
  componentDidMount() { this.load(); }
  async load() { this.setState({ all: await call("GET", "/devices").catch(() => []) }); }
  async open(role) {
    try { this.setState({ told: await call("POST", "/pairing", { role }), refused: null }); } catch (error) { this.setState({ refused: refusal(error.code) }); }
  }
  async revoke(id) {
    await command("DELETE", `/devices/${id}`);
    this.load();
  }
  render(_, { all, told, refused }) {
    return html`<section class="card"><h1>${t("devices.title")}</h1>
      ${(all ?? []).map((one) => html`<div class="row" key=${one.id}><p><strong>${one.name}</strong> – ${t(`role.${one.role}`)}<br />
        <span class="small">${t("since_until", { from: moment(one.paired_s * 1000), date: date(one.expires_s * 1000) })}</span></p>
        ${one.this ? html`<span class="quiet">${t("this_phone")}</span>` : html`<button type="button" onClick=${() => this.revoke(one.id)}>${t("devices.revoke")}</button>`}</div>`)}
      <h2>${t("devices.pair")}</h2><p>${t("devices.pair_text")}</p>
      <div class="actions">${["patient", "viewer", "clinician"].map((role) => html`<button type="button" onClick=${() => this.open(role)}>${t(`role.${role}`)}</button>`)}</div>
      ${refused && html`<p class="told" role="alert">${refused}</p>`}
      ${told && html`<div class="invitation" role="status"><p>${t("devices.for", { role: t(`role.${told.role}`) })}</p>
        <img alt=${t("devices.qr")} width="240" height="240" src=${`data:image/svg+xml,${encodeURIComponent(told.qr_svg)}`} />
        <p>${t("pair.code")}: <strong class="code">${told.code}</strong></p>${told.fingerprint && html`<p class="small code">${told.fingerprint}</p>`}</div>`}
    </section>`;
  }
}
