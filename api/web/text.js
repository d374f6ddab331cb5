// Words, numbers and dates in the chosen language. The words are in lang/; docs/how-to/a-new-language.md says how to add one.
import { changed, store } from "./store.js";

export const LANGUAGES = {
  nb: { name: "Norsk", tag: "nb-NO" },
  en: { name: "English", tag: "en-GB" },
};
const number_ = (options) => (tag) => new Intl.NumberFormat(tag, options);
const date_ = (options) => (tag) => new Intl.DateTimeFormat(tag, options);
const FORMATS = {
  ma: number_({ minimumFractionDigits: 1, maximumFractionDigits: 1 }),
  number: number_({ maximumFractionDigits: 2 }),
  small: number_({ maximumSignificantDigits: 2 }), // else a small figure would be 0
  date: date_({ day: "numeric", month: "short", year: "numeric" }),
  short: date_({ day: "numeric", month: "short" }),
  weekday: date_({ weekday: "long", day: "numeric" }),
  time: date_({ hour: "2-digit", minute: "2-digit" }),
  moment: date_({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }),
};
let words = {};
let formats = {}; // of the chosen language; each made when it is first used: that takes a slow phone some 20 ms

export const language = () => document.documentElement.lang;

export async function speak(name) {
  const chosen = name in LANGUAGES ? name : "nb";
  const answer = await fetch(`/web/lang/${chosen}.json`);
  words = await answer.json();
  document.documentElement.lang = chosen;
  document.title = words.title;
  try { localStorage.setItem("language", chosen); } catch { /* for this visit only */ }
  formats = {};
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

const format = (name, value) => (formats[name] ??= FORMATS[name](LANGUAGES[language()].tag)).format(value);
export const ma = (value) => format("ma", value);
// As most are: written alike in every language so far, and without what the first format costs.
const plain = (value) => Number.isInteger(value) && value >= 0 && value < 1000;
export const number = (value) => (plain(value) ? String(value) : format(Math.abs(value) < 0.1 ? "small" : "number", value));
export const date = (value) => format("date", new Date(value));
export const shortDate = (value) => format("short", new Date(value));
export const weekday = (value) => format("weekday", new Date(value));
export const clockTime = (value) => format("time", new Date(value));
export const moment = (value) => format("moment", new Date(value));

export function clock(ms) {
  const seconds = Math.ceil(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

export const seconds = (ms) => String(Math.ceil(ms / 1000));
export const programmeTitle = (id) => inLanguage(store.titles[id]) || id;
export const inLanguage = (texts) => texts?.[language()] ?? texts?.nb ?? texts?.en ?? "";
