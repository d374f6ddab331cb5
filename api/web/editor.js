// A programme is made: its phases, what each number may be, and its pictures, as the device reads it at every step.
import { Component, html } from "./html.js";
import { call, command, programmes } from "./net.js";
import { keep, set } from "./store.js";
import { inLanguage, language, ma, number, t } from "./text.js";
import { Figures, Problem } from "./draw.js";

const CHECK_AFTER_MS = 300;
const NUMBERS = {
  contractions: ["frequency_hz", "phase_width_us", "interphase_us", "ramp_up_ms", "hold_ms", "ramp_down_ms", "rest_ms", "repeats", "intensity_percent"],
  continuous: ["frequency_hz", "phase_width_us", "interphase_us", "ramp_up_ms", "continuous_s", "ramp_down_ms", "intensity_percent"],
  pause: ["pause_s"],
};
const NEW = { // starting points, each of the library's own
  contractions: { channel: "A", frequency_hz: 50, phase_width_us: 250, interphase_us: 100, ramp_up_ms: 1000, hold_ms: 5000, ramp_down_ms: 500,
    rest_ms: 7000, repeats: 10, intensity_percent: 100 },
  continuous: { channel: "A", frequency_hz: 10, phase_width_us: 300, interphase_us: 100, ramp_up_ms: 1000, continuous_s: 60, ramp_down_ms: 1000, intensity_percent: 100 },
  pause: { pause_s: 10 },
};
const KINDS = ["vaginal probe", "anal probe", "surface"];
const UNITS = { us: "µs", ms: "ms", s: "s", Hz: "Hz", percent: "%", cm2: "cm²" };

const kindOf = (phase) => ("pause_s" in phase && phase.pause_s !== null ? "pause" : "continuous_s" in phase && phase.continuous_s !== null ? "continuous" : "contractions");
// A field keeps what was typed; what is sent is a number where it is one, and nothing where nothing is.
const sent = (value) => { const text = typeof value === "string" ? value.trim().replace(",", ".") : value; return text === "" ? null : typeof text === "string" && Number.isFinite(Number(text)) ? Number(text) : text; };
const typed = (value) => (typeof value === "number" && language() === "nb" ? String(value).replace(".", ",") : value ?? "");
const asSent = (form) => ({ ...form, cycles: sent(form.cycles), electrode: { ...form.electrode, area_cm2: sent(form.electrode.area_cm2) },
  phase: form.phase.map((phase) => Object.fromEntries(Object.entries(phase).map(([name, value]) => [name, typeof value === "string" && name !== "channel" ? sent(value) : value]))) });
const Wrong = ({ one }) => html`<span class="wrong">${t(`problem.${one.code}`)} <span class="code">[${one.code}]</span></span>`;
const AT_FIELDS = ["id", "source", "area_cm2", "cycles", "nb", "en"]; // of the whole, and told beside them
const NAMES = { // a programme has both languages, whichever the page speaks
  contractions: { nb: "Knip", en: "Squeezes" }, continuous: { nb: "Jevn strøm", en: "Continuous" }, pause: { nb: "Pause", en: "Pause" },
};
const fresh = (kind) => ({ name: NAMES[kind], ...NEW[kind] });

export class Editor extends Component {
  componentDidMount() { this.list(); }
  componentWillUnmount() { clearTimeout(this.timer); }
  async list() { this.setState({ all: await programmes() }); }

