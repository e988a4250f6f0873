// Paints a timeline. What to paint, and where on the clock, was decided in reporting/timeline.py: each mark is
// [kind, class, ...numbers] with x in decoding steps and y in pixels; here steps become pixels, and a text that has no
// room at this width gives way to its shorter variant or to none.

const GUTTER = 74;
const MARGIN = 16;
const LETTER = 6.2;
const ASIDE = 5;
const AXIS = 22;

function node(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

const PAINT = {
  bar: (scale, name, start, end, y, height) =>
    node("rect", { class: name, x: scale.x(start), y, width: scale.x(end) - scale.x(start), height }),
  line: (scale, name, start, y1, end, y2) =>
    node("line", { class: name, x1: scale.x(start), y1, x2: scale.x(end), y2 }),
  path: (scale, name, points) =>
    node("polyline", { class: name, points: points.map(([clock, y]) => `${scale.x(clock)},${y}`).join(" ") }),
  arrow: (scale, name, clock, y, rise) =>
    node("path", { class: name, d: `M${scale.x(clock)} ${y}l-4 ${7 * rise}h8z` }),
  name: (scale, name, y, text) => node("text", { class: name, x: 0, y }, text),
  text: (scale, name, clock, y, anchor, room, ...variants) => {
    const fits = variants.find((variant) => variant.length * LETTER <= room * scale.step);
    const aside = name.endsWith(" aside") ? (anchor === "start" ? ASIDE : -ASIDE) : 0;
    return fits && node("text", { class: name, x: scale.x(clock) + aside, y, "text-anchor": anchor }, fits);
  },
};

// The lanes alone, small and without words, on a clock of `span` steps.
function miniature(timeline, span) {
  const bars = timeline.marks.filter(([kind, name]) => kind === "bar" && name !== "active");
  const lanes = [...new Set(bars.map((bar) => bar[4]))].sort((a, b) => a - b);
  const svg = node("svg", { class: "timeline", "aria-hidden": true, height: 7 * lanes.length });
  const share = (steps) => `${(100 * steps) / Math.max(span, 1)}%`;
  for (const [, name, start, end, y] of bars) {
    const place = { x: share(start), y: 7 * lanes.indexOf(y) + 1, width: share(end - start), height: 5 };
    svg.append(node("rect", { class: name, ...place }));
  }
  return svg;
}

function paintTimeline(svg, timeline) {
  const width = svg.parentElement.clientWidth;
  const step = (width - GUTTER - MARGIN) / Math.max(timeline.span, 1);
  const scale = { step, x: (clock) => Math.round((GUTTER + clock * step) * 10) / 10 };
  const painted = timeline.marks.map(([kind, ...rest]) => PAINT[kind](scale, ...rest)).filter(Boolean);
  const veil = node("rect", { class: "veil", y: 0, height: timeline.height - AXIS });
  const hand = node("line", { class: "hand", y1: 0, y2: timeline.height - AXIS });
  svg.setAttribute("viewBox", `0 0 ${width} ${timeline.height}`);
  svg.setAttribute("width", width);
  svg.setAttribute("height", timeline.height);
  svg.replaceChildren(...painted, veil, hand);
  return {
    place(clock) {
      veil.setAttribute("x", scale.x(clock));
      veil.setAttribute("width", Math.max(width - scale.x(clock), 0));
      hand.setAttribute("x1", scale.x(clock));
      hand.setAttribute("x2", scale.x(clock));
      hand.style.display = clock < timeline.span ? "" : "none";
    },
    clockAt(pixels) {
      return Math.min(Math.max(Math.round((pixels - GUTTER) / step), 0), timeline.span);
    },
    left: GUTTER,
    right: MARGIN,
  };
}
