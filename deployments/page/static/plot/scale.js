// Where values and times are on the axes of a plot, and at which of them the axes have marks. Pure functions.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** The distances between two marks of a time axis, in ms. */
const TIME_STEPS = [1, 2, 5, 10, 15, 30].map((count) => count * SECOND)
  .concat([1, 2, 5, 10, 15, 30].map((count) => count * MINUTE))
  .concat([1, 2, 3, 6, 12].map((count) => count * HOUR))
  .concat([1, 2, 7, 14, 28].map((count) => count * DAY));

/** The marks of an axis from 0 to at least `highest`, at 1, 2 or 5 times a power of ten: about `count` beside 0. */
export function valueMarks(highest, count = 3) {
  if (!(highest > 0)) return [0, 1];
  const rough = highest / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * (1 - 1e-9));
  const last = Math.ceil(highest / step - 1e-9);
  return Array.from({ length: last + 1 }, (_, index) => Number((index * step).toPrecision(12)));
}

/** The marks of a time axis between two times (ms), at most `count`, at full seconds, minutes, hours or days of this clock. */
export function timeMarks(from, to, count = 6) {
  const step = TIME_STEPS.find((candidate) => (to - from) / candidate <= count) ?? TIME_STEPS.at(-1);
  const offset = new Date(from).getTimezoneOffset() * MINUTE;
  const first = Math.ceil((from - offset) / step) * step + offset;
  const marks = [];
  for (let at = first; at <= to; at += step) marks.push(at);
  return marks;
}

/** A function that leads from `[from, to]` to `[start, end]`; a range without length leads to its middle. */
export function scale([from, to], [start, end]) {
  const span = to - from;
  return (value) => (span === 0 ? (start + end) / 2 : start + ((value - from) / span) * (end - start));
}

/** The index of the time in `times`, which go up, that is nearest to `at`; -1 if there are none. */
export function nearest(times, at) {
  let low = 0;
  let high = times.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < at) low = middle + 1;
    else high = middle;
  }
  return low > 0 && at - times[low - 1] <= times[low] - at ? low - 1 : Math.min(low, times.length - 1);
}

/** The runs of neighbouring values that are there, as lists of indices: a line is broken where one is null. */
export function runs(values) {
  const found = [];
  let run = null;
  values.forEach((value, index) => {
    if (value == null) run = null;
    else if (run) run.push(index);
    else found.push((run = [index]));
  });
  return found;
}