  // --- what is edited ---
  async open(one) {
    const text = await call("GET", `/programmes/${one.id}/file`).catch(() => null);
    if (text !== null) await this.take(text, one.own ? one : null, !one.own);
  }
  async take(text, kept, copy = false) {
    const found = await command("POST", "/programmes/check", { text });
    if (!found) return;
    if (!found.form) this.setState({ form: null, refused: found.problems });
    else if (copy) this.change({ ...found.form, id: `${found.form.id}-2`.slice(-64) }, null); // the library's own stays as it is
    else this.setState({ form: found.form, found, kept, refused: null, stale: false, sure: false });
  }
  async pick(event) {
    const [file] = event.target.files;
    if (file) await this.take(await file.text(), null);
    event.target.value = "";
  }
  begin() { this.change({ schema: 1, id: "", title: { nb: "", en: "" }, source: t("editor.no_source"), electrode: { kind: KINDS[0], area_cm2: 10 }, cycles: 1, phase: [fresh("contractions")] }, null); }
  change(form, kept = this.state.kept) {
    this.setState({ form, kept, refused: null, stale: true, sure: false });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.check(), CHECK_AFTER_MS);
  }
  put(values) { this.change({ ...this.state.form, ...values }); }
  async check() {
    const { form } = this.state, max = Math.round(sent(this.state.max ?? "") * 10) / 10;
    const mine = (this.checks = (this.checks ?? 0) + 1);
    const found = await command("POST", "/programmes/check", { form: asSent(form), ...(max > 0 ? { max_ma: max } : {}) }, { withinMs: 20_000 });
    if (found && mine === this.checks) this.setState({ found, stale: false });
  }
  async save() {
    const { found, kept, form } = this.state;
    const replaces = kept?.id === form.id ? kept.sha256 : null;
    const one = await command("PUT", `/programmes/${form.id}`, { text: found.text, replaces });
    if (!one) return;
    this.setState({ kept: one });
    await this.list();
    set({ told: { text: t("editor.saved", { id: one.id }) } });
  }
  async remove(one) {
    if (!this.state.sure) { this.setState({ sure: true }); return; }
    if (await command("DELETE", `/programmes/${one.id}`)) { this.setState({ form: null, kept: null }); await this.list(); }
  }

  // --- phases ---
  phases(change) { const phase = [...this.state.form.phase]; change(phase); this.put({ phase }); }
  one(n, values) { this.phases((all) => { all[n] = { ...all[n], ...values }; }); }

  render(_, { all, form, found, kept, refused, stale, max }) {
    if (!all) return html`<p>${t("loading")}</p>`;
    return html`<section class="card editor"><a href="#/plan">‹ ${t("plan.title")}</a><h1>${t(this.state.form ? "editor.one" : "editor.title")}</h1>
      ${!form && html`<p>${t("editor.what")}</p>`}
      ${refused?.map((one) => html`<${Problem} one=${one} />`)}
      ${form ? html`<button type="button" class="link aside" onClick=${() => this.setState({ form: null })}>‹ ${t("editor.other")}</button>${this.form(form, found, kept, stale, max)}`
        : html`<div class="list">${all.map((one) => html`<div class="row" key=${one.id}><p><strong>${inLanguage(one.figures.programme.title)}</strong>${one.own ? ` – ${t("plan.own_programme")}` : ""}<br />
            <span class="small code">${one.id}</span></p>
            <button type="button" aria-label=${t("editor.open_one", { id: one.id })} onClick=${() => this.open(one)}>${t("editor.open")}</button></div>`)}</div>
          <button type="button" onClick=${() => this.begin()}>${t("editor.new")}</button>
          <label>${t("editor.import")}<input type="file" accept=".toml,text/plain" onChange=${(event) => this.pick(event)} /></label>`}
    </section>`;
  }

  form(form, found, kept, stale, max) {
    const of = (phase, field) => (found?.problems ?? []).filter((one) => one.phase === phase && one.field === field);
    const wrong = (list) => list.map((one) => html`<${Wrong} one=${one} />`);
    const words = (value, label, changed, problems = [], area = false) => ["nb", "en"].map((lang) => html`<label>${label} (${t(`editor.${lang}`)})
      ${area ? html`<textarea rows="3" lang=${lang} value=${value?.[lang] ?? ""} onInput=${(event) => changed({ ...value, [lang]: event.target.value })}></textarea>`
        : html`<input lang=${lang} value=${value?.[lang] ?? ""} onInput=${(event) => changed({ ...value, [lang]: event.target.value })} />`}
      ${problems.filter((one) => one.field === lang || one.field === "").map((one) => html`<${Wrong} one=${one} />`)}</label>`);
    const named = (place) => (found?.problems ?? []).filter((one) => one.place.endsWith(place));
    const good = found?.highest_ma > 0 && !stale; // at some strength; at the one that is looked at it may be too much
    const saved = kept && found && kept.sha256 === found.sha256;
    return html`<div>
      <label>${t("editor.id")}<input name="id" value=${form.id} autocapitalize="none" spellcheck=${false} maxlength="64" onInput=${(event) => this.put({ id: event.target.value })} />
        <span class="limit">${t("editor.id_note")}</span>${wrong(of(null, "id"))}</label>
      <div>${words(form.title, t("editor.name"), (title) => this.put({ title }), named("programme.title"))}</div>
      <label>${t("figures.source")}<textarea rows="2" value=${form.source} onInput=${(event) => this.put({ source: event.target.value.replace(/\s+/g, " ") })}></textarea>${wrong(of(null, "source"))}</label>
      <details><summary>${t("editor.evidence")}</summary>${words(form.evidence ?? { nb: "", en: "" }, t("editor.evidence"),
        (evidence) => this.put({ evidence: evidence.nb || evidence.en ? evidence : null }), named("programme.evidence"), true)}</details>
      <div class="pair"><label>${t("plan.kind")}<select value=${form.electrode.kind} onChange=${(event) => this.put({ electrode: { ...form.electrode, kind: event.target.value } })}>
          ${KINDS.map((kind) => html`<option value=${kind}>${t(`kind.${kind}`)}</option>`)}</select></label>
        ${this.number(t("plan.area"), "area_cm2", form.electrode.area_cm2, found?.whole.area_cm2, (area_cm2) => this.put({ electrode: { ...form.electrode, area_cm2 } }), of(null, "area_cm2"))}
        ${this.number(t("editor.cycles"), "cycles", form.cycles, found?.whole.cycles, (cycles) => this.put({ cycles }), of(null, "cycles"))}</div>
      ${form.phase.map((phase, n) => this.phase(phase, n, form.phase.length, found?.limits[n] ?? {}, (field) => of(n + 1, field), words, named(`phase[${n + 1}].name`), stale))}
      <div class="ways">${Object.keys(NUMBERS).map((kind) => html`<button type="button" onClick=${() => this.phases((all) => { all.push(fresh(kind)); })}>+ ${t(`editor.${kind}`)}</button>`)}</div>
      ${found && html`<div class="checked" aria-live="polite" data-checked=${stale ? "asking" : found.accepted ? "good" : "refused"}>
        ${found.problems.filter((one) => one.phase === null && !AT_FIELDS.includes(one.field)).map((one) => html`<${Problem} one=${one} />`)}
        ${found.problems.length > 0 && html`<p class="told"><strong>${t("editor.refused")}</strong></p>`}
        ${good && html`<p class="good"><strong>${t("editor.good")}</strong> ${t("editor.highest", { ma: ma(found.highest_ma) })}</p>`}
        ${found.highest_ma === 0 && html`<p class="told">${t("editor.never")}</p>`}
      </div>`}
      <button type="button" class="main" aria-disabled=${!good || saved} onClick=${() => good && !saved && this.save()}>${t(saved ? "editor.is_saved" : "editor.save")}</button>
      ${saved && html`<button type="button" onClick=${() => { keep("chosen", kept.id); location.hash = "#/plan"; }}>${t("editor.prescribe")}</button>
        <p class="files"><a href=${`/api/v1/programmes/${kept.id}/file`} download>${t("editor.export")}</a></p>`}
      ${kept && html`<button type="button" onClick=${() => this.remove(kept)}>${t(this.state.sure ? "editor.remove_sure" : "editor.remove", { id: kept.id })}</button>`}
      <h2>${t("figures.title")}</h2>
      <label>${t("editor.at")} (mA)<input name="max" inputmode="decimal" autocomplete="off" value=${max ?? ""}
        onInput=${(event) => { this.setState({ max: event.target.value }); this.change(form); }} /></label>
      ${found?.programme ? html`<${Figures} programme=${found.programme} />` : html`<p>${t("editor.no_figures")}</p>`}
    </div>`;
  }

  phase(phase, n, count, limits, of, words, names, stale) {
    const kind = kindOf(phase);
    const move = (to) => this.phases((all) => { const [moved] = all.splice(n, 1); all.splice(to, 0, moved); });
    const shown = [...NUMBERS[kind], "", "channel"];
    const rest = [...of(""), ...this.state.found?.problems.filter((one) => one.phase === n + 1 && !shown.includes(one.field) && !["nb", "en"].includes(one.field)) ?? []];
    return html`<section class="phase-form" key=${n} aria-label=${t("editor.phase", { n: n + 1 })}><h2>${t("editor.phase", { n: n + 1 })}: ${t(`editor.${kind}`)}</h2>
      <div>${words(phase.name, t("editor.name"), (name) => this.one(n, { name }), names)}</div>
      <div class="pair">${kind !== "pause" && html`<label>${t("look.channel")}<select name="channel" value=${phase.channel} onChange=${(event) => this.one(n, { channel: event.target.value })}>
          ${["A", "B", "AB"].map((one) => html`<option value=${one}>${one}</option>`)}</select></label>`}
        ${NUMBERS[kind].map((field) => this.number(t(`editor.${field}`), field, phase[field], limits[field], (value) => this.one(n, { [field]: value }), of(field)))}</div>
      ${!stale && rest.map((one) => html`<${Problem} one=${one} />`)}
      <div class="actions">
        <button type="button" aria-disabled=${n === 0} onClick=${() => n > 0 && move(n - 1)}>↑ ${t("editor.up")}</button>
        <button type="button" aria-disabled=${n === count - 1} onClick=${() => n < count - 1 && move(n + 1)}>↓ ${t("editor.down")}</button>
        <button type="button" onClick=${() => this.phases((all) => { all.splice(n + 1, 0, structuredClone(phase)); })}>${t("editor.copy")}</button>
        <button type="button" aria-disabled=${count === 1} onClick=${() => count > 1 && this.phases((all) => { all.splice(n, 1); })}>${t("editor.delete")}</button></div></section>`;
  }

  // A number with what it may be as the others stand, and what is wrong with it.
  number(label, name, value, range, changed, problems) {
    const unit = range && UNITS[range.unit] ? ` (${UNITS[range.unit]})` : "";
    const words = range && { low: number(range.low), high: number(range.high) };
    return html`<label>${label}${unit}<input name=${name} inputmode="decimal" autocomplete="off" value=${typed(value)} aria-invalid=${problems.length > 0}
        onInput=${(event) => changed(event.target.value)} />
      ${range && html`<span class="limit">${t(range.above ? "editor.above" : "editor.range", words)}</span>`}
      ${problems.map((one) => html`<${Wrong} one=${one} />`)}</label>`;
  }
}
