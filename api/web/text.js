// Words, numbers and dates in the chosen language. The words are in lang/; docs/how-to/a-new-language.md says how to add one.
import { changed, store } from "./store.js";

export const LANGUAGES = {
  nb: { name: "Norsk", tag: "nb-NO" },
  en: { name: "English", tag: "en-GB" },
};
let words = {};
let formats = {};

export const language = () => document.documentElement.lang;

export async function speak(name) {
  const chosen = name in LANGUAGES ? name : "nb";
  const answer = await fetch(`/web/lang/${chosen}.json`);
  words = await answer.json();
  document.documentElement.lang = chosen;
  document.title = words.title;
  try { localStorage.setItem("language", chosen); } catch { /* for this visit only */ }
  const { tag } = LANGUAGES[chosen];
  formats = {
    ma: new Intl.NumberFormat(tag, { minimumFractionDigits: 1, maximumFractionDigits: 1 }),
    number: new Intl.NumberFormat(tag, { maximumFractionDigits: 2 }),
    small: new Intl.NumberFormat(tag, { maximumSignificantDigits: 2 }), // else a small figure would be 0
    date: new Intl.DateTimeFormat(tag, { day: "numeric", month: "short", year: "numeric" }),
    short: new Intl.DateTimeFormat(tag, { day: "numeric", month: "short" }),
    weekday: new Intl.DateTimeFormat(tag, { weekday: "long", day: "numeric" }),
    time: new Intl.DateTimeFormat(tag, { hour: "2-digit", minute: "2-digit" }),
    moment: new Intl.DateTimeFormat(tag, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }),
  };
  changed();
}

// The words of a key; {name} in them is filled in.
export function t(key, values) {
  const found = words[key];
  if (found === undefined) { console.error(`no words for ${key}`); return key; }
  return values ? found.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "") : found;
}

export const has = (key) => key in words;

export const cause = (code) => (has(`cause.${code}`) ? t(`cause.${code}`) : t("cause.other", { code }));
export const refusal = (code) => (has(`refusal.${code}`) ? t(`refusal.${code}`) : t("refusal.other", { code }));
export const finding = (code) => t(`finding.${code}`);

export const ma = (value) => formats.ma.format(value);
export const number = (value) => (Math.abs(value) < 0.1 ? formats.small : formats.number).format(value);
export const date = (value) => formats.date.format(new Date(value));
export const shortDate = (value) => formats.short.format(new Date(value));
export const weekday = (value) => formats.weekday.format(new Date(value));
export const clockTime = (value) => formats.time.format(new Date(value));
export const moment = (value) => formats.moment.format(new Date(value));

export function clock(ms) {
  const seconds = Math.ceil(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

export const seconds = (ms) => String(Math.ceil(ms / 1000));
export const programmeTitle = (id) => inLanguage(store.titles[id]) || id;
export const inLanguage = (texts) => texts?.[language()] ?? texts?.nb ?? texts?.en ?? "";
