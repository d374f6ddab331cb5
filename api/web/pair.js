// Pairing: by the link's token, by the code, or (clinician) by passphrase.
import { html } from "./html.js";
import { call, loadAll } from "./net.js";
import { set, store, wipe } from "./store.js";
import { refusal, t } from "./text.js";

async function pair(how) {
  try {
    const me = await call("POST", "/pair", { ...how, name: (navigator.userAgentData?.platform || "phone").replace(/[^ -~]/g, "").slice(0, 64) || "phone" });
    await wipe(); // a phone that is handed on shows nothing of who had it before
    set({ me, told: null });
    await loadAll();
  } catch (error) {
    set({ me: store.me ?? null, told: { code: error.code, text: refusal(error.code) } });
  }
}

export const pairFromLink = (token) => pair({ token });

function byCode(event) {
  event.preventDefault();
  const code = new FormData(event.target).get("code").trim();
  if (code.length < 8 || code.length > 9) set({ told: { code: "pairing_wrong", text: refusal("pairing_wrong") } });
  else pair({ code });
}

function byPassphrase(event) {
  event.preventDefault();
  const passphrase = new FormData(event.target).get("passphrase");
  if (passphrase) pair({ passphrase });
}

export const Pair = () => html`<section class="card">
  <h1>${t("pair.title")}</h1>
  <p>${t("pair.how")}</p>
  <form onSubmit=${byCode}>
    <label>${t("pair.code")}
      <input name="code" autocomplete="off" autocapitalize="characters" spellcheck=${false} maxlength="9" placeholder="K7MQ-2XHP" required />
    </label>
    <button type="submit" class="main">${t("pair.do")}</button>
  </form>
  <details><summary>${t("pair.clinician")}</summary>
    <form onSubmit=${byPassphrase}>
      <label>${t("pair.passphrase")}<input type="password" name="passphrase" autocomplete="current-password" maxlength="200" required /></label>
      <button type="submit">${t("pair.do")}</button>
    </form>
  </details>
  <p class="small">${t("pair.stop_works")}</p>
</section>`;
