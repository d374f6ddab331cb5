// Vibration, and sound for who asked for it: extras, never the only cue.
import { remembered } from "./store.js";

const TONES = { up: [330, 495], down: [495, 330] }; // Hz, from and to: the squeeze comes, the squeeze goes
const LENGTH_S = 0.35;
const LOUD = 0.15;
let audio = null;

// A browser lets sound out only after a tap: the switch is one, and so is every button before a session.
export function ready() {
  if (remembered("sound") !== true) return null;
  try { audio ??= new AudioContext(); if (audio.state === "suspended") audio.resume(); } catch { /* none here */ }
  return audio;
}
addEventListener("pointerdown", ready, true);

export function cue(way) {
  navigator.vibrate?.(way === "up" ? 80 : 30);
  const out = ready();
  if (!out) return;
  const [from, to] = TONES[way], at = out.currentTime;
  const tone = out.createOscillator(), volume = out.createGain();
  tone.frequency.setValueAtTime(from, at);
  tone.frequency.linearRampToValueAtTime(to, at + LENGTH_S);
  volume.gain.setValueAtTime(LOUD, at);
  volume.gain.linearRampToValueAtTime(0, at + LENGTH_S);
  tone.connect(volume).connect(out.destination);
  tone.start(at);
  tone.stop(at + LENGTH_S);
}
