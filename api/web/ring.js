// The ring: it fills while the squeeze comes, stays while it holds, and empties while it goes.
import { html } from "./html.js";
import { seconds, t } from "./text.js";

const AROUND = 2 * Math.PI * 90;

// How much of the squeeze is there, 0 to 1.
export function level(part, leftMs, totalMs) {
  const left = Math.min(1, Math.max(0, leftMs / totalMs));
  return { ramp_up: 1 - left, hold: 1, ramp_down: left, continuous: 0.6 }[part] ?? 0;
}

export function Ring({ part, leftMs, totalMs, word, stale }) {
  const now = level(part, leftMs, totalMs);
  const done = leftMs <= 0 ? 0 : 1 - Math.min(1, Math.max(0, leftMs / totalMs));
  const counts = leftMs > 0 && part !== "waiting";
  return html`<div class=${`ring ${part} ${stale ? "stale" : ""}`} data-part=${part}>
    <svg viewBox="0 0 200 200" aria-hidden="true">
      <circle class="track" cx="100" cy="100" r="90" />
      <circle class="done" cx="100" cy="100" r="90" stroke-dasharray=${AROUND.toFixed(1)}
        stroke-dashoffset=${(AROUND * (1 - done)).toFixed(1)} />
      <circle class="body" cx="100" cy="100" r="80" style=${{ transform: `scale(${(0.66 + 0.34 * now).toFixed(3)})` }} />
    </svg>
    <p class="word"><span>${word ?? t(`part.${part}`)}</span>${counts && html`<strong aria-hidden="true">${seconds(leftMs)}</strong>`}</p>
    <p class="hidden" role="status">${word ?? t(`part.${part}`)}</p>
  </div>`;
}
