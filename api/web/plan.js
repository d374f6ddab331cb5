// The clinician's form: what is prescribed with its figures and pictures, signed here, taken along as a file.
import { Component, html } from "./html.js";
import { call, command, loadAll, programmes } from "./net.js";
import { keep, kept, set, store } from "./store.js";
import { inLanguage, number, t } from "./text.js";
import { QUESTIONS } from "./before.js";
import { Blocks } from "./clinician.js";
import { Figures } from "./draw.js";
import { Signing, cannotSign } from "./key.js";
import { CapWhy, capRange } from "./caps.js";

const MAY = ["pause", "end_early"];
const KINDS = ["vaginal probe", "anal probe", "surface"];
const WAYS = ["key", "bring", "threshold", "editor"];

const DAY_MS = 86_400_000;
// An end that only follows from the weeks is not carried over to the next revision.
const until = (plan) => (!plan?.valid_until || Date.parse(plan.valid_until) - Date.parse(plan.issued) >= plan.weeks * 7 * DAY_MS ? "" : plan.valid_until);
const number_ = (told, name) => { const text = String(told.get(name) ?? "").replace(",", "."); return text === "" ? null : Number(text); };

// What is in force may have come with the plan's file, or under a name that the device now keeps something else under.
const IN_FORCE = "*"; // no programme is called so

const listed = (all, plan) => all.find((one) => one.id === plan?.programme && one.sha256 === (plan.programme_sha256 ?? one.sha256));

// The option that is chosen before a person chooses: what the editor hands over, then what is in force; else none.
function atFirst(all, plan, chosen) {
  if (all.some((one) => one.id === chosen)) return chosen;
  return listed(all, plan)?.id ?? (plan?.programme_text ? IN_FORCE : "");
}

// Exactly the one that was shown, by its hash.
function programmeOf(id, all, plan) {
  if (id === IN_FORCE) return { programme: plan.programme, programme_sha256: plan.programme_sha256, programme_text: plan.programme_text };
  return { programme: id, programme_sha256: all.find((one) => one.id === id).sha256 };
}

function fromForm(form, revision, all) {
  const told = new FormData(form);
  const caps = {};
  for (const name of ["A", "B"]) if (number_(told, `cap_${name}`) !== null) caps[name] = number_(told, `cap_${name}`);
  const depth = number_(told, "depth"), turn = number_(told, "turn");
  return {
    revision, ...programmeOf(told.get("programme"), all, store.plan), caps_ma: caps,
    electrode: { kind: told.get("kind"), area_mm2: Math.round(number_(told, "area") * 100),
      placement: depth === null ? null : { depth_mm: depth, turn_degrees: turn ?? 0 } },
    minutes: number_(told, "minutes"), sessions_per_day: number_(told, "day"), sessions_per_week: number_(told, "week"),
    weeks: number_(told, "weeks"), lease_ms: Math.round(number_(told, "lease") * 1000), patient_may: MAY.filter((one) => told.get(`may_${one}`) === "on"),
    released: QUESTIONS.filter((one) => told.get(`release_${one}`)?.trim()).map((one) => ({ contraindication: one, reason: told.get(`release_${one}`).trim() })),
    prescriber: told.get("prescriber").trim(), valid_until: told.get("until") || null,
  };
}

const Number_ = ({ name, value, min, max, step = 1, unit, required = true, limit }) => html`<label>${t(`plan.${name}`)}${unit ? ` (${unit})` : ""}
  <input type="number" inputmode="decimal" name=${name} min=${min} max=${max} step=${step} defaultValue=${value} required=${required} />
  ${limit && html`<span class="limit">${limit}</span>`}</label>`;

