// Where a training is, and how one does. Pure; ms, and percent of the own strongest.

const BEHIND_MS = 60; // so late is drawn: the next block is then there
const JUMP_MS = 400; // off by more is set, by less led gently
const GRACE_MS = 800; // to follow a cue: nothing is said before
const DAY_MS = 86_400_000;

export const endOf = (part) => part.start_ms + part.length_ms;
export const partAt = (parts, ms) => parts.find((one) => ms < endOf(one)) ?? null;
export const squeezed = (parts, ms) => parts.filter((one) => one.what === "squeeze" && endOf(one) <= ms).length;

// Which squeeze of this round, and which round; n is 0 where nothing is counted.
export function place(parts, part) {
  const at = parts.indexOf(part), { task } = part;
  const within = (tasks) => {
    let from = at, to = at;
    while (tasks.includes(parts[from - 1]?.task)) from--;
    while (tasks.includes(parts[to + 1]?.task)) to++;
    return [parts.slice(from, at + 1), parts.slice(from, to + 1)];
  };
  const count = (all, name, value) => all.filter((one) => one[name] === value).length;
  if (task === "between") return { n: 0 };
  const [n, of] = within([task]).map((all) => count(all, "what", "squeeze"));
  const [set, sets] = within([task, "between"]).map((all) => count(all, "task", "between") + 1);
  return { n, of, set, sets };
}

// How one does: a word while squeezing, or while letting go; null: nothing to say.
export function said(part, percent, atMs) {
  if (!part || percent === null || atMs - part.start_ms < Math.min(GRACE_MS, 0.4 * part.length_ms)) return null;
  const { low_percent: low, high_percent: high } = part;
  if (part.what === "rest") return high === null ? null : percent <= high ? "gone" : "still";
  if (low === null) return null;
  return percent < low ? "more" : high !== null && percent > high ? "less" : "good";
}

// The training's time, out of blocks that come sooner or later.
export class Pace {
  take(ms, now) {
    const offset = ms - now;
    if (this.offset === undefined || Math.abs(offset - this.offset) > JUMP_MS) this.offset = offset;
    else this.offset += 0.1 * (offset - this.offset);
  }
  at(now) { return this.offset === undefined ? null : now + this.offset - BEHIND_MS; }
}

// The level between the two steps around a time, else the newest; null before there is any.
export function levelAt(trail, ms) {
  let after = trail.length;
  while (after > 0 && trail[after - 1].ms > ms) after--;
  const [one, next] = [trail[after - 1], trail[after]];
  if (!one) return null;
  return next ? one.level + ((ms - one.ms) / (next.ms - one.ms)) * (next.level - one.level) : one.level;
}

// ISO days -> {week: how many of the last seven, weeks: weeks in a row that had one}. One without is forgiven, and so is
// the week that goes on.
export function streak(days, today) {
  const now = Date.parse(today), ago = (day) => Math.floor((now - Date.parse(day)) / (7 * DAY_MS));
  const had = new Set(days.filter((day) => Date.parse(day) <= now).map(ago));
  let weeks = 0, missed = 0;
  for (let week = 0; missed < 2; week++) {
    if (had.has(week)) { weeks++; missed = 0; } else if (week > 0) missed++;
  }
  return { week: new Set(days.filter((day) => Date.parse(day) <= now && ago(day) === 0)).size, weeks };
}
