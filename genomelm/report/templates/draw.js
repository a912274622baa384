// Drawing primitives. Texts become text nodes: nothing that came from a file is ever read as markup.
const SVG = "http://www.w3.org/2000/svg";
const CELL = 13, GUTTER = 136, RIGHT = 12, SHADES = 24, BASES = "ACGT";
const GREY = "#5b6472", PALE = "#d9dee5";

function element(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes ?? {})) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== ""));
  return made;
}

function label(x, y, text, attributes) {
  return element("text", { x, y, ...attributes }, String(text));
}

function figure(width, height, title, groups) {
  const attributes = { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": title, class: "locus" };
  return element("svg", attributes, element("title", {}, title), ...groups);
}

// Four significant digits, as the tables show numbers.
function shown(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (Number.isInteger(value)) return value.toLocaleString("en-US");
  if (size >= 1e-3 && size < 1e4) return String(Number(value.toPrecision(4)));
  return size >= 1e4 ? Math.round(value).toLocaleString("en-US") : value.toExponential(2);
}

function signed(value) {
  return (value > 0 ? "+" : "") + shown(value);
}

function at(index) {
  return GUTTER + CELL * index;
}

// One decimal, without a last ".0": the form in which genomelm.report.svg writes a glyph.
function tenth(value) {
  return value.toFixed(1).replace(/\.0$/, "");
}

// The outline of a letter that fills a box; a height under 0 turns it upside down, below `y`.
function glyph(letter, x, y, width, height) {
  const strokes = GLYPHS[letter];
  if (strokes === undefined || Math.abs(height) < 0.3) return "";
  const corner = [x, height < 0 ? y - height : y], size = [width, height];
  return strokes.map(([command, numbers]) =>
    command + numbers.map((n, i) => tenth(corner[i % 2] + size[i % 2] * n)).join(" ")).join("");
}

// Letters of signed heights around `zero`, as {letter: path}; `scale` in pixels a unit.
function logoPaths(sequence, heights, zero, scale) {
  const paths = {};
  [...sequence].forEach((base, i) => {
    const size = heights[i] * scale;
    paths[base] = (paths[base] ?? "") + glyph(base, at(i) + 0.5, zero - Math.max(size, 0), CELL - 1, size);
  });
  return paths;
}

function logo(name, sequence, heights, limits) {
  const height = 84;
  const [low, high] = limits ?? [Math.min(...heights, 0), Math.max(...heights, 0)];
  const scale = height / (high - low || 1), zero = high * scale;
  const parts = [label(GUTTER - 8, zero + 4, name, { "text-anchor": "end", class: "axis" })];
  if (zero >= 16) parts.push(label(GUTTER - 8, 10, shown(high), { "text-anchor": "end" }));
  if (low < 0 && height - zero > 16) parts.push(label(GUTTER - 8, height, shown(low), { "text-anchor": "end" }));
  for (const [base, d] of Object.entries(logoPaths(sequence, heights, zero, scale))) {
    if (d) parts.push(element("path", { d, fill: COLOURS[base] ?? GREY, "fill-rule": "evenodd" }));
  }
  parts.push(element("line", { x1: GUTTER, y1: zero, x2: at(sequence.length), y2: zero, stroke: "#9aa4b2" }));
  return [height, parts];
}

// Blue under 0, white at 0, red above.
function diverging(share) {
  const end = share > 0 ? [178, 24, 43] : [33, 102, 172];
  return "#" + end.map((channel) => Math.round(255 + (channel - 255) * Math.abs(share)).toString(16).padStart(2, "0")).join("");
}

function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b), place = share * (sorted.length - 1), below = Math.floor(place);
  return sorted[below] + (place - below) * ((sorted[below + 1] ?? sorted[below]) - sorted[below]);
}

function heatMap(ism, sequence, offset) {
  const sizes = ism.flat().map(Math.abs), limit = quantile(sizes, 0.99) || Math.max(...sizes);
  const cells = {}, parts = [];
  BASES.split("").forEach((letter, row) => {
    const attributes = { "text-anchor": "end", class: "base", fill: COLOURS[letter] };
    parts.push(label(GUTTER - 8, 14 * row + 11, letter, attributes));
    ism.forEach((effects, i) => {
      const share = limit > 0 ? Math.max(-1, Math.min(1, Math.round((SHADES * effects[row]) / limit) / SHADES)) : 0;
      const colour = sequence[i] === letter ? "#f1f3f6" : diverging(share);
      cells[colour] = (cells[colour] ?? "") + `M${at(i)} ${14 * row}h${CELL}v14h-${CELL}z`;
    });
  });
  for (const [fill, d] of Object.entries(cells)) parts.push(element("path", { d, fill }));
  const dots = [...sequence].map((base, i) =>
    BASES.includes(base) ? `M${at(i) + 4.5} ${14 * BASES.indexOf(base) + 5}h4v4h-4z` : "").join("");
  parts.push(element("path", { d: dots, fill: GREY }));
  ism.forEach((effects, i) => {
    const told = [...BASES].filter((base) => base !== sequence[i]).map((base) => `${base} ${signed(effects[BASES.indexOf(base)])}`);
    const title = element("title", {}, `${sequence[i]} at ${offset + i}: ${told.join(", ")}`);
    parts.push(element("rect", { x: at(i), y: 0, width: CELL, height: 56, class: "hit" }, title));
  });
  parts.push(label(8, 11, "mutation effect", { class: "axis" }));
  for (let i = 0; i < 41; i++) {
    parts.push(element("rect", { x: 8 + 2.4 * i, y: 22, width: 2.6, height: 9, fill: diverging((i - 20) / 20) }));
  }
  parts.push(label(8, 45, shown(-limit)), label(108, 45, signed(limit), { "text-anchor": "end" }));
  return [56, parts];
}

// Tracks one below the other: [height, elements] each, or null for none.
function stack(title, length, tracks) {
  let y = 6;
  const groups = [];
  for (const track of tracks) {
    if (track === null) continue;
    groups.push(element("g", { transform: `translate(0 ${y})` }, ...track[1]));
    y += track[0] + 12;
  }
  return figure(at(length) + RIGHT, y, title, groups);
}