export class Plan extends Component {
  async componentDidMount() {
    this.setState({ all: await programmes(), caps: kept("caps"), chosen: kept("chosen") });
  }
  componentDidUpdate() { this.figure(); } // the plan may come after the programmes, and the caps' fields after the figures
  async figure() {
    if (!this.form) return;
    const told = new FormData(this.form);
    const id = told.get("programme");
    const wanted = ["A", "B"].map((name) => number_(told, `cap_${name}`)).filter((ma) => ma > 0);
    const cap = Math.max(0, ...wanted), lowest = wanted.length ? Math.min(...wanted) : null;
    if (lowest !== (this.state.lowest ?? null)) this.setState({ lowest });
    const area = number_(told, "area");
    const at = {};
    if (cap > 0) at.max_ma = Number(cap.toFixed(1)); // none yet: at the highest that passes
    if (area) at.area_mm2 = Math.round(area * 100);
    const asked = id && `/programmes/${id}?${new URLSearchParams(at)}`;
    if (!asked || asked === this.asked) return;
    this.asked = asked;
    const programme = await (id === IN_FORCE ? call("POST", "/programmes/check", { text: store.plan.programme_text, ...at }).then((found) => found.programme)
      : call("GET", asked)).catch(() => null);
    if (asked === this.asked && programme) this.setState({ programme });
  }
  async send(event, revision) {
    event.preventDefault();
    const why = cannotSign();
    if (why) { set({ told: { text: t(why, { name: store.key?.name }) } }); return; }
    if (!(await command("PUT", "/prescription", fromForm(event.target, revision, this.state.all), { withinMs: 20_000 }))) return;
    for (const name of ["caps", "chosen"]) keep(name, null);
    await loadAll();
    set({ told: { text: t("plan.saved", { n: number(revision) }) } });
  }
  render(_, { all, programme, caps, chosen, lowest = null }) {
    if (!all || store.plan === undefined) return html`<p>${t("loading")}</p>`;
    const { plan } = store;
    const revision = (plan?.revision ?? 0) + 1;
    const first = caps ?? plan?.caps_ma ?? {};
    const selected = atFirst(all, plan, chosen);
    const unlisted = plan && !listed(all, plan); // as it was signed, the device keeps it in the plan alone
    const shown = programme ?? (selected === IN_FORCE ? store.programme : all.find((one) => one.id === selected));
    const plays = new Set(shown?.phases.flatMap((phase) => phase.channels));
    const why = Object.fromEntries((plan?.released ?? []).map((one) => [one.contraindication, one.reason]));
    const cap = (name) => plays.has(name) && html`<${Number_} key=${name} name=${`cap_${name}`} unit="mA" min="0" max="100" step="0.1" value=${first[name] ?? ""} required=${false}
      limit=${shown.caps && capRange(shown.caps)} />`;
    return html`<section class="card">
      <h1>${t("plan.title")}</h1>
      <div class="ways">${WAYS.map((one) => html`<a class="button" href=${`#/${one}`}>${t(`${one}.title`)}</a>`)}</div>
      <${Blocks} />
      <p class="small">${plan ? t("plan.in_force", { n: number(plan.revision), name: plan.prescriber }) : t("plan.none")}</p>
      ${plan && html`<p class="files noprint"><a href="/api/v1/prescription/file" download>${t("plan.export")}</a></p>`}
      <form id="plan" ref=${(form) => { this.form = form; }} onSubmit=${(event) => this.send(event, revision)} onInput=${() => this.figure()}>
        <label>${t("plan.programme")}<select name="programme" required>
          ${selected === "" && html`<option value="">${t("plan.programme_choose")}</option>`}
          ${unlisted && plan.programme_text && html`<option value=${IN_FORCE} selected=${selected === IN_FORCE}>${t("plan.programme_in_force", { name: inLanguage(store.programme?.figures.programme.title) || plan.programme })}</option>`}
          ${all.map((one) => html`<option value=${one.id} selected=${one.id === selected}>
          ${inLanguage(one.figures.programme.title)}${one.own ? ` (${t("plan.own_programme")})` : ""}</option>`)}</select></label>
        ${unlisted && html`<p class="told">${t(plan.programme_text ? "plan.programme_kept" : "plan.programme_gone", { id: plan.programme })}</p>`}
        <div class="pair">${cap("A")}${cap("B")}</div>
        ${shown?.caps && html`<${CapWhy} caps=${shown.caps} wanted=${lowest} />`}
        ${caps && html`<p class="told">${t("plan.caps_proposed")}</p>`}
        <p class="small">${t("plan.caps_note")}${plays.size === 1 ? ` ${t("plan.caps_silent", { name: plays.has("A") ? "B" : "A" })}` : ""}</p>
        <label>${t("plan.kind")}<select name="kind">${KINDS.map((kind) => html`<option value=${kind} selected=${kind === plan?.electrode.kind}>${t(`kind.${kind}`)}</option>`)}</select></label>
        <${Number_} name="area" unit="cm²" min="0.5" max="100" step="0.1" value=${plan ? plan.electrode.area_mm2 / 100 : 10} />
        <div class="pair"><${Number_} name="depth" unit="mm" min="0" max="200" value=${plan?.electrode.placement?.depth_mm ?? ""} required=${false} />
          <${Number_} name="turn" unit="°" min="-180" max="180" value=${plan?.electrode.placement?.turn_degrees ?? ""} required=${false} /></div>
        <div class="pair"><${Number_} name="minutes" min="1" max="45" value=${plan?.minutes ?? 20} /><${Number_} name="day" min="1" max="3" value=${plan?.sessions_per_day ?? 1} /></div>
        <div class="pair"><${Number_} name="week" min="1" max="21" value=${plan?.sessions_per_week ?? 5} /><${Number_} name="weeks" min="1" max="52" value=${plan?.weeks ?? 12} /></div>
        <${Number_} name="lease" unit="s" min="1" max="5" step="0.5" value=${(plan?.lease_ms ?? 2000) / 1000} />
        <fieldset><legend>${t("plan.may")}</legend>${MAY.map((one) => html`<label class="check"><input type="checkbox" name=${`may_${one}`}
          defaultChecked=${!plan || plan.patient_may.includes(one)} /> ${t(`plan.may_${one}`)}</label>`)}
          <p class="small">${t("plan.may_note")}</p></fieldset>
        <label>${t("plan.until")}<input type="date" name="until" defaultValue=${until(plan)} /></label>
        <p class="small">${t("plan.until_note")}</p>
        <label>${t("plan.prescriber")}<input name="prescriber" maxlength="64" required defaultValue=${plan?.prescriber ?? ""} /></label>
        <details><summary>${t("plan.released")}</summary><p class="small">${t("plan.released_note")}</p>
          ${QUESTIONS.map((one) => html`<label>${t(`question.${one}`)}<input name=${`release_${one}`} maxlength="500" placeholder=${t("plan.reason")} defaultValue=${why[one] ?? ""} /></label>`)}</details>
      </form>
      <h2>${t("figures.title")}</h2>
      ${programme ? html`<${Figures} programme=${programme} />` : html`<p>${t(selected === "" ? "plan.programme_choose" : "loading")}</p>`}
      <h2>${t("key.sign")}</h2>
      <${Signing} />
      <button type="submit" form="plan" class="main" aria-disabled=${cannotSign() !== null}>${t("plan.save", { n: number(revision) })}</button>
      <button type="button" class="noprint" onClick=${() => print()}>${t("print")}</button>
    </section>`;
  }
}
