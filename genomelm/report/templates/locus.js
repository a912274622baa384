// One region as aligned tracks on one base axis; what is not attribution stands below, and says so.
function ruler(sequence, offset) {
  const parts = [label(GUTTER - 8, 13, "offset, sequence", { "text-anchor": "end", class: "axis" })];
  for (let i = (10 - (offset % 10)) % 10; i < sequence.length; i += 10) {
    parts.push(label(at(i + 0.5), 10, offset + i, { "text-anchor": "middle" }));
    parts.push(element("line", { x1: at(i + 0.5), y1: 13, x2: at(i + 0.5), y2: 17, stroke: GREY }));
  }
  for (const base of new Set(sequence)) {
    const places = [...sequence].flatMap((other, i) => (other === base ? [at(i + 0.5)] : []));
    const attributes = { "text-anchor": "middle", class: "base", fill: COLOURS[base] ?? GREY };
    parts.push(label(places.join(" "), 30, base.repeat(places.length), attributes));
  }
  return [34, parts];
}

// Boxes in as few lanes as keep them apart.
function boxes(name, marks, fill, dash) {
  if (!marks.length) return null;
  const lanes = [], parts = [label(GUTTER - 8, 14, name, { "text-anchor": "end", class: "axis" })];
  for (const mark of [...marks].sort((a, b) => a.start - b.start || a.end - b.end)) {
    const text = mark.name + (mark.strand === "-" ? " ←" : mark.strand === "+" ? " →" : "");
    const needed = Math.max(at(mark.end), at(mark.start) + 6.6 * text.length + 8);
    let lane = lanes.findIndex((end) => end <= at(mark.start));
    if (lane < 0) lane = lanes.push(0) - 1;
    lanes[lane] = needed + 4;
    const y = 23 * lane, width = CELL * (mark.end - mark.start);
    const attributes = { x: at(mark.start), y, width, height: 20, rx: 3, fill, stroke: GREY, "stroke-dasharray": dash };
    parts.push(element("rect", attributes, element("title", {}, `${text} ${mark.start}-${mark.end} of the drawn bases`)));
    parts.push(label(at(mark.start) + 4, y + 14, text, { class: "axis" }));
  }
  return [23 * lanes.length - 3, parts];
}

function patches(starts, length) {
  if (!starts.length) return null;
  const parts = [label(GUTTER - 8, 12, "patches", { "text-anchor": "end", class: "axis" })];
  const edges = starts[0] > 0 ? [0, ...starts] : starts;
  edges.forEach((start, i) => {
    const end = edges[i + 1] ?? length, fill = i % 2 ? "#b9c4d3" : "#dfe5ed";
    parts.push(element("rect", { x: at(start), y: 2, width: CELL * (end - start), height: 12, fill }));
    if (starts.includes(start)) parts.push(element("line", { x1: at(start), y1: 0, x2: at(start), y2: 16, stroke: "#1b2430" }));
  });
  return [16, parts];
}

function curve(name, values, colour) {
  if (!values) return null;
  const height = 34, top = Math.max(...values, 1e-300), bottom = Math.min(...values, 0);
  const y = (value) => height * (1 - (value - bottom) / (top - bottom));
  const d = "M" + values.map((value, i) => `${tenth(at(i + 0.5))} ${tenth(y(value))}`).join("L");
  return [height, [
    label(GUTTER - 8, 14, name, { "text-anchor": "end", class: "axis" }),
    label(GUTTER - 8, 28, `${shown(bottom)} to ${shown(top)}`, { "text-anchor": "end" }),
    element("line", { x1: GUTTER, y1: y(0), x2: at(values.length), y2: y(0), stroke: PALE }),
    element("path", { d, fill: "none", stroke: colour, "stroke-width": 1.5 }),
  ]];
}

function heading(text) {
  return [12, [label(8, 11, text, { class: "axis" }), element("line", { x1: 0, y1: -6, x2: GUTTER + 120, y2: -6, stroke: GREY })]];
}

const LOGOS = { gradient_x_input: "gradient × input", integrated_gradients: "integrated grad." };

function drawLocus(locus) {
  const sequence = locus.sequence, length = sequence.length;
  const support = locus.ism.map((row) => -row.reduce((sum, value) => sum + value, 0) / 3);
  const others = [
    patches(locus.patch_starts, length),
    curve("entropy (nats)", locus.entropy, "#7A4B94"),
    ...Object.entries(locus.attention).map(([layer, values]) => curve(`attention ${layer}`.slice(0, 22), values, GREY)),
  ].filter((track) => track !== null);
  return stack(`${locus.id}: mutation effects, attributions and annotation along ${length} bases`, length, [
    boxes("known sites", locus.sites, "#e8edf4", ""),
    boxes("motif hits", locus.hits, "#fff", "4 2"),
    ruler(sequence, locus.offset),
    heatMap(locus.ism, sequence, locus.offset),
    logo("ISM support", sequence, support),
    ...Object.entries(locus.logos).map(([key, heights]) => logo(LOGOS[key] ?? key, sequence, heights)),
    curve("deletion effect", locus.deletion, "#0072B2"),
    others.length ? heading("not attribution: how the model reads the bases") : null,
    ...others,
  ]);
}
