// An optional PIN on this page, for a phone that others in the household use. It hides; the device's own pairing guards.
import { html } from "./html.js";
import { keep, kept, remember, remembered, set, store } from "./store.js";
import { t } from "./text.js";

const IDLE_MS = 3 * 60_000;
const PIN = "[0-9]{4,8}";

export const canPin = () => Boolean(globalThis.crypto?.subtle);

async function digest(pin, salt) {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(`${salt}:${pin}`));
  return [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

let used = performance.now();

export function lockWhenIdle() {
  store.locked = remembered("pin") !== null && kept("unlocked") !== true;
  for (const what of ["pointerdown", "keydown"]) addEventListener(what, () => { used = performance.now(); }, true);
  const lock = () => {
    if (remembered("pin") !== null && !store.locked && !store.state?.session) { keep("unlocked", false); set({ locked: true }); }
  };
  setInterval(() => { if (performance.now() - used > IDLE_MS) lock(); }, 5000);
  document.addEventListener("visibilitychange", () => { if (document.hidden) lock(); });
}

const Field = ({ label, go = "next", submit }) => html`<form onSubmit=${async (event) => { event.preventDefault(); await submit(new FormData(event.target).get("pin")); event.target.reset(); }}>
  <label>${label}<input name="pin" type="password" inputmode="numeric" autocomplete="off" pattern=${PIN} maxlength="8" required /></label>
  <button type="submit" class="main">${t(go)}</button></form>`;

export const Locked = () => html`<section class="card"><h1>${t("pin.title")}</h1>
  <${Field} label=${t("pin.enter")} submit=${async (pin) => {
    const { salt, hash } = remembered("pin");
    if ((await digest(pin, salt)) === hash) { keep("unlocked", true); set({ locked: false, told: null }); }
    else set({ told: { text: t("pin.wrong") } });
  }} /><p class="small">${t("pin.stop_works")}</p></section>`;

export const PinSetting = () => !canPin() ? null : html`<h2>${t("pin.title")}</h2>${remembered("pin")
  ? html`<button type="button" onClick=${() => { remember("pin", null); set({ told: { text: t("pin.off") } }); }}>${t("pin.remove")}</button>`
  : html`<${Field} label=${t("pin.choose")} go="pin.switch_on" submit=${async (pin) => {
      const salt = [...crypto.getRandomValues(new Uint8Array(16))].join("-");
      remember("pin", { salt, hash: await digest(pin, salt) });
      keep("unlocked", true);
      set({ told: { text: t("pin.on") } });
    }} />`}`;
