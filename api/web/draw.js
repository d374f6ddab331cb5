// A programme as figures and pictures: the derived figures with their ceilings, one pulse, one contraction, the session.
import { html } from "./html.js";
import { inLanguage, number, t } from "./text.js";

const SHOWN = ["peak_current_ma", "charge_per_phase_uc", "net_charge_per_pulse_code_us", "rms_current_ma", "rms_density_ma_per_cm2",
  "duty_percent", "average_absolute_current_ma", "energy_per_pulse_500_ohm_mj", "max_voltage_500_ohm_v", "max_voltage_2000_ohm_v",
  "max_voltage_10000_ohm_v", "power_density_500_ohm_w_per_cm2", "shannon_k", "pulses", "contractions", "longest_contraction_s", "shortest_rest_s"];
const DRAWN_MAX = 1500; // contractions of one channel, each by itself; more are drawn as a band

// What is wrong with a programme: in words, and as `pelvistim check` says it.
export const Problem = ({ one }) => html`<p class="told" role="alert">${t(`problem.${one.code}`)}
  <br /><span class="small" lang="en">${[one.field, one.value].filter(Boolean).join(": ")}; ${one.allowed}. ${one.advice} [${one.code}]</span></p>`;

export function Figures({ programme }) {
  const { channels, ceilings, problems, warnings, session } = programme.figures;
  const names = Object.keys(channels);
  const rows = SHOWN.filter((key) => names.some((name) => channels[name][key] != null));
  return html`<div class="figures" aria-live="polite">
    ${problems.map((one) => html`<${Problem} one=${one} />`)}
    ${warnings.map((one) => html`<p class="small">${t("figures.contrast")} <span lang="en">${one.place}: ${one.value}. ${one.advice}</span></p>`)}
    <p>${t("figures.session", { minutes: number(session.minutes), contractions: number(session.contractions), pulses: number(session.pulses) })}</p>
    <table><caption>${t("figures.caption", { ma: number(programme.figures.max_ma) })}</caption>
      <thead><tr><th scope="col">${t("figures.what")}</th>${names.map((name) => html`<th scope="col">${name}</th>`)}<th scope="col">${t("figures.ceiling")}</th></tr></thead>
      <tbody>${rows.map((key) => html`<tr><th scope="row">${t(`figure.${key}`)}</th>
        ${names.map((name) => html`<td>${channels[name][key] == null ? "–" : number(channels[name][key])}</td>`)}
        <td>${ceilings[key] == null ? "" : number(ceilings[key])}</td></tr>`)}</tbody></table>
    <p class="small">${t("figures.shannon")}</p>
    <${Session} programme=${programme} />
    ${programme.phases.map((phase) => html`<${Waveform} phase=${phase} />`)}
    <details><summary>${t("figures.source")}</summary><p lang="en">${programme.figures.programme.source}</p></details>
  </div>`;
}

// One pulse and one contraction, to scale within each.
export function Waveform({ phase }) {
  if (!phase.channels.length) return html`<p class="small">${inLanguage(phase.name)}: ${t("figures.pause", { seconds: number(phase.duration_s) })}</p>`;
  const { phase_width_us: width, interphase_us: gap } = phase;
  const whole = 2 * width + gap, x = (us) => 10 + (us / whole) * 120;
  const pulse = `M2 50H${x(0)}V15H${x(width)}V50H${x(width + gap)}V85H${x(whole)}V50H138`;
  const spans = [phase.ramp_up_ms, phase.hold_ms, phase.ramp_down_ms, phase.rest_ms];
  const all = spans.reduce((sum, ms) => sum + ms, 0), at = (n) => 150 + (spans.slice(0, n).reduce((sum, ms) => sum + ms, 0) / all) * 146;
  const train = `M150 85L${at(1)} 15H${at(2)}L${at(3)} 85H296`;
  const words = t(phase.continuous ? "figures.continuous" : "figures.phase", {
    name: inLanguage(phase.name), hz: number(phase.frequency_hz), width: number(width), gap: number(gap), up: number(phase.ramp_up_ms / 1000),
    hold: number(phase.hold_ms / 1000), down: number(phase.ramp_down_ms / 1000), rest: number(phase.rest_ms / 1000), n: number(phase.repeats) });
  return html`<figure class="wave"><svg viewBox="0 0 300 100" role="img" aria-label=${words}><path d="M2 50H138" class="axis" /><path d="M150 85H296" class="axis" />
    <path d=${pulse} class="pulse" /><path d=${train} class="pulse" /></svg><figcaption class="small">${words}</figcaption></figure>`;
}

// The whole session of one channel: each contraction as high as its share of the set-point, against time.
function envelope(phases, cycles, name, totalS) {
  const x = (s) => ((s / totalS) * 300).toFixed(2), y = (percent) => (44 - percent * 0.4).toFixed(1);
  const mine = phases.filter((phase) => phase.channels.includes(name));
  const single = mine.reduce((sum, phase) => sum + phase.repeats, 0) * cycles <= DRAWN_MAX;
  let at = 0, path = "M0 44";
  for (let cycle = 0; cycle < cycles; cycle++) {
    for (const phase of phases) {
      if (phase.channels.includes(name)) {
        const top = y(phase.intensity_percent), each = phase.duration_s / phase.repeats;
        const up = phase.ramp_up_ms / 1000, hold = up + phase.hold_ms / 1000, down = hold + phase.ramp_down_ms / 1000;
        if (!single) path += `H${x(at)}V${top}H${x(at + phase.duration_s)}V44`;
        for (let n = 0; single && n < phase.repeats; n++) {
          const from = at + n * each;
          path += `H${x(from)}L${x(from + up)} ${top}H${x(from + hold)}L${x(from + down)} 44`;
        }
      }
      at += phase.duration_s;
    }
  }
  return `${path}H300`;
}

export function Session({ programme }) {
  const { phases } = programme, { cycles } = programme.figures.programme;
  const totalS = cycles * phases.reduce((sum, phase) => sum + phase.duration_s, 0);
  const names = Object.keys(programme.figures.channels);
  return html`<figure class="wave">${names.map((name) => html`
    <svg viewBox="0 0 300 48" role="img" aria-label=${t("figures.drawn", { name, minutes: number(totalS / 60) })} preserveAspectRatio="none">
      <path d="M0 44H300" class="axis" /><path d=${envelope(phases, cycles, name, totalS)} class="body" /></svg>`)}
    <p class="ends"><span>0</span><span>${t("figures.minutes", { n: number(totalS / 60) })}</span></p>
    <figcaption class="small">${names.map((name) => t("figures.drawn", { name, minutes: number(totalS / 60) })).join(" ")}</figcaption></figure>`;
}
