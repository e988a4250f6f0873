// The list, its filters, and the episode in view. Loaded after timeline.js and traces.js, all in one script.

const at = (id) => document.getElementById(id);
let EPISODES = []; // until they are unpacked, which is at once
let BY_ID = new Map();
let BY_QUESTION = new Map();
const SCREEN = 100; // rows that are drawn at a time
const filters = at("filters");

const number = (value, digits = 0) =>
  value == null ? "–" : value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const words = (name) => name.replaceAll("_", " ");

// -- the list ------------------------------------------------------------------------------------------------------

const between = (value, low, high) => (low === "" || value >= +low) && (high === "" || (value != null && value <= +high));
const searched = (episode) => `${episode.asked} ${episode.title} ${episode.id} ${episode.item.at(-1)[1]}`.toLowerCase();
const last = (value) => value ?? Infinity; // an episode without a latency comes after those that have one
const ORDERS = {
  "as recorded": null,
  "soonest first": (a, b) => last(a.latency) - last(b.latency),
  "latest first": (a, b) => (b.latency ?? -1) - (a.latency ?? -1),
  "most forks first": (a, b) => (b.forks ?? 0) - (a.forks ?? 0),
  "by question": (a, b) => (a.asked < b.asked ? -1 : a.asked > b.asked ? 1 : 0),
};
const TESTS = [
  (episode, wanted) => !wanted.task || episode.task === wanted.task,
  (episode, wanted) => !wanted.arm || episode.arm === wanted.arm,
  (episode, wanted) => !wanted.variant || episode.variant === wanted.variant,
  (episode, wanted) => !wanted.verdict || episode.verdict === wanted.verdict,
  (episode, wanted) => !wanted.error || episode.errors.includes(wanted.error),
  (episode, wanted) => !wanted.search || searched(episode).includes(wanted.search.trim().toLowerCase()),
  (episode, wanted) => between(episode.forks, wanted.fewest, wanted.most),
  (episode, wanted) => between(episode.latency, wanted.fastest, wanted.slowest),
];

let matching = EPISODES;
let drawn = 0;

function fillChoices() {
  const every = { task: "task", arm: "arm", verdict: "verdict", error: "errors", variant: "variant" };
  for (const [name, key] of Object.entries(every)) {
    const counts = new Map();
    for (const value of EPISODES.flatMap((episode) => episode[key])) counts.set(value, (counts.get(value) ?? 0) + 1);
    const options = [...counts].filter(([value]) => value !== "").sort((a, b) => (a[0] < b[0] ? -1 : 1));
    const told = (value) => (name === "arm" || name === "variant" ? value : words(value)); // names of params.yaml
    const choice = ([value, count]) => make("option", { value, textContent: `${told(value)} (${number(count)})` });
    filters.elements[name].append(make("option", { value: "", textContent: "any" }), ...options.map(choice));
    if (name === "variant") filters.elements[name].parentElement.hidden = options.length < 2;
  }
  const orders = Object.keys(ORDERS).map((name) => make("option", { value: ORDERS[name] ? name : "", textContent: name }));
  filters.elements.sort.append(...orders);
}

const arm = (episode) => episode.arm || episode.mode;

function row(episode, position) {
  const verdict = make("span", { className: `verdict ${episode.verdict}`, textContent: episode.verdict });
  const latency = make("span", { className: "latency", textContent: episode.latency == null ? "no T" : `T ${number(episode.latency)}` });
  const forks = episode.forks === 1 ? "1 fork" : `${number(episode.forks ?? 0)} forks`;
  const remarks = [arm(episode), ...(episode.mode === "asynchronous" ? [forks] : [])];
  remarks.push(...episode.errors.filter((error) => error !== "none").map(words));
  const link = make("a", { href: `#${encodeURIComponent(episode.id)}` }, verdict, " ");
  link.append(make("span", { className: "asked", textContent: episode.asked || words(episode.task) }), " ", latency, " ");
  const title = make("span", { className: "title", textContent: episode.title });
  link.append(make("span", { className: "remarks" }, title, ` · ${remarks.join(" · ")}`));
  link.dataset.id = episode.id;
  const item = make("li", {}, link);
  item.setAttribute("aria-setsize", matching.length);
  item.setAttribute("aria-posinset", position + 1);
  return item;
}

function drawMore() {
  const next = matching.slice(drawn, drawn + SCREEN);
  at("list").append(...next.map((episode, index) => row(episode, drawn + index)));
  drawn += next.length;
  at("more").hidden = drawn >= matching.length;
  markCurrent();
}

