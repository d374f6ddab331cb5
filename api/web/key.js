// The clinician's key on the device: whose are enrolled, how hers stands, open it for a while, lock it.
import { Component, html } from "./html.js";
import { call } from "./net.js";
import { set, store } from "./store.js";
import { clock, refusal, t } from "./text.js";

const PRINT = 16; // how much of a fingerprint is shown
let ticking = 0;

function took(key) {
  clearInterval(ticking);
  set({ key: { ...key, until: key.left_s === null ? null : performance.now() + key.left_s * 1000 } });
  if (key.left_s === null) return;
  ticking = setInterval(() => { if (leftMs() > 0) set({}); else { clearInterval(ticking); loadKey(); } }, 1000);
}

export const leftMs = () => (store.key?.until == null ? 0 : Math.max(0, store.key.until - performance.now()));

export async function loadKey() {
  try { took(await call("GET", "/key")); } catch (error) { set({ told: { code: error.code, text: refusal(error.code) } }); }
}

// Why nothing can be signed here now, as the key of a text; null when it can.
export function cannotSign() {
  const { key } = store;
  if (!key) return "loading";
  if (key.state === "none") return "key.none";
  if (!key.known) return "key.not_enrolled";
  return key.state === "locked" ? "key.locked" : null;
}

async function lock() {
  try { await call("DELETE", "/key/unlock"); } catch (error) { set({ told: { code: error.code, text: refusal(error.code) } }); }
  await loadKey();
}

// Stands outside any other form.
export class Signing extends Component {
  componentDidMount() { loadKey(); }
  async open(event) {
    event.preventDefault();
    const passphrase = new FormData(event.target).get("passphrase");
    event.target.reset();
    this.setState({ busy: true, refused: null });
    try { took(await call("POST", "/key/unlock", { passphrase })); } catch (error) { this.setState({ refused: refusal(error.code) }); }
    this.setState({ busy: false });
  }
  render(_, { busy, refused }) {
    const { key } = store;
    if (!key) return html`<p>${t("loading")}</p>`;
    const why = cannotSign();
    return html`<section class="signing" aria-label=${t("key.title")}>
      ${why ? html`<p class=${why === "key.locked" ? "" : "told"}>${t(why, { name: key.name })}</p>`
        : key.state === "simulated" ? html`<p>${t("key.simulated")}</p>`
        : html`<p class="good" role="status"><strong>${t("key.open", { name: key.name })}</strong> <span data-figure="key-left">${clock(leftMs())}</span></p>
          <button type="button" onClick=${lock}>${t("key.lock")}</button>`}
      ${key.state === "locked" && html`<form onSubmit=${(event) => this.open(event)}>
        <label>${t("key.passphrase")}<input type="password" name="passphrase" autocomplete="off" maxlength="200" required /></label>
        ${refused && html`<p class="told" role="alert">${refused}</p>`}
        <button type="submit" aria-disabled=${busy}>${t(busy ? "key.opening" : "key.unlock")}</button></form>`}
      ${why === "key.none" && html`<a class="button" href="#/bring">${t("bring.title")}</a>`}
    </section>`;
  }
}

export function Key() {
  const { key } = store;
  return html`<section class="card"><a href="#/plan">‹ ${t("plan.title")}</a><h1>${t("key.title")}</h1>
    <p>${t("key.what")}</p>
    <${Signing} />
    ${key && html`<h2>${t("key.enrolled")}</h2>
      ${key.enrolled.length ? html`<ul>${key.enrolled.map((one) => html`<li>${one.name}${one.fingerprint === key.fingerprint ? ` – ${t("key.this")}` : ""}
        <br /><span class="small code">${one.fingerprint.slice(0, PRINT)}</span></li>`)}</ul>` : html`<p class="told">${t("key.nobody")}</p>`}
      <p class="small">${t("key.enrol_how")}</p>
      <h2>${t("key.device")}</h2><p class="code">${key.device}</p><p class="small">${t("key.device_how")}</p>`}
  </section>`;
}
