// Our own drawings, as plain as they can be: how one lies, and what goes where. Words beside them say the same.
import { html } from "./html.js";
import { t } from "./text.js";

export const LYING = html`<g class="ink"><path d="M14 92h172" /><circle cx="34" cy="74" r="11" /><path d="M46 80c22 4 42 6 60 6l30-38 26 40" />
  <path d="M58 82c12-8 22-8 30 2" /></g>`;

const KINDS = {
  "vaginal probe": html`<g class="ink"><path d="M100 12c-40 0-64 24-64 52s22 42 64 42 64-14 64-42-24-52-64-52Z" class="soft" />
    <path d="M88 106V64c0-16 24-16 24 0v42" class="probe" /><path d="M88 72h24M88 88h24" class="band" /><path d="M100 106v14c0 10 30 4 44 12" /></g>`,
  "anal probe": html`<g class="ink"><path d="M100 12c-40 0-64 24-64 52s22 42 64 42 64-14 64-42-24-52-64-52Z" class="soft" />
    <path d="M92 106V78c0-20 16-20 16 0v28M84 106h32" class="probe" /><path d="M92 84h16M92 96h16" class="band" /><path d="M100 106v14c0 10 30 4 44 12" /></g>`,
  surface: html`<g class="ink"><path d="M40 20c10 40 10 60 0 100M160 20c-10 40-10 60 0 100" /><path d="M46 60c30 14 78 14 108 0" class="soft" />
    <rect x="62" y="74" width="30" height="22" rx="6" class="probe" /><rect x="108" y="74" width="30" height="22" rx="6" class="probe" />
    <path d="M77 96c0 20 46 20 46 0M100 111v18" /></g>`,
};

export const Lying = () => html`<figure><svg viewBox="0 0 200 110" role="img" aria-label=${t("picture.lying")}>${LYING}</svg>
  <figcaption>${t("picture.lying")}</figcaption></figure>`;

export function Picture({ kind }) {
  if (!(kind in KINDS)) return null;
  const words = t(`picture.${kind}`);
  return html`<figure><svg viewBox="0 0 200 140" role="img" aria-label=${words}>${KINDS[kind]}</svg><figcaption>${words}</figcaption></figure>`;
}
