// Which highest values this device may be given, why a lower one may not be, and what can be done about it.
import { html } from "./html.js";
import { ma, number, t } from "./text.js";

export const capRange = ({ least_ma: least, most_ma: most }) => (most < least ? t("caps.none") : t("caps.range", { least: ma(least), most: ma(most) }));

// ``wanted``: mA; null says only what is never possible.
export function CapWhy({ caps, wanted }) {
  const { full_scale_ma: full, least_ma: least, most_ma: most, smaller } = caps;
  const low = wanted > 0 && wanted < least;
  if (!low && most >= least) return null;
  const fits = smaller.filter((one) => !low || one.least_ma <= wanted).at(-1); // else none is small enough
  return html`<div class="told" role="status"><p>${most < least ? t("caps.never", { least: ma(least), most: ma(most) }) : t("caps.low", { wanted: ma(wanted), least: ma(least) })}</p>
    ${smaller.length > 0 && html`<p>${t("caps.why", { full: number(full) })}</p>`}
    <p>${[fits && t("caps.fit", { full: number(fits.full_scale_ma), least: ma(fits.least_ma) }), most >= least && t("caps.bound", { least: ma(least) })].filter(Boolean).join(" ")}</p></div>`;
}
