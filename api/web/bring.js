// A prescription that comes as a file: read back in words, and then put in force. For the clinician and the patient.
import { Component, html } from "./html.js";
import { call, loadAll } from "./net.js";
import { store } from "./store.js";
import { language, number, refusal, t } from "./text.js";
import { Signing, cannotSign } from "./key.js";

const SIZE_MAX = 32 * 1024; // of a file, as the device takes it

export class Bring extends Component {
  async pick(event) {
    const [file] = event.target.files;
    if (!file) return;
    if (file.size > SIZE_MAX) this.setState({ read: null, refused: t("bring.large"), problems: [] });
    else { const text = await file.text(); this.setState({ text }, () => this.read()); }
    event.target.value = ""; // the same file may be chosen again
  }
  async read(event) {
    event?.preventDefault();
    const asked = { text: this.state.text ?? "", language: language() };
    if (!asked.text.trim()) return;
    this.setState({ read: null, refused: asked.text.length > SIZE_MAX ? t("bring.large") : null, problems: [], done: null });
    if (asked.text.length > SIZE_MAX) return;
    try { this.setState({ read: { ...(await call("POST", "/prescription/read", asked)), language: asked.language } }); } catch (error) {
      this.setState({ refused: refusal(error.code), problems: error.problem?.problems ?? [] });
    }
  }
  async put() {
    const { read } = this.state;
    this.setState({ busy: true, refused: null, problems: [] });
    try {
      const put = await call("PUT", "/prescription", read.form, { withinMs: 20_000 });
      this.setState({ read: null, text: "", done: put.revision });
      await loadAll();
    } catch (error) {
      this.setState({ refused: refusal(error.code), detail: store.me.role === "clinician" ? error.problem?.detail : null });
    }
    this.setState({ busy: false });
  }
  componentDidUpdate() { if (this.state.read && this.state.read.language !== language()) this.read(); }
  render(_, { text, read, refused, problems, detail, done, busy }) {
    const clinician = store.me.role === "clinician";
    const unsigned = read && !read.form.signature;
    return html`<section class="card"><a href=${clinician ? "#/plan" : "#/"}>‹ ${t(clinician ? "plan.title" : "nav.patient.start")}</a>
      <h1>${t("bring.title")}</h1>
      <p>${t(clinician ? "bring.clinician" : "bring.patient")}</p>
      ${done && html`<p class="good" role="status"><strong>${t("plan.saved", { n: number(done) })}</strong></p>`}
      <form onSubmit=${(event) => this.read(event)}>
        <label>${t("bring.file")}<input type="file" accept=".toml,.json,text/plain,application/json" onChange=${(event) => this.pick(event)} /></label>
        <label>${t("bring.paste")}<textarea name="text" rows="5" spellcheck=${false} autocomplete="off" value=${text ?? ""}
          onInput=${(event) => this.setState({ text: event.target.value, read: null })}></textarea></label>
        <button type="submit">${t("bring.read")}</button>
      </form>
      ${refused && html`<div class="told" role="alert"><p>${refused}</p>${detail && html`<p class="small" lang="en">${detail}</p>`}
        ${problems?.length > 0 && html`<ul lang="en">${problems.map((one) => html`<li class="small">${[one.place, one.field].filter(Boolean).join(", ")}: ${one.value}; ${one.allowed}.</li>`)}</ul>`}</div>`}
      ${read && html`<h2>${t("bring.understood")}</h2>
        <dl class="understood">${read.words.filter((one) => one.label).map((one) => html`<div><dt>${one.label}</dt><dd>${one.text}</dd></div>`)}</dl>
        ${read.form.signature ? html`<p>${read.signed_by ? t("bring.signed_by", { name: read.signed_by }) : t("bring.signed_unknown")}</p>`
          : html`<p class="told">${t(clinician ? "bring.unsigned_clinician" : "plan.unsigned")}</p>`}
        ${unsigned && clinician && html`<${Signing} />`}
        ${(!unsigned || clinician) && html`<p>${store.plan ? t("bring.replaces", { n: number(store.plan.revision) }) : t("bring.first")}</p>
          <button type="button" class="main" aria-disabled=${busy || (unsigned && cannotSign() !== null)}
            onClick=${() => !busy && !(unsigned && cannotSign()) && this.put()}>${t(unsigned ? "bring.sign_confirm" : "bring.confirm", { n: number(read.form.revision) })}</button>`}`}
    </section>`;
  }
}
