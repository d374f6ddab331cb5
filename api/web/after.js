// After a session: how it was, and what was delivered.
import { Component, html } from "./html.js";
import { command, loadAll } from "./net.js";
import { keep, kept, set, store } from "./store.js";
import { cause, ma, number, t } from "./text.js";

const ADVERSE = ["burning", "bleeding", "irritation"];

// Nothing is told until it is chosen: a finger on the slider chooses where it stands, too.
export class Scale extends Component {
  componentDidMount() { this.props.chose?.(null); }
  render({ name, label, min = 0, low, high, required = true, chose }, { told = null }) {
    const words = told === null ? t("after.not_chosen") : t(min ? "after.of" : "pain.of", { n: told });
    const choose = (event) => { this.setState({ told: event.target.value }); chose?.(Number(event.target.value)); };
    return html`<label class=${told === null ? "scale unset" : "scale"}>${label}
      <input type="range" name=${name} min=${min} max=${min ? 5 : 10} step="1" defaultValue=${min ? 3 : 0} aria-valuetext=${words}
        ref=${(input) => input?.setCustomValidity(required && told === null ? t("after.choose") : "")} onInput=${choose} onPointerUp=${choose} />
      <output>${words}</output>
      ${low && html`<span class="ends"><span>${t(low)}</span><span>${t(high)}</span></span>`}</label>`;
  }
}

export const Delivered = ({ one }) => html`<dl class="facts">
  <div><dt>${t("delivered.contractions")}</dt><dd>${number(one.contractions)}</dd></div>
  <div><dt>${t("delivered.pulses")}</dt><dd>${number(one.pulses)}</dd></div>
  <div><dt>${t("delivered.charge")}</dt><dd>${number(one.charge_uc / 1000)} mC</dd></div>
  ${Object.entries(one.comfortable_ma).map(([name, value]) => html`<div><dt>${t("delivered.comfortable", { name })}</dt><dd>${ma(value)} mA</dd></div>`)}
  <div><dt>${t("delivered.end")}</dt><dd>${one.cause ? cause(one.cause) : t("delivered.as_planned")}</dd></div>
</dl>`;

export function After({ id }) {
  const one = store.sessions.find((session) => session.id === id);
  const done = () => { keep("rate", null); keep("felt", {}); keep("pain", null); };
  const send = async (event) => {
    event.preventDefault();
    const told = new FormData(event.target);
    const felt = Object.fromEntries(Object.entries(kept("felt") ?? {}).filter(([, value]) => value > 0));
    const rated = await command("POST", `/sessions/${id}/rating`, {
      comfort: Number(told.get("comfort")), strength: Number(told.get("strength")),
      pain_before: kept("pain"), pain_after: Number(told.get("pain_after")),
      adverse: ADVERSE.filter((what) => told.get(what) === "on"), felt_from_ma: felt, note: told.get("note").trim(),
    });
    if (!rated) return;
    done();
    await loadAll();
    set({ told: store.blocks.length ? null : { text: t("after.thanks") } });
  };
  return html`<section class="card">
    <h1>${t("after.title")}</h1>
    <ol class="wash"><li>${t("after.out")}</li>${store.plan?.electrode.kind === "surface" ? "" : html`<li>${t("after.wash")}</li>`}</ol>
    ${one && html`<details open><summary>${t("delivered.title")}</summary><${Delivered} one=${one} /></details>`}
    <form onSubmit=${send}>
      <${Scale} name="comfort" label=${t("after.comfort")} min="1" low="after.comfort_low" high="after.comfort_high" />
      <${Scale} name="strength" label=${t("after.strength")} min="1" low="after.strength_low" high="after.strength_high" />
      <${Scale} name="pain_after" label=${t("after.pain_after")} low="pain.none" high="pain.worst" />
      <fieldset><legend>${t("after.adverse")}</legend>
        ${ADVERSE.map((what) => html`<label class="check"><input type="checkbox" name=${what} /> ${t(`adverse.${what}`)}</label>`)}
        <p class="small">${t("after.adverse_note")}</p></fieldset>
      <label>${t("after.note")}<textarea name="note" rows="2" maxlength="500"></textarea></label>
      <button type="submit" class="main">${t("after.send")}</button>
      <button type="button" class="link" onClick=${done}>${t("after.skip")}</button>
    </form>
  </section>`;
}
