// Whether a session is proved: asked of the device once a visit, one session after the other.
import { Component, html } from "./html.js";
import { call } from "./net.js";
import { changed, store } from "./store.js";
import { clockTime, number, refusal, t } from "./text.js";

const WITHIN_MS = 300_000; // it replays every pulse, after whoever asked before

const asked = new Map();

// Asks, once at a time for each session, and keeps what was answered; of a refusal its code.
export function prove(id) {
  if (!asked.has(id)) asked.set(id, ask(id).finally(() => asked.delete(id)));
  return asked.get(id);
}

async function ask(id) {
  store.proofs[id] = {};
  changed();
  try { store.proofs[id] = { ...(await call("GET", `/sessions/${id}/proof`, undefined, { withinMs: WITHIN_MS })), at: Date.now() }; }
  catch (error) { store.proofs[id] = { refused: error.code }; }
  changed();
}

export const known = (id) => store.proofs[id]?.at !== undefined;

// In a few words, for a table.
export function verdict(id) {
  const one = store.proofs[id];
  if (!one) return t("proof.not_asked");
  if (one.refused) return refusal(one.refused);
  if (one.at === undefined) return t("proof.asking");
  const word = judged(one);
  return word === "proved" ? t("proof.proved") : `${t(`proof.${word}`)}: ${why(one).map((about) => t(`proof.${about}`)).join(" ")}`;
}

// What is not kept any more speaks against nothing: a recording may be removed.
const GONE = ["absent", "unread"];
const judged = (one) => (one.proved ? "proved" : why(one).every((about) => GONE.includes(about)) ? "not_possible" : "not_proved");

const SHOWN = { proved: ["good", "✓", "proof.good"], not_possible: ["", "–", "proof.why"], not_proved: ["bad", "✗", "proof.bad"] };

export const why = (one) => [...new Set([...one.findings.map((finding) => finding.about), ...(one.sealed || one.findings.length ? [] : ["seal"])])];

// At length, on the session's own page.
export class Proof extends Component {
  componentDidMount() { if (!store.proofs[this.props.id]) prove(this.props.id); }
  render({ id }) {
    const one = store.proofs[id] ?? {};
    if (one.at === undefined) {
      return html`<div class="verdict" role="status"><p>${one.refused ? refusal(one.refused) : t("proof.asking_long")}</p>
        ${one.refused && html`<button type="button" class="noprint" onClick=${() => prove(id)}>${t("proof.again")}</button>`}</div>`;
    }
    const word = judged(one), [look, sign, then] = SHOWN[word];
    return html`<div class=${`verdict ${look}`} role="status">
      <p><strong>${sign} ${t(`proof.${word}`)}.</strong> ${t(then)}</p>
      ${!one.proved && html`<ul>${why(one).map((about) => html`<li>${t(`proof.${about}`)}</li>`)}</ul>`}
      <p class="small">${t("proof.basis", { chunks: number(one.chunks), pulses: number(one.pulses), time: clockTime(one.at) })}</p>
      ${one.findings.some((finding) => finding.detail) && html`<details><summary>${t("proof.details")}</summary><ul class="small" lang="en">
        ${one.findings.map((finding) => html`<li><span class="code">${finding.code}</span>${finding.row === null ? "" : ` (row ${finding.row})`}: ${finding.detail}</li>`)}</ul></details>`}
      <button type="button" class="link noprint" onClick=${() => prove(id)}>${t("proof.again")}</button></div>`;
  }
}