function filterList() {
  const wanted = Object.fromEntries(new FormData(filters));
  matching = EPISODES.filter((episode) => TESTS.every((test) => test(episode, wanted)));
  if (ORDERS[wanted.sort]) matching.sort(ORDERS[wanted.sort]);
  drawn = 0;
  at("list").replaceChildren();
  at("count").textContent =
    matching.length === EPISODES.length ? `${number(EPISODES.length)} recorded` : `${number(matching.length)} of ${number(EPISODES.length)}`;
  at("clear").hidden = Object.values(wanted).every((value) => value === "");
  at("none").hidden = matching.length > 0 || EPISODES.length === 0;
  drawMore();
  drawNeighbours();
}

function markCurrent() {
  for (const link of at("list").querySelectorAll("a")) {
    if (link.dataset.id === current?.id) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

function scrollToCurrent() {
  while (drawn <= matching.indexOf(current)) drawMore();
  at("list").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
}

// -- the episode in view -------------------------------------------------------------------------------------------

let current = null;
let clock = 0;
let traces = [];
let painting = null;
let playing = null;

function pairs(list, entries) {
  list.replaceChildren(
    ...entries.map(([term, value, note]) => {
      const meaning = make("dd", { textContent: value });
      if (note) meaning.append(" ", make("small", { textContent: note }));
      return make("div", {}, make("dt", { textContent: term }), meaning);
    }),
  );
}

function eventRow(event, index) {
  const [when, text, quote, critical] = event;
  const button = make("button", { type: "button" }, make("span", { className: "when", textContent: number(when) }));
  const said = make("span", { className: "said", textContent: text });
  if (quote) said.append(": ", make("q", { textContent: quote }));
  button.append(" ", said);
  button.addEventListener("click", () => setClock(when));
  return make("li", { className: critical ? "critical" : "" }, button);
}

function paint() {
  if (!current || !at("stepper").clientWidth) return; // the narrow page hides the episode behind the list
  painting = paintTimeline(at("timeline"), current.timeline);
  const thumb = 16; // the range's thumb is centred on the clock, so its track overhangs the axis by half a thumb
  at("clock").style.marginLeft = `${painting.left - thumb / 2}px`;
  at("clock").style.width = `calc(100% - ${painting.left + painting.right - thumb}px)`;
  painting?.place(clock);
}

function show(episode) {
  stopPlaying();
  current = episode;
  document.title = `${episode.title} · Episodes`;
  at("view").hidden = false;
  at("nothing").hidden = true;
  at("name").textContent = episode.title;
  at("kind").textContent = [words(episode.task), episode.arm, `${episode.mode} thinking`].filter(Boolean).join(" · ");
  pairs(at("item"), episode.item);
  drawOthers(episode);
  pairs(at("numbers"), episode.numbers);
  at("sentence").textContent = episode.sentence;
  at("events").replaceChildren(...episode.events.map(eventRow));
  traces = episode.traces.map((trace) => traceView(trace));
  at("traces").replaceChildren(...traces.map((trace) => trace.view));
  for (const part of ["key", "terms"]) at(part).hidden = episode.mode !== "asynchronous";
  at("injected-hint").hidden = !traces.some((trace) => trace.injected);
  at("spread-hint").hidden = traces.every((trace) => trace.exact);
  at("clock").max = episode.timeline.span;
  clock = episode.timeline.span;
  paint();
  setClock(clock);
  markCurrent();
  scrollToCurrent();
  drawNeighbours();
}

// The same question under every way of thinking, on one clock: what a reader wants to compare.
function drawOthers(episode) {
  const others = (BY_QUESTION.get(question(episode)) ?? []).filter((other) => arm(other) !== arm(episode));
  const shown = [episode, ...others.slice(0, 12)];
  const span = Math.max(...shown.map((each) => each.timeline.span));
  const rows = shown.map((each) => {
    const told = `${arm(each)}: ${each.verdict}, ${each.latency == null ? "no T" : `T ${number(each.latency)}`}`;
    const link = { href: `#${encodeURIComponent(each.id)}`, textContent: told };
    const name = each === episode ? make("span", { textContent: told }) : make("a", link);
    return make("div", {}, name, miniature(each.timeline, span));
  });
  at("others").hidden = others.length === 0;
  at("others").replaceChildren("The same question, on one clock:", ...rows);
}

const question = (episode) => episode.asked && JSON.stringify([episode.task, episode.item.slice(0, -1)]);

function setClock(value) {
  if (!current) return;
  clock = Math.min(Math.max(value, 0), current.timeline.span);
  const past = current.events.filter(([when]) => when <= clock);
  const last = past.at(-1);
  const nothing = clock ? "No fork, join or answer so far." : "Nothing has been decoded yet.";
  const moment = last ? `Step ${number(last[0])}: ${last[1]}` : nothing;
  painting?.place(clock);
  for (const trace of traces) trace.reveal(clock, clock === current.timeline.span);
  at("clock").value = clock;
  at("clock").setAttribute("aria-valuetext", `step ${clock} of ${current.timeline.span}`);
  at("reading").textContent = `step ${number(clock)} of ${number(current.timeline.span)}`;
  if (at("moment").textContent !== moment) at("moment").textContent = moment;
  [...at("events").children].forEach((item, index) => {
    item.classList.toggle("ahead", index >= past.length);
    if (index === past.length - 1) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  });
}

function eventClock(direction) {
  const clocks = current.events.map(([when]) => when);
  return direction > 0
    ? (clocks.find((when) => when > clock) ?? current.timeline.span)
    : (clocks.findLast((when) => when < clock) ?? 0);
}

function stopPlaying() {
  clearInterval(playing);
  playing = null;
  at("play").textContent = "Play";
  at("play").setAttribute("aria-pressed", "false");
}

function play() {
  if (playing) return stopPlaying();
  const stride = Math.max(1, Math.ceil(current.timeline.span / 150));
  if (clock >= current.timeline.span) setClock(0);
  at("play").textContent = "Pause";
  at("play").setAttribute("aria-pressed", "true");
  playing = setInterval(() => {
    setClock(clock + stride);
    if (clock >= current.timeline.span) stopPlaying();
  }, 80);
}

// -- where we are: the fragment names the episode --------------------------------------------------------------------

function neighbour(direction) {
  const position = matching.indexOf(current);
  return matching[position < 0 ? (direction > 0 ? 0 : -1) : position + direction];
}

function drawNeighbours() {
  at("outside").hidden = !current || matching.includes(current);
  at("before").disabled = !neighbour(-1);
  at("behind").disabled = !neighbour(1);
}

function open(episode) {
  if (episode) location.hash = encodeURIComponent(episode.id);
}

function wantedId() {
  const fragment = location.hash.slice(1);
  try {
    return decodeURIComponent(fragment);
  } catch {
    return fragment; // not an encoding of anything, so no episode's name either
  }
}

function follow() {
  const id = wantedId();
  document.body.classList.toggle("reading", id !== "");
  if (BY_ID.has(id)) {
    show(BY_ID.get(id));
    scrollTo(0, 0);
  } else if (id !== "") {
    stopPlaying();
    current = null;
    at("view").hidden = true;
    at("nothing").hidden = false;
    at("nothing").textContent = `No episode here is called ${id}.`;
    markCurrent();
  } else if (EPISODES.length) {
    show(matching[0] ?? EPISODES[0]);
  }
}

const STEPS = {
  ArrowLeft: (shift) => (shift ? eventClock(-1) : clock - 1),
  ArrowRight: (shift) => (shift ? eventClock(1) : clock + 1),
};

document.addEventListener("keydown", (press) => {
  const busy = press.target.matches("input, select, textarea") && press.target !== at("clock");
  if (!current || busy || press.ctrlKey || press.metaKey || press.altKey || !STEPS[press.key]) return;
  press.preventDefault();
  stopPlaying();
  setClock(STEPS[press.key](press.shiftKey));
});

function drag(pointer) {
  if (pointer.buttons !== 1) return;
  stopPlaying();
  setClock(painting.clockAt(pointer.clientX - at("timeline").getBoundingClientRect().left));
}

at("timeline").addEventListener("pointerdown", drag);
at("timeline").addEventListener("pointermove", drag);
at("clock").addEventListener("input", () => (stopPlaying(), setClock(at("clock").valueAsNumber)));
at("play").addEventListener("click", play);
at("step-back").addEventListener("click", () => (stopPlaying(), setClock(clock - 1)));
at("step-on").addEventListener("click", () => (stopPlaying(), setClock(clock + 1)));
at("event-back").addEventListener("click", () => (stopPlaying(), setClock(eventClock(-1))));
at("event-on").addEventListener("click", () => (stopPlaying(), setClock(eventClock(1))));
at("before").addEventListener("click", () => open(neighbour(-1)));
at("behind").addEventListener("click", () => open(neighbour(1)));
at("skip").addEventListener("click", () => at("episode").focus());
at("more").addEventListener("click", drawMore);
filters.addEventListener("input", filterList);
filters.addEventListener("reset", () => setTimeout(filterList));
filters.addEventListener("submit", (submission) => submission.preventDefault());
addEventListener("hashchange", () => (follow(), at("episode").focus({ preventScroll: true })));
new ResizeObserver(paint).observe(at("stepper"));
new IntersectionObserver((seen) => seen.at(-1).isIntersecting && drawMore()).observe(at("more"));

async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
}

function begin(episodes) {
  EPISODES = episodes;
  BY_ID = new Map(EPISODES.map((episode) => [episode.id, episode]));
  BY_QUESTION = Map.groupBy ? Map.groupBy(EPISODES.filter(question), question) : new Map();
  fillChoices();
  filterList();
  follow();
  document.body.dataset.ready = "";
}

if (window.DecompressionStream) unpacked(at("episodes").textContent).then(begin);
else {
  at("nothing").hidden = false;
  at("nothing").textContent = "This page needs a browser of 2023 or newer: it unpacks its episodes by itself.";
}
