// The text of the traces, revealed up to the clock. Model text only ever becomes a text node.

const TAG = /(<\/?(?:FORK|JOIN)-[1-9]\d*>|<\/?(?:ANSWER|RETURN)>)/;

function make(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// Where each token of a text ends. The record keeps token counts and not token texts: if there are as many words as
// tokens, a token is a word; otherwise the ends are spread evenly over the text.
function tokenEnds(text, tokens) {
  const words = [...text.matchAll(/\s*\S+/g)].map((match) => match.index + match[0].length);
  if (words.length === tokens) return { ends: words, exact: true };
  const ends = Array.from({ length: tokens }, (_, token) => {
    const end = Math.round((text.length * (token + 1)) / tokens);
    const splits = /[\uD800-\uDBFF]/.test(text[end - 1] ?? "") && end < text.length;
    return splits ? end + 1 : end;
  });
  return { ends, exact: false };
}

function tagClass(tag) {
  return `tag ${tag.replace(/[^A-Z]/g, "").toLowerCase()}`;
}

// One piece of a segment: a tag or the text between two tags. `show(n)` writes its first n letters.
function piece(text, from, name) {
  const written = make("span", { className: name, textContent: text });
  const unwritten = make("span", { className: "unwritten" });
  const whole = make("span", {}, written, unwritten);
  let shown = text.length;
  return {
    whole,
    show(letters) {
      const now = Math.min(Math.max(letters - from, 0), text.length);
      if (now === shown) return;
      shown = now;
      written.textContent = text.slice(0, now);
      written.hidden = now === 0;
      unwritten.textContent = text.slice(now);
    },
  };
}

function segmentView([text, tokens, injected, start]) {
  let from = 0;
  const pieces = text.split(TAG).map((part) => {
    const made = piece(part, from, TAG.test(part) ? tagClass(part) : "");
    from += part.length;
    return made;
  });
  const label = injected ? [make("span", { className: "unseen", textContent: " (put in at the join:) " })] : [];
  const view = make("span", { className: injected ? "injected" : "own" }, ...label, ...pieces.map((part) => part.whole));
  const { ends, exact } = tokenEnds(text, tokens);
  return {
    view,
    exact: exact || injected,
    working: (clock) => !injected && start < clock && clock <= start + tokens,
    reveal(clock) {
      const decoded = Math.min(clock - start, tokens);
      const letters = injected ? (clock >= start ? text.length : 0) : decoded > 0 ? ends[decoded - 1] : 0;
      view.classList.toggle("unwritten", letters === 0);
      for (const part of pieces) part.show(letters);
    },
  };
}

// One agent's pane; `reveal(clock)` shows what it had written by then and marks whether it was decoding.
function traceView(trace) {
  const segments = trace.segments.map(segmentView);
  const title = make("h4", { textContent: trace.name });
  const text = make("div", { className: "text", tabIndex: 0 }, ...segments.map((segment) => segment.view));
  text.setAttribute("role", "region");
  text.setAttribute("aria-label", trace.name);
  const prompt = make("details", {}, make("summary", { textContent: "Prompt" }));
  prompt.append(make("div", { className: "text", textContent: trace.prompt }));
  const header = make("header", {}, title, make("p", { textContent: trace.note }));
  const view = make("section", { className: `trace ${trace.role}` }, header, prompt, text);
  return {
    view,
    exact: segments.every((segment) => segment.exact),
    injected: trace.segments.some(([, , injected]) => injected),
    reveal(clock, over) {
      const working = !over && segments.some((segment) => segment.working(clock));
      view.classList.toggle("working", working);
      for (const segment of segments) segment.reveal(clock);
      const edge = [...text.querySelectorAll("span.unwritten")].find((span) => span.textContent);
      if (edge && text.scrollHeight > text.clientHeight) text.scrollTop = edge.offsetTop - text.clientHeight / 2;
    },
  };
}
